//! Whether the image's node can run the sources that it will load, before anything is built.
//!
//! Input: how the app starts, and the sources that the image keeps. Output: nothing, or the first
//! file that node certainly refuses, with the files that lead to it. Build output, and sources that
//! a loader may change, are left to the proof, which asks the image's own node.

use std::collections::BTreeMap;

use super::code::located;
use super::runs::node_options;
use super::{PlanError, PlanOptions};
use crate::detect::reads;
use crate::detect::typescript::{Takes, is_typescript, refused};
use crate::detect::{Delivery, DetectError, Start, exports, loader};
use crate::files::tree::Limit;
use crate::lockfile::Lockfiles;
use crate::model::member::MemberId;
use crate::model::module;
use crate::model::path::RepoPath;
use crate::needs::tasks::Tasks;
use crate::plan::config::Base;
use crate::workspace::Workspace;

/// The input of the check.
pub(super) struct Loaded<'p> {
    pub(super) workspace: &'p Workspace,
    pub(super) lockfiles: &'p Lockfiles<'p>,
    pub(super) app: MemberId,
    pub(super) delivery: &'p Delivery,
    pub(super) tasks: &'p Tasks,
    pub(super) options: &'p PlanOptions,
    pub(super) node: &'p str,
}

/// A file that is loaded.
struct Found {
    path: RepoPath,
    /// Whether it is a copy below `node_modules`.
    installed: bool,
}

impl Loaded<'_> {
    /// Refuses an app that node cannot run.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        let Some(start) = self.delivery.start() else {
            return Ok(());
        };
        // A base of the user's own has a node of its own version.
        let base = self.options.base.as_ref();
        let own = base.is_some_and(|base| matches!(base.value, Base::Image(_) | Base::Disk(_)));
        if start.built || start.line().is_some() || own || !self.delivery.has_modules() {
            return Ok(());
        }
        let set = self.options.env.get("NODE_OPTIONS");
        let set = node_options(set.map(|set| &*set.value), self.delivery).unwrap_or_default();
        let words = start.node_args.iter().map(String::as_str);
        let words: Vec<&str> = words.chain(set.split_whitespace()).collect();
        if loader::loads_first(words.iter().copied()) {
            return Ok(());
        }
        let home = &self.workspace.members[self.app].dir;
        let Ok(entry) = home.join(&start.entry) else {
            return Ok(());
        };
        match self.walk(entry, start, &words) {
            None => Ok(()),
            Some((problem, fix)) => Err(DetectError::TypeScript {
                app: home.clone(),
                problem,
                fix: fix.to_owned(),
            }
            .into()),
        }
    }

    /// Follows the modules that are always loaded at start. Returns the first file that node
    /// refuses, unless the code loads a loader itself.
    fn walk(
        &self,
        entry: RepoPath,
        start: &Start,
        words: &[&str],
    ) -> Option<(String, &'static str)> {
        let takes = Takes::of(self.node, words.iter().copied());
        let named = start.conditions().into_iter();
        let named = named.map(|word| {
            word.trim_start_matches("--conditions=")
                .trim_start_matches("-C")
        });
        let always = ["node", "node-addons", "module-sync"].into_iter();
        let conditions: Vec<&str> = always.chain(named).collect();
        let mut parents: BTreeMap<RepoPath, Option<RepoPath>> = BTreeMap::new();
        parents.insert(entry.clone(), None);
        let mut open = vec![Found {
            path: entry,
            installed: false,
        }];
        let mut wrong = None;
        while let Some(file) = open.pop() {
            let Ok(text) = self.workspace.tree.read_text(&file.path, Limit::Source) else {
                continue;
            };
            let path = file.path.as_str();
            if let Some(refused) = refused(self.node, takes, path, &text, file.installed) {
                let problem = format!("{path} {}{}", refused.problem, by(&parents, &file.path));
                wrong.get_or_insert((problem, refused.fix));
            }
            let reads = reads::reads(&text);
            if reads.modules.iter().any(|name| loader::may_load(name)) {
                return None;
            }
            let imported = reads.imported.iter().map(|name| (name, "import"));
            let required = reads.required.iter().map(|name| (name, "require"));
            for (name, kind) in imported.chain(required) {
                let mut allowed = conditions.clone();
                allowed.push(kind);
                match self.target(&file, name, &allowed) {
                    Some(Ok(next)) if !parents.contains_key(&next.path) => {
                        parents.insert(next.path.clone(), Some(file.path.clone()));
                        open.push(next);
                    }
                    Some(Err(place)) => {
                        let problem = format!(
                            "{path} loads `{name}`, and node finds no {place} by that name{}",
                            by(&parents, &file.path)
                        );
                        wrong.get_or_insert((problem, ENDING_HINT));
                    }
                    _ => {}
                }
            }
        }
        wrong
    }

    /// The file that node finds by a name from another file. The error is a file that only a compiler
    /// would find by that name.
    fn target(
        &self,
        from: &Found,
        name: &str,
        conditions: &[&str],
    ) -> Option<Result<Found, RepoPath>> {
        let tree = &self.workspace.tree;
        let is_file = |path: &RepoPath| tree.is_file(path).unwrap_or_default();
        let owner = self.workspace.enclosing(&from.path);
        if name.starts_with('.') {
            let dir = from.path.parent().unwrap_or_default();
            let path = dir.join(name).ok()?;
            if is_file(&path) {
                let installed = from.installed;
                return Some(Ok(Found { path, installed }));
            }
            // A build may write a file of that name.
            let place = located(tree, &dir, name).filter(|_| !self.tasks.run_in(owner))?;
            let unknown = is_typescript(place.as_str());
            return unknown.then_some(Err(place));
        }
        let (package, path) = module::package(name).map(|_| module::split(name))?;
        let (_, importer) = self.lockfiles.project(&self.workspace.members[owner].dir)?;
        let mut all = importer.dependencies.iter();
        let version = &all.find(|one| one.alias == package)?.version;
        let (dir, installed) = if let Some(link) = version.strip_prefix("link:") {
            let dir = self.workspace.members[owner].dir.join(link).ok()?;
            (dir, from.installed)
        } else {
            let copied = version.split_once('@').map_or(&**version, |(_, rest)| {
                if rest.starts_with("file:") {
                    rest
                } else {
                    version
                }
            });
            let copied = copied.strip_prefix("file:")?.split('(').next()?;
            (RepoPath::new(copied).ok()?, true)
        };
        let at = self.workspace.member_in(&dir)?;
        let file = exports::resolved(&self.workspace.members[at].manifest, path, conditions)?;
        let path = dir.join(&file).ok().filter(is_file)?;
        Some(Ok(Found { path, installed }))
    }
}

const ENDING_HINT: &str = "write the name with the ending that the file has (`./x.ts`), compile it in a `build` script and name the output, or start the app through tsx: `tsx FILE` in the `start` script, with tsx among `dependencies`";

/// The files that lead to this one, as the end of a sentence.
fn by(parents: &BTreeMap<RepoPath, Option<RepoPath>>, path: &RepoPath) -> String {
    let mut chain = Vec::new();
    let mut at = parents.get(path).and_then(Option::as_ref);
    while let Some(parent) = at {
        chain.insert(0, parent.to_string());
        at = parents.get(parent).and_then(Option::as_ref);
    }
    match chain.len() {
        0 => String::new(),
        _ => format!(" ({} loads it)", chain.join(" → ")),
    }
}

#[cfg(test)]
mod tests;
