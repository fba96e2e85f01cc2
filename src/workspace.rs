//! The workspace: its root, its members, and the files at the root that describe it.
//!
//! Input: a directory to start from. Output: every manifest, parsed. The lockfile knows who depends
//! on whom.

mod error;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod git;
mod globs;
pub mod history;
pub mod javascript;
pub mod manifest;
mod members;
pub mod pnpmfile;
pub mod toolchain;

pub use error::WorkspaceError;
pub use find::find_root;
use find::other_manager;
pub use members::Members;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::tree::{Limit, Tree};
use crate::lockfile;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::system::terminal::one_line;
use crate::system::threads;
use crate::system::trail;
use crate::workspace::manifest::npmrc::Npmrc;
use crate::workspace::manifest::package::{self, Manifest};
use crate::workspace::manifest::turbo::{self, TurboManifest};
use crate::workspace::manifest::workspace::{self, WorkspaceManifest};
use crate::workspace::manifest::{ManifestError, include};

/// A package of the workspace, or the root project.
#[derive(Debug)]
pub struct Member {
    /// Its directory.
    pub dir: RepoPath,
    /// Its `package.json`, `package.json5` or `package.yaml`.
    pub manifest: Manifest,
    /// Its own `turbo.json`, if any.
    pub turbo: Option<TurboManifest>,
    /// Its own `.npmrc` without secrets, empty for the root project. pnpm reads it when it installs
    /// each project separately.
    pub npmrc: Npmrc,
}

impl Member {
    /// The package's name, or the directory if it has none.
    pub fn label(&self) -> String {
        let name = self.manifest.name();
        let name = name.map_or_else(|| self.dir.to_string(), str::to_owned);
        one_line(&name).into_owned()
    }
}

/// Everything that describes the workspace.
#[derive(Debug)]
pub struct Workspace {
    /// Its root on disk.
    pub root: PathBuf,
    /// Opens its files.
    pub tree: Tree,
    /// All members, the root project first, the others by directory.
    pub members: Members,
    /// `pnpm-workspace.yaml`.
    pub settings: WorkspaceManifest,
    /// The text of `pnpm-workspace.yaml`, with its included files merged.
    pub settings_text: Option<String>,
    /// The root's `turbo.json`, or the tasks of `pnpm-workspace.yaml`, if any.
    pub turbo: Option<TurboManifest>,
    /// `.npmrc` without its secrets.
    pub npmrc: Npmrc,
    /// The texts of the lockfiles.
    pub lockfiles: lockfile::Texts,
    /// Members by name. If several have a name, the first.
    by_name: BTreeMap<String, MemberId>,
}

