//! Resolves `extends` of a `tsconfig.json`. Each file is read once, however many files extend it.

use std::collections::BTreeMap;

use crate::files::tree::{Limit, TreeError};
use crate::model::module;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::ManifestError;
use crate::workspace::manifest::tsconfig::{Names, Tsconfig};

/// How many files may extend each other in a row. Real workspaces have three or four.
const MAX_DEPTH: usize = 64;

/// A configuration with its `extends` resolved.
#[derive(Debug, Default, Clone)]
pub struct Resolved {
    pub(super) options: Tsconfig,
    pub(super) out_dir: Option<RepoPath>,
    pub(super) root_dir: Option<RepoPath>,
    pub(super) base_url: Option<RepoPath>,
    /// The names of `paths` with their targets, and the directory of the file that has them.
    pub(super) paths: Option<(RepoPath, Names)>,
}

impl Resolved {
    /// The names of `paths` with their targets, and the directory that the targets are relative to.
    pub fn names(self) -> Option<(RepoPath, Names)> {
        let (dir, names) = self.paths?;
        Some((self.base_url.unwrap_or(dir), names))
    }
}

/// Reads a configuration and everything that it extends; `None` if there is no such file.
pub fn resolve(workspace: &Workspace, path: &RepoPath) -> Result<Option<Resolved>, ManifestError> {
    let mut resolver = Resolver {
        workspace,
        leaf: path.parent().unwrap_or_default(),
        known: BTreeMap::new(),
        open: Vec::new(),
    };
    resolver.resolve(path)
}

struct Resolver<'w> {
    workspace: &'w Workspace,
    /// The directory of the compiler's own configuration file.
    leaf: RepoPath,
    known: BTreeMap<RepoPath, Option<Resolved>>,
    /// The files on the way to the current one.
    open: Vec<RepoPath>,
}

impl Resolver<'_> {
    fn resolve(&mut self, path: &RepoPath) -> Result<Option<Resolved>, ManifestError> {
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        if let Some(start) = self.open.iter().position(|open| open == path) {
            let circle = self.open[start..].iter().chain([path]);
            let circle: Vec<&str> = circle.map(RepoPath::as_str).collect();
            let problem = format!("`extends` leads back to the file: {}", circle.join(" → "));
            return Err(meaning(path, problem));
        }
        if self.open.len() == MAX_DEPTH {
            let problem = format!("more than {MAX_DEPTH} files extend each other in a row");
            return Err(meaning(&self.open[0], problem));
        }
        let text = self
            .workspace
            .tree
            .read_text_optional(path, Limit::Settings)?;
        let resolved = match text {
            Some(text) => {
                let own = Tsconfig::parse(path.as_str(), &text)?;
                self.open.push(path.clone());
                let bases = self.bases(path, &own)?;
                self.open.pop();
                Some(self.above(path, own, bases))
            }
            None => None,
        };
        self.known.insert(path.clone(), resolved.clone());
        Ok(resolved)
    }

    /// The merged configuration of all files that this one extends.
    fn bases(&mut self, path: &RepoPath, own: &Tsconfig) -> Result<Resolved, ManifestError> {
        let dir = path.parent().unwrap_or_default();
        let mut resolved = Resolved::default();
        for base in &own.extends {
            let Some(base) = extended(self.workspace, &dir, base)? else {
                continue;
            };
            let Some(base) = self.resolve(&base)? else {
                continue;
            };
            // Later bases win over earlier ones; `files`, `include` and `exclude` of a base apply
            // if this file has none.
            let take = |own: &mut Option<Vec<String>>, base: Option<Vec<String>>| {
                *own = base.or(own.take());
            };
            take(&mut resolved.options.files, base.options.files);
            take(&mut resolved.options.include, base.options.include);
            take(&mut resolved.options.exclude, base.options.exclude);
            resolved.options.no_emit = base.options.no_emit.or(resolved.options.no_emit);
            resolved.options.composite = base.options.composite.or(resolved.options.composite);
            resolved.options.allow_js = base.options.allow_js.or(resolved.options.allow_js);
            resolved.out_dir = base.out_dir.or(resolved.out_dir);
            resolved.root_dir = base.root_dir.or(resolved.root_dir);
            resolved.base_url = base.base_url.or(resolved.base_url);
            resolved.paths = base.paths.or(resolved.paths);
        }
        Ok(resolved)
    }

    /// Applies a file on top of what it extends.
    fn above(&self, path: &RepoPath, own: Tsconfig, mut resolved: Resolved) -> Resolved {
        let dir = path.parent().unwrap_or_default();
        let options = &mut resolved.options;
        options.files = own.files.or(options.files.take());
        options.include = own.include.or(options.include.take());
        options.exclude = own.exclude.or(options.exclude.take());
        options.no_emit = own.no_emit.or(options.no_emit);
        options.composite = own.composite.or(options.composite);
        options.allow_js = own.allow_js.or(options.allow_js);
        // Directories are relative to their file, `${configDir}` to the compiler's own
        // configuration file.
        let joined = |text: Option<String>| {
            let text = text?;
            match text.strip_prefix("${configDir}") {
                Some(rest) => self.leaf.join(rest.trim_start_matches('/')).ok(),
                None => dir.join(&text).ok(),
            }
        };
        resolved.out_dir = joined(own.out_dir).or(resolved.out_dir);
        resolved.root_dir = joined(own.root_dir).or(resolved.root_dir);
        resolved.base_url = joined(own.base_url).or(resolved.base_url);
        if !own.paths.is_empty() {
            resolved.paths = Some((dir, own.paths));
        }
        resolved
    }
}

fn meaning(path: &RepoPath, problem: String) -> ManifestError {
    ManifestError::Meaning {
        file: path.to_string(),
        problem,
    }
}

/// The file that an `extends` names: a relative one, or one in a package of the workspace. Packages
/// from the registry are not on disk before an install.
pub fn extended(
    workspace: &Workspace,
    dir: &RepoPath,
    base: &str,
) -> Result<Option<RepoPath>, TreeError> {
    for path in candidates(workspace, dir, base).into_iter().flatten() {
        if workspace.tree.is_file(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The possible paths of an `extends`; the first that exists counts.
fn candidates(workspace: &Workspace, dir: &RepoPath, base: &str) -> Option<[RepoPath; 3]> {
    let path = if base.starts_with('.') {
        dir.join(base).ok()?
    } else {
        let (package, rest) = module::split(base);
        let member = &workspace.members[workspace.named(package)?];
        let rest = if rest.is_empty() {
            "tsconfig.json"
        } else {
            rest
        };
        member.dir.join(rest).ok()?
    };
    Some([
        path.clone(),
        RepoPath::new(&format!("{path}.json")).ok()?,
        path.join("tsconfig.json").ok()?,
    ])
}
