//! Files in the image in addition to its packages: files and outputs of other places in the
//! workspace.
//!
//! Input: `include`, and the paths in sources and in the start command that lead out of a package.
//! Output: files, each at its own place, and directories that other packages' builds write. Files
//! that are certainly needed are brought. For files that may be needed there is a warning with the
//! `include` that brings them. An `include` that brings nothing is an error.

mod globs;
mod within;

use std::collections::BTreeSet;

use serde::Serialize;

use super::aliases::Aliases;
use super::code::Source;
use super::context_list::ContextList;
use super::{ContextEntry, Place, code, inputs, outputs};
use crate::detect::exports::is_code;
use crate::detect::reads::{From, Path};
use crate::files::ignore::Verdict;
use crate::files::tree::{FileKind, optional};
use crate::files::{self, File};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::PlanError;
use globs::{nothing, plain};

/// How many files a directory may have if no `include` names it.
const MAX_FILES: usize = 2000;

/// How many warnings of one kind are shown.
const MAX_WARNINGS: usize = 8;

/// A directory that another package's build writes and the image gets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Brought {
    /// The directory.
    pub path: RepoPath,
    /// The directory of the package.
    pub of: RepoPath,
    /// Why.
    pub why: String,
}

/// The result.
#[derive(Default)]
pub(super) struct Beside {
    /// Files, at their places in the context.
    pub(super) files: Vec<ContextEntry>,
    pub(super) brought: Vec<Brought>,
    pub(super) warnings: Vec<String>,
}

/// The state of the search.
pub(super) struct Finder<'f, 'g, 'l, 'a> {
    list: &'f ContextList<'g, 'l, 'a>,
    /// The paths already in the image.
    have: BTreeSet<String>,
    found: Beside,
    /// Paths already decided.
    seen: BTreeSet<RepoPath>,
    /// Warnings about files that may be needed.
    maybe: BTreeSet<String>,
}

impl<'f, 'g, 'l, 'a> Finder<'f, 'g, 'l, 'a> {
    /// `entries` are the files of packages.
    pub(super) fn new(list: &'f ContextList<'g, 'l, 'a>, entries: &[ContextEntry]) -> Self {
        let kept = entries.iter();
        let kept = kept.filter(|entry| Place::KEPT.contains(&entry.place));
        let kept = kept.map(|entry| entry.path.as_str().to_owned());
        Self {
            list,
            have: kept.collect(),
            found: Beside::default(),
            seen: BTreeSet::new(),
            maybe: BTreeSet::new(),
        }
    }

    /// Finds everything. `sources` are those that may run.
    pub(super) fn find(mut self, sources: &[Source]) -> Result<Beside, PlanError> {
        self.included()?;
        if self.list.runtime.is_some() {
            self.read(sources)?;
        }
        let more = self.maybe.len().saturating_sub(MAX_WARNINGS);
        let shown = self.maybe.into_iter().take(MAX_WARNINGS);
        self.found.warnings.extend(shown);
        if more > 0 {
            let warning = format!("sources name {more} more paths outside of their packages");
            self.found.warnings.push(warning);
        }
        Ok(self.found)
    }

    /// Adds what `include` names.
    fn included(&mut self) -> Result<(), PlanError> {
        let include = &self.list.options.include;
        if include.is_empty() {
            return Ok(());
        }
        let (workspace, rules) = (self.list.workspace, self.list.rules);
        let all = files::walk(&workspace.tree, &RepoPath::ROOT, &BTreeSet::new(), rules)?;
        for glob in include {
            let why = "named by `include`";
            let plain = plain(glob);
            if self
                .output(&plain, true)
                .is_some_and(|one| self.bring(one, why))
            {
                continue;
            }
            let set = inputs::globs([glob]);
            let matched = all
                .files
                .iter()
                .filter(|file| set.is_match(file.path.as_str()));
            let mut some = false;
            for file in matched {
                some = true;
                self.take(file, why);
            }
            if some {
                continue;
            }
            let output = self.output(&plain, false);
            if !output.is_some_and(|one| self.bring(one, why)) {
                return Err(nothing(glob, &plain, &set, &all.dropped).into());
            }
        }
        Ok(())
    }

    /// Adds a file unless the image has it.
    fn take(&mut self, file: &File, why: &str) {
        let path = file.path.as_str();
        if self.list.delivery.start().is_none() || !self.have.insert(path.to_owned()) {
            // What a site serves is written by its build.
            self.send(file, why);
            return;
        }
        self.found
            .files
            .push(ContextEntry::source(Place::Beside, file, why));
        self.send(file, why);
    }

    /// Sends a file of a package that the build would not get otherwise.
    fn send(&mut self, file: &File, why: &str) {
        let owner = self.list.workspace.enclosing(&file.path);
        if !owner.is_root()
            && owner != self.list.app
            && !self.list.build.members.contains_key(&owner)
        {
            self.found
                .files
                .push(ContextEntry::source(Place::Src, file, why));
        }
    }