impl Workspace {
    /// Loads the workspace at `root`.
    pub fn load(root: &Path) -> Result<Self, WorkspaceError> {
        let tree = &Tree::open(root).map_err(ManifestError::from)?;
        let settings_text = settings_text(tree)?;
        let settings = WorkspaceManifest::parse(settings_text.as_deref().unwrap_or_default())?;
        let turbo = match (turbo_manifest(tree, &RepoPath::ROOT)?, &settings.all) {
            (None, Some(all)) => turbo::pnpm::tasks(all)?,
            (found, _) => found,
        };
        let npmrc = read(tree, ".npmrc")?
            .map(|text| Npmrc::parse(&text))
            .unwrap_or_default();
        let mut dirs = vec![RepoPath::ROOT];
        dirs.extend(globs::expand(
            tree,
            settings.packages.as_deref().unwrap_or_default(),
        )?);
        // pnpm 10 records `libs/a\b` as `libs/a/b`, which is another directory.
        if let Some(dir) = dirs.iter().find(|dir| dir.as_str().contains('\\')) {
            return Err(WorkspaceError::Backslash { dir: dir.clone() });
        }
        let members = threads::map(&dirs, 16, |dir| member(tree, dir.clone()));
        let mut members = members.into_iter().collect::<Result<Vec<_>, _>>()?;
        let is_shared = is_shared(&settings, &npmrc, &members[0].manifest);
        if !is_shared {
            for member in &mut members[1..] {
                let text = read(tree, &below(&member.dir, ".npmrc"))?;
                member.npmrc = text.map(|text| Npmrc::parse(&text)).unwrap_or_default();
            }
        }
        let by_branch = settings
            .git_branch_lockfile
            .unwrap_or(npmrc.get("git-branch-lockfile") == Some("true"));
        let branch = git::branch(root)
            .filter(|_| by_branch)
            .map(|branch| lockfile::branch_file(&branch));
        let files: Vec<String> = branch
            .into_iter()
            .chain([lockfile::FILE.to_owned()])
            .collect();
        let load = |dir: &RepoPath| lockfile::load(tree, dir, &files).map_err(ManifestError::from);
        let lockfiles = if is_shared {
            let text = load(&RepoPath::ROOT)?;
            lockfile::Texts::Shared(text.ok_or_else(|| no_lockfile(tree, &members))?.into())
        } else {
            let mut texts = BTreeMap::new();
            for member in &members {
                if let Some(text) = load(&member.dir)? {
                    texts.insert(member.dir.clone(), text.into());
                }
            }
            lockfile::Texts::PerProject(texts)
        };
        let members = Members::new(members);
        trail::decided(|| {
            let packages = members.count() - 1;
            let files = match &lockfiles {
                lockfile::Texts::Shared(_) => "one lockfile for all packages".to_owned(),
                lockfile::Texts::PerProject(texts) => format!("{} lockfiles", texts.len()),
            };
            let root = root.display();
            format!("the workspace is `{root}`, with {packages} packages below it and {files}")
        });
        Ok(Self {
            root: root.to_path_buf(),
            tree: tree.clone(),
            by_name: by_name(&members),
            members,
            settings,
            settings_text,
            turbo,
            npmrc,
            lockfiles,
        })
    }

    /// How many packages there are; the root project counts where it is the app.
    pub fn packages(&self, root_is_app: bool) -> usize {
        self.members.count() - usize::from(!root_is_app)
    }

    /// The root project.
    pub fn root_member(&self) -> &Member {
        &self.members[MemberId::ROOT]
    }

    /// The member in this directory.
    pub fn member_in(&self, dir: &RepoPath) -> Option<MemberId> {
        let all = self.members.all();
        let found = all.binary_search_by(|member| member.dir.cmp(dir));
        found.ok().map(MemberId::new)
    }

    /// The first member with this name, without the root project.
    pub fn named(&self, name: &str) -> Option<MemberId> {
        self.by_name.get(name).copied()
    }

    /// The members below a directory, without the one in it.
    pub fn nested(&self, dir: &RepoPath) -> impl Iterator<Item = &Member> {
        // They are neighbours: nothing but paths below `a` sorts between two paths that begin with
        // `a/`.
        let prefix = dir.prefix();
        let packages = self.members.packages();
        let first = packages.partition_point(|member| member.dir.as_str() < &*prefix);
        packages[first..]
            .iter()
            .take_while(move |member| member.dir.as_str().starts_with(&prefix))
    }

    /// Removes the members in and below a directory. The identities of members change.
    pub fn leave_out(&mut self, dir: &RepoPath) {
        self.members
            .retain_packages(|member| !member.dir.is_within(dir));
        self.by_name = by_name(&self.members);
    }

    /// The member with the deepest directory that contains `path`; otherwise the root project.
    pub fn enclosing(&self, path: &RepoPath) -> MemberId {
        let mut dir = Some(path.clone());
        while let Some(at) = dir {
            if let Some(found) = self.member_in(&at) {
                return found;
            }
            dir = at.parent();
        }
        MemberId::ROOT
    }
}

