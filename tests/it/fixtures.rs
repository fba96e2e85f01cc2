//! Every known complaint about pruning as a small workspace: `testdata/prune/<subject>/in`, with
//! what pruning keeps in `expected.json`.
//!
//! The closures of each workspace's apps are pruned and compared with the expectation. In every
//! case, what is kept is unchanged, pruning again changes nothing, pruning to all members gives
//! back the input, and the pruned tree passes the frozen check. `SLIMBUILD_ACCEPT=1` rewrites the
//! closures in `expected.json`; review the diff.

mod expected;
mod lockfile;
mod pnpm;
mod pruned;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use slimbuild::internals::{
    LockfileError, Lockfiles, MemberId, RepoPath, Scope, Texts, Workspace, frozen, toolchain,
};
use walkdir::{DirEntry, WalkDir};

use crate::support::pruned::closure;
use crate::support::tree::{Tree, repository};
use expected::{Expected, Kept};

/// Fixtures that slimbuild does not handle yet, with the reason.
const KNOWN_FAILURES: [(&str, &str); 0] = [];

/// A fixture: its name, a copy of its workspace, and what is expected.
struct Fixture {
    name: String,
    tree: Tree,
    expected: Expected,
}

fn directory() -> PathBuf {
    repository().join("testdata/prune")
}

fn all() -> Vec<Fixture> {
    let mut names: Vec<String> = fs_err::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    let fixture = |name: String| Fixture {
        tree: self::fixture(&name),
        expected: Expected::load(&directory().join(&name)),
        name,
    };
    names.into_iter().map(fixture).collect()
}

/// A copy of this fixture's workspace.
pub(crate) fn fixture(name: &str) -> Tree {
    copy(&directory().join(name).join("in"))
}

/// A copy of a workspace. git does not store a `.git`, so `dot-git` stands for it.
pub(crate) fn copy(from: &Path) -> Tree {
    copy_in_order(from, |entries| entries)
}

