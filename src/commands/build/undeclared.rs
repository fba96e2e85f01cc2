//! Build arguments that no task reads. A user who gives one for this app expects it to arrive.

use std::path::Path;

use crate::commands::error::Error;
use crate::files::tree::{Limit, Tree};
use crate::needs::tasks::is_proxy;
use crate::plan::config::{ConfigError, FILE, GivenBy};
use crate::plan::{BuildStep, Content, Plan, PlanOptions};

/// Refuses a build argument that no task would see. Arguments that the root's file sets for all apps
/// are exempt, since they may be for another app.
pub(super) fn check(options: &PlanOptions, plan: &Plan, root: &Path) -> Result<(), Error> {
    let steps = plan.steps();
    let reads = |name: &str| {
        let mut tasks = steps.iter().flat_map(|step| &step.tasks);
        is_proxy(name) || tasks.any(|task| task.args.iter().any(|arg| arg == name))
    };
    let mut given = options.build_args.iter();
    let undeclared = given.find(|(name, arg)| !reads(name) && !is_for_all(&arg.source, plan));
    let (Some((name, arg)), Some(last)) = (undeclared, steps.last()) else {
        return Ok(());
    };
    let (step, file) = match wants(name, plan, root) {
        Some((step, file)) => (step, Some(file)),
        None => (last, None),
    };
    let task = step.tasks.last();
    let script = task.map_or("build", |task| &task.script);
    let seems = match file {
        Some(file) => format!(
            "the task `{script}` of {} seems to want it, for {file} names it:",
            step.name
        ),
        None => format!("for the task `{script}` of {},", step.name),
    };
    let how = task.and_then(|task| task.declared.how(script, &[name]));
    let how = how.map_or_else(String::new, |how| format!("{seems} {how}; or "));
    let message = format!("no task that runs declares the build argument `{name}`");
    let hint = format!("{how}leave the argument out");
    Err(match &arg.source {
        GivenBy::Flag(_) => Error::Usage {
            message,
            hint: Some(hint),
        },
        source @ GivenBy::Key { .. } => ConfigError::unfit(source, message, hint).into(),
    })
}

/// Whether the root's file sets the value for all apps.
fn is_for_all(source: &GivenBy, plan: &Plan) -> bool {
    match source {
        GivenBy::Flag(_) => false,
        GivenBy::Key { key, file } => {
            let own = plan
                .app
                .dir
                .join(FILE)
                .is_ok_and(|own| own.as_str() == file);
            !own && !key.starts_with("apps")
        }
    }
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