/// The settings with their includes merged, as pnpm 12 does, unless the root's manifest pins an older
/// pnpm.
fn settings_text(tree: &Tree) -> Result<Option<String>, WorkspaceError> {
    let text = read(tree, workspace::FILE)?;
    let Some(text) = text.as_ref().filter(|text| text.contains("include")) else {
        return Ok(text);
    };
    let root = member(tree, RepoPath::ROOT)?.manifest;
    if pinned_major(&root).is_some_and(|major| major < 12) {
        return Ok(Some(text.clone()));
    }
    let merged = include::merged(text, |path| read(tree, path.as_str()))?;
    Ok(Some(merged))
}

/// The major version of pnpm that `packageManager` pins.
fn pinned_major(root: &Manifest) -> Option<u64> {
    let version = root.text("packageManager")?.strip_prefix("pnpm@")?;
    version.split('.').next()?.parse::<u64>().ok()
}

/// Whether one lockfile serves all projects. pnpm up to 10 reads the setting from `.npmrc`, pnpm 10
/// and later from `pnpm-workspace.yaml`.
fn is_shared(settings: &WorkspaceManifest, npmrc: &Npmrc, root: &Manifest) -> bool {
    let major = pinned_major(root);
    let here = settings
        .shared_workspace_lockfile
        .filter(|_| major.is_none_or(|major| major >= 10));
    let there = npmrc
        .get("shared-workspace-lockfile")
        .filter(|_| major.is_none_or(|major| major <= 10));
    here.unwrap_or(there != Some("false"))
}

/// The error if the shared lockfile is missing.
fn no_lockfile(tree: &Tree, members: &[Member]) -> WorkspaceError {
    let own = |member: &&Member| {
        let file = member.dir.join(lockfile::FILE).unwrap_or_default();
        tree.is_file(&file).unwrap_or_default()
    };
    if let Some(member) = members.iter().find(own) {
        return WorkspaceError::OwnLockfile {
            dir: member.dir.clone(),
        };
    }
    let has = |file: &str| {
        let file = RepoPath::new(file).unwrap_or_default();
        tree.is_file(&file).unwrap_or_default()
    };
    other_manager(has).map_or(WorkspaceError::NoLockfile, WorkspaceError::OtherManager)
}

fn by_name(members: &Members) -> BTreeMap<String, MemberId> {
    let named = members.with_ids().skip(1).rev();
    named
        .filter_map(|(at, member)| Some((member.manifest.name()?.to_owned(), at)))
        .collect()
}

fn read(tree: &Tree, file: &str) -> Result<Option<String>, ManifestError> {
    let path = RepoPath::new(file).unwrap_or_default();
    Ok(tree.read_text_optional(&path, Limit::Settings)?)
}

fn turbo_manifest(tree: &Tree, dir: &RepoPath) -> Result<Option<TurboManifest>, ManifestError> {
    for name in turbo::FILES {
        let file = below(dir, name);
        if let Some(text) = read(tree, &file)? {
            return TurboManifest::parse(&file, &text).map(Some);
        }
    }
    Ok(None)
}

fn member(tree: &Tree, dir: RepoPath) -> Result<Member, ManifestError> {
    let mut manifest = None;
    for name in package::FILES {
        let file = below(&dir, name);
        if let Some(text) = read(tree, &file)? {
            manifest = Some(Manifest::parse(&file, &text)?);
            break;
        }
    }
    // pnpm accepts a root without a manifest.
    let none = || Manifest::parse(&below(&dir, package::FILES[0]), "{}");
    let manifest = manifest.map_or_else(none, Ok)?;
    let turbo = if dir.is_root() {
        None
    } else {
        turbo_manifest(tree, &dir)?
    };
    Ok(Member {
        dir,
        manifest,
        turbo,
        npmrc: Npmrc::default(),
    })
}

fn below(dir: &RepoPath, name: &str) -> String {
    dir.prefix() + name
}

#[cfg(test)]
mod tests;