/// The same, with entries created in the given order.
fn copy_in_order(from: &Path, order: impl Fn(Vec<DirEntry>) -> Vec<DirEntry>) -> Tree {
    let tree = Tree::new(&[]);
    let entries = WalkDir::new(from).min_depth(1).into_iter();
    for entry in order(entries.map(|entry| entry.unwrap()).collect()) {
        let path = entry.path().strip_prefix(from).unwrap();
        let target = match path.strip_prefix("dot-git") {
            Ok(rest) => tree.root().join(".git").join(rest),
            Err(_) => tree.root().join(path),
        };
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(target).unwrap();
        } else {
            fs_err::create_dir_all(target.parent().unwrap()).unwrap();
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
    tree
}

impl Fixture {
    fn workspace(&self) -> Result<Workspace, String> {
        Workspace::load(self.tree.root()).map_err(|error| error.to_string())
    }

    fn apps(&self, workspace: &Workspace) -> Vec<MemberId> {
        let position = |dir: &String| workspace.member_in(&RepoPath::new(dir).unwrap()).unwrap();
        self.expected.apps.iter().map(position).collect()
    }
}

/// The lockfiles of a closure of these apps.
fn prune(workspace: &Workspace, apps: &[MemberId], scope: Scope) -> Result<Texts, LockfileError> {
    let lockfiles = Lockfiles::parse(&workspace.lockfiles)?;
    let pruned = closure(workspace, &lockfiles, apps, scope)?.lockfiles(workspace);
    Ok(match workspace.lockfiles {
        Texts::Shared(_) => Texts::Shared(pruned.into_iter().next().unwrap().1.into()),
        Texts::PerProject(_) => {
            let texts = pruned.into_iter();
            Texts::PerProject(texts.map(|(dir, text)| (dir, text.into())).collect())
        }
    })
}

/// The texts of lockfiles, by directory.
fn by_dir(texts: &Texts) -> BTreeMap<RepoPath, &str> {
    match texts {
        Texts::Shared(text) => BTreeMap::from([(RepoPath::ROOT, &**text)]),
        Texts::PerProject(texts) => texts
            .iter()
            .map(|(dir, text)| (dir.clone(), &**text))
            .collect(),
    }
}

/// Checks a fixture; returns the first failure.
fn check(fixture: &Fixture) -> Result<(), String> {
    let text = |error: LockfileError| error.to_string();
    let mut workspace = fixture.workspace()?;
    let apps = fixture.apps(&workspace);
    let original = workspace.lockfiles.clone();
    let pruned = prune(&workspace, &apps, Scope::Build);
    if let Some(words) = &fixture.expected.error {
        return match pruned {
            Err(error) if error.to_string() == *words => Ok(()),
            Err(error) => Err(format!("expected `{words}`, found `{error}`")),
            Ok(_) => Err(format!("expected `{words}`, and there was no error")),
        };
    }
    let pinned = toolchain::named_pnpm(&workspace);
    let members = workspace.members.ids();
    let lockfiles = Lockfiles::parse(&original).map_err(|error| error.to_string())?;
    frozen::check(&workspace, &lockfiles, members.clone(), pinned)
        .map_err(|error| error.to_string())?;

    let mut kept = Vec::new();
    for (scope, pruned) in [
        (Scope::Build, pruned.map_err(text)?),
        (
            Scope::Production,
            prune(&workspace, &apps, Scope::Production).map_err(text)?,
        ),
    ] {
        let before = by_dir(&original);
        for (dir, text) in by_dir(&pruned) {
            lockfile::same_but_for_flags(before[&dir], text)?;
        }
        kept.push(Kept::of(&by_dir(&pruned)));
        workspace.lockfiles.clone_from(&pruned);
        if prune(&workspace, &apps, scope).map_err(text)? != pruned {
            return Err(format!("pruning again changes something ({scope:?})"));
        }
        workspace.lockfiles.clone_from(&original);
        pruned::check(fixture, &workspace, &apps, scope, &pruned)?;
    }
    let whole = prune(&workspace, &members.collect::<Vec<_>>(), Scope::Build).map_err(text)?;
    if (whole == original) != fixture.expected.whole.is_none() {
        return Err(format!(
            "pruning to all members {} the input",
            if whole == original {
                "gives"
            } else {
                "does not give"
            }
        ));
    }
    fixture
        .expected
        .compare(&directory().join(&fixture.name), &kept[0], &kept[1])
}

#[test]
fn every_subject() {
    let mut problems = Vec::new();
    for fixture in all() {
        let known = KNOWN_FAILURES
            .iter()
            .find(|(name, _)| *name == fixture.name);
        match (check(&fixture), known) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(problem), None) => {
                problems.push(format!("{}: {problem}", fixture.name));
            }
            (Ok(()), Some((name, missing))) => {
                problems.push(format!(
                    "{name} passes though {missing}: take it off the list"
                ));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Another order of entries, other permissions and times: `slimbuild prune` writes the same bytes
/// and modes.
#[test]
fn another_checkout_gives_the_same_output() {
    for fixture in all() {
        let known = KNOWN_FAILURES.iter().any(|(name, _)| *name == fixture.name);
        if known || fixture.expected.error.is_some() {
            continue;
        }
        let from = directory().join(&fixture.name).join("in");
        let other = Fixture {
            name: fixture.name.clone(),
            tree: copy_in_order(&from, |mut entries| {
                entries.sort_by_key(|entry| Reverse(entry.path().to_owned()));
                entries
            }),
            expected: Expected::load(&directory().join(&fixture.name)),
        };
        for entry in WalkDir::new(other.tree.root()).min_depth(1) {
            let entry = entry.unwrap();
            let mode = if entry.file_type().is_dir() {
                0o700
            } else {
                0o640
            };
            fs_err::set_permissions(entry.path(), Permissions::from_mode(mode)).unwrap();
        }
        for scope in [Scope::Build, Scope::Production] {
            let outputs = [&fixture, &other].map(|fixture| output(fixture, scope));
            assert_eq!(outputs[0], outputs[1], "{} ({scope:?})", fixture.name);
        }
    }
}

/// The files that `slimbuild prune` writes: modes and content.
fn output(fixture: &Fixture, scope: Scope) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let workspace = fixture.workspace().unwrap();
    let out = crate::support::temporary();
    let out = out.path().join("out");
    let apps = fixture.apps(&workspace);
    pruned::write(fixture, &workspace, &apps, scope, &out).unwrap();
    let files = WalkDir::new(&out).into_iter().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let mode = entry.metadata().unwrap().permissions().mode();
            let path = entry.path().strip_prefix(&out).unwrap().to_owned();
            (path, (mode, fs_err::read(entry.path()).unwrap()))
        })
        .collect()
}
