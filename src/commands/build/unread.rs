//! Finds build arguments of the command line that no task reads: a user who gives one expects an
//! effect.

use std::path::Path;

use crate::cli::BuildArg;
use crate::commands::error::Error;
use crate::files::tree::{Limit, Tree};
use crate::needs::tasks::is_proxy;
use crate::plan::{BuildStep, Content, Plan};

/// Fails if the task that needs an argument would not see it.
pub(super) fn check(given: &[BuildArg], plan: &Plan, root: &Path) -> Result<(), Error> {
    let steps = plan.steps();
    let reads = |name: &str| {
        let mut tasks = steps.iter().flat_map(|step| &step.tasks);
        is_proxy(name) || tasks.any(|task| task.args.iter().any(|arg| arg == name))
    };
    let unread = given.iter().find(|arg| !reads(&arg.name));
    let (Some(BuildArg { name, .. }), Some(last)) = (unread, steps.last()) else {
        return Ok(());
    };
    let (step, file) = match wants(name, plan, root) {
        Some((step, file)) => (step, Some(file)),
        None => (last, None),
    };
    let script = step.tasks.last().map_or("build", |task| &task.script);
    let seems = match file {
        Some(file) => format!(
            "the task `{script}` of {} seems to want it, for {file} names it: add",
            step.name
        ),
        None => format!("for the task `{script}` of {}, add", step.name),
    };
    Err(Error::Usage {
        message: format!("no task that runs declares the build argument `{name}`"),
        hint: Some(format!(
            "{seems} `{name}` to the task's `env` in turbo.json; or leave the argument out"
        )),
    })
}

/// The step of a package with a file that mentions the variable, and the file.
fn wants<'p>(name: &str, plan: &'p Plan, root: &Path) -> Option<(&'p BuildStep, String)> {
    let tree = Tree::open(root).ok()?;
    // A package's last step builds it. Deeper packages come first, because the root contains all
    // files.
    let mut steps: Vec<&BuildStep> = plan.steps().iter().rev().collect();
    steps.sort_by_key(|step| std::cmp::Reverse(step.dir.as_str().len()));
    for entry in plan.context() {
        let Content::Source { path, .. } = &entry.content else {
            continue;
        };
        let Some(step) = steps.iter().find(|step| path.is_within(&step.dir)) else {
            continue;
        };
        let text = tree.read_text_optional(path, Limit::Settings);
        let named = text.ok().flatten().is_some_and(|text| has(&text, name));
        if named {
            return Some((step, path.to_string()));
        }
    }
    None
}

/// Whether a text contains the name as a word.
fn has(text: &str, name: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        assert!(has("process.env.API_URL ?? ''", "API_URL"));
        assert!(has("API_URL", "API_URL"));
        assert!(!has("NEXT_PUBLIC_API_URL API_URL_2", "API_URL"));
    }
}