    /// The output directory of another package that contains a path, and its member. If the path
    /// already exists, only outputs declared in turbo.json or the manifest count.
    fn output(&self, path: &RepoPath, declared: bool) -> Option<(RepoPath, MemberId)> {
        let ContextList {
            workspace, tasks, ..
        } = self.list;
        let at = workspace.enclosing(path);
        let inside = path.strip(&workspace.members[at].dir)?;
        let of_root = at.is_root() && !self.list.app.is_root();
        if of_root || inside.is_empty() || !tasks.run_in(at) {
            return None;
        }
        let dir = &workspace.members[at].dir;
        let outputs = outputs::outputs(workspace, tasks, at, None);
        let globs = outputs.globs.iter().filter(|glob| !glob.starts_with('!'));
        for glob in globs {
            let Ok(base) = dir.join(plain(glob).as_str()) else {
                continue;
            };
            if base == *dir {
                continue;
            }
            if path.is_within(&base) {
                return Some((base, at));
            }
            if base.is_within(path) {
                return Some((path.clone(), at));
            }
        }
        let top = inside.split('/').next().unwrap_or_default();
        let named = outputs.entries.iter().any(|entry| entry == top) && inside.contains('/');
        let whole = dir.join(top).ok().filter(|_| named || !declared)?;
        let there = workspace.tree.metadata(path).is_ok();
        (!there || named).then_some((whole, at))
    }

    /// Adds the outputs of a package unless the image gets them anyway. Returns whether the image
    /// gets them.
    fn bring(&mut self, (path, of): (RepoPath, MemberId), why: &str) -> bool {
        let list = self.list;
        let is_in_image =
            |runtime: &crate::needs::closure::Closure<'_, '_>| runtime.members.contains_key(&of);
        let written = list.delivery.written().filter(|_| of == list.app);
        if of == list.app && (list.runtime.is_some() || written.is_some())
            || list.runtime.is_some_and(is_in_image)
        {
            return true;
        }
        if list.delivery.start().is_none() {
            return false;
        }
        let of = list.workspace.members[of].dir.clone();
        let known = self
            .found
            .brought
            .iter()
            .any(|one| path.is_within(&one.path));
        if !known {
            let why = why.to_owned();
            self.found.brought.push(Brought { path, of, why });
        }
        true
    }

    /// Adds paths in sources and in the start command that lead out of their packages.
    fn read(&mut self, sources: &[Source]) -> Result<(), PlanError> {
        let list = self.list;
        let (workspace, app) = (list.workspace, list.app);
        let home = &workspace.members[app].dir;
        let Some(start) = list.delivery.start() else {
            return Ok(());
        };
        let entry = home.join(&start.entry).ok().and_then(|path| path.parent());
        for word in code::of_start(start) {
            let path = Path {
                path: word,
                from: From::Started,
            };
            self.path(app, &path, std::slice::from_ref(home), &start.reason)?;
        }
        let config = start.env.get("TSX_TSCONFIG_PATH");
        let config = home.join(config.map_or("tsconfig.json", String::as_str));
        // The image has the configuration where a loader reads it.
        let config = config.ok().filter(|file| self.have.contains(file.as_str()));
        let aliases = config.map_or_else(Aliases::default, |file| Aliases::of(workspace, &file));
        for source in sources {
            let own = &workspace.members[source.of].dir;
            let dir = source.path.parent().unwrap_or_default();
            let by = source.path.to_string();
            let entry = entry.iter().filter(|_| source.of == app);
            let from_file = [&dir].into_iter().chain(entry).cloned();
            for path in &source.reads.paths {
                let bases: Vec<RepoPath> = match path.from {
                    From::File => from_file.clone().collect(),
                    From::Started => vec![home.clone()],
                    From::Unknown => from_file.clone().chain([home.clone()]).collect(),
                };
                self.path(source.of, path, &bases, &by)?;
            }
            self.globs(source);
            // Compiled code already contains its imports, or leads elsewhere.
            if self.have.contains(source.path.as_str()) {
                let names = source.reads.modules.iter();
                let up = names.clone().filter(|name| name.starts_with("../"));
                let up = up.map(|name| (dir.clone(), name.clone()));
                let named = names.flat_map(|name| aliases.places(name));
                let named = named.map(|place| (RepoPath::ROOT, place));
                self.follow(Some(own), up.chain(named).collect(), &by)?;
            }
        }
        Ok(())
    }

    /// Adds the code that such code loads, without what lies in `own`.
    fn follow(
        &mut self,
        own: Option<&RepoPath>,
        open: Vec<(RepoPath, String)>,
        by: &str,
    ) -> Result<(), PlanError> {
        let list = self.list;
        let tree = &list.workspace.tree;
        for path in code::followed(tree, own, open).into_keys() {
            if self.is_kept(&path) || !matches!(list.rules.file(&path)?, Verdict::Keep) {
                continue;
            }
            self.take(&File::load(tree, &path)?, &format!("{by} loads it"));
        }
        Ok(())
    }

    /// Whether the image has it because it belongs to one of its packages.
    fn is_kept(&self, path: &RepoPath) -> bool {
        let inside = format!("{path}/");
        let mut below = self.have.range(inside.clone()..);
        self.have.contains(path.as_str())
            || below.next().is_some_and(|one| one.starts_with(&inside))
    }

    /// Decides about one path. `bases` are the directories that it may be relative to.
    fn path(
        &mut self,
        of: MemberId,
        path: &Path,
        bases: &[RepoPath],
        by: &str,
    ) -> Result<(), PlanError> {
        let list = self.list;
        let (workspace, home) = (list.workspace, &list.workspace.members[list.app].dir);
        let own = &workspace.members[of].dir;
        let is_outside = |target: &RepoPath| {
            // What lies below a package may be another one's.
            let owner = workspace.enclosing(target);
            let within = target.is_within(own) || target.is_within(home);
            let inside = within && (owner == of || owner == list.app || !list.app.is_root());
            let above = own.is_within(target) || home.is_within(target);
            !inside && !above && !target.parts().any(|part| part == "node_modules")
        };
        let targets = bases
            .iter()
            .filter_map(|base| base.join(path.path.trim_start_matches('/')).ok());
        let targets: Vec<RepoPath> = targets.filter(is_outside).collect();
        let certain = path.from != From::Unknown;
        if certain && targets.is_empty() {
            return self.within(of, path, bases, by);
        }
        for target in &targets {
            if let Some(output) = self.output(target, true) {
                return self.of_output(target, output, certain, by);
            }
            if let Some(found) = optional(workspace.tree.metadata(target))? {
                return self.of_file(target, found.kind, certain, by);
            }
            if let Some(output) = self.output(target, false).filter(|_| certain) {
                return self.of_output(target, output, certain, by);
            }
        }
        if let Some(target) = targets.first().filter(|_| certain) {
            self.not_built(target, by);
        }
        Ok(())
    }

    fn of_output(
        &mut self,
        target: &RepoPath,
        output: (RepoPath, MemberId),
        certain: bool,
        by: &str,
    ) -> Result<(), PlanError> {
        if certain {
            self.bring(output, &format!("{by} reads {target}"));
        } else {
            self.may(target, by);
        }
        Ok(())
    }

    fn of_file(
        &mut self,
        target: &RepoPath,
        kind: FileKind,
        certain: bool,
        by: &str,
    ) -> Result<(), PlanError> {
        let list = self.list;
        let tree = &list.workspace.tree;
        if self.is_kept(target) || !self.seen.insert(target.clone()) {
            return Ok(());
        }
        let why = format!("{by} reads it");
        if kind == FileKind::Directory {
            let is_package = list.workspace.member_in(target).is_some();
            let nested = list
                .workspace
                .nested(target)
                .map(|member| member.dir.clone());
            let files = files::walk(tree, target, &nested.collect(), list.rules)?.files;
            if files.is_empty() {
                return Ok(());
            }
            if !certain || is_package || files.len() > MAX_FILES {
                self.may(target, by);
                return Ok(());
            }
            for file in &files {
                self.take(file, &why);
            }
            return Ok(());
        }
        if !matches!(list.rules.file(target)?, Verdict::Keep) {
            return Ok(());
        }
        if !certain {
            // Names of code files are usually imports, which the compiler resolves.
            if !is_code(target.as_str()) {
                self.may(target, by);
            }
            return Ok(());
        }
        self.take(&File::load(tree, target)?, &why);
        if is_code(target.as_str()) {
            let dir = target.parent().unwrap_or_default();
            let name = format!("./{}", target.file_name().unwrap_or_default());
            let home = &list.workspace.members[list.app].dir;
            self.follow(Some(home), vec![(dir, name)], by)?;
        }
        Ok(())
    }

    /// Adds a warning about a file that may be needed, with the `include` that brings it.
    fn may(&mut self, target: &RepoPath, by: &str) {
        self.maybe.insert(format!(
            "{by} names {target}, which is not in the image: if the app reads it when it runs, take it along with `--include '{target}'`, or `include` in slimbuild.json"
        ));
    }

    /// Adds a warning that nothing in this build makes what the app reads of another package.
    fn not_built(&mut self, target: &RepoPath, by: &str) {
        let workspace = self.list.workspace;
        let at = workspace.enclosing(target);
        let other = &workspace.members[at];
        if at.is_root() || self.list.tasks.run_in(at) || other.manifest.script("build").is_none() {
            return;
        }
        let (name, app) = (other.label(), &workspace.members[self.list.app]);
        let turbo = workspace.turbo.as_ref();
        let or = turbo.map_or_else(String::new, |_| {
            format!(", or `{name}#build` to `dependsOn` in turbo.json")
        });
        self.maybe.insert(format!(
            "{by} reads {target}, which the build of `{name}` writes, and nothing has that package built: add `\"{name}\": \"workspace:*\"` to `devDependencies` of {}{or}",
            app.manifest.file()
        ));
    }
}

#[cfg(test)]
mod tests;
