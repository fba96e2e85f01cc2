//! Every known complaint about pruning, as a small workspace: `testdata/prune/<subject>/in`, with what is kept of it in `expected.json`.
//!
//! Of each workspace the closures of its apps are pruned, and compared with the expectation. Whatever it is about, what is kept is as it was,
//! pruning again changes nothing, pruning to all members gives back the input, and the pruned tree passes the frozen check.
//! `SLIMBUILD_ACCEPT=1` rewrites the closures in `expected.json`; review the difference.

mod expected;
mod lockfile;
mod pnpm;
mod pruned;

use std::path::{Path, PathBuf};

use slimbuild::frozen;
use slimbuild::lockfile::{Lockfile, LockfileError};
use slimbuild::path::RepoPath;
use slimbuild::pruned::Scope;
use slimbuild::toolchain;
use slimbuild::workspace::Workspace;
use walkdir::WalkDir;

use crate::support::pruned::closure;
use crate::support::tree::{Tree, repository};
use expected::{Expected, Kept};

/// Subjects that slimbuild does not get right yet, with what is missing.
const KNOWN_FAILURES: [(&str, &str); 1] = [(
    "per-project-lockfiles",
    "lockfiles of single projects are not read",
)];

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
        tree: copy(&directory().join(&name).join("in")),
        expected: Expected::load(&directory().join(&name)),
        name,
    };
    names.into_iter().map(fixture).collect()
}

/// A copy of a workspace; git would not take a `.git` in, so that `dot-git` stands for it.
fn copy(from: &Path) -> Tree {
    let tree = Tree::new(&[]);
    for entry in WalkDir::new(from).min_depth(1) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(from).unwrap();
        let target = match path.strip_prefix("dot-git") {
            Ok(rest) => tree.root().join(".git").join(rest),
            Err(_) => tree.root().join(path),
        };
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(target).unwrap();
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
    tree
}

impl Fixture {
    fn workspace(&self) -> Result<Workspace, String> {
        Workspace::load(self.tree.root()).map_err(|error| error.to_string())
    }

    fn apps(&self, workspace: &Workspace) -> Vec<usize> {
        let position = |dir: &String| workspace.position(&RepoPath::new(dir).unwrap()).unwrap();
        self.expected.apps.iter().map(position).collect()
    }
}

/// The lockfile of a closure of these apps.
fn prune(workspace: &Workspace, apps: &[usize], scope: Scope) -> Result<String, LockfileError> {
    let lockfile = Lockfile::parse(&workspace.lockfile_text)?;
    Ok(closure(workspace, &lockfile, apps, scope)?.lockfile(workspace, &lockfile))
}

/// All that must hold of a fixture; the first thing that does not.
fn check(fixture: &Fixture) -> Result<(), String> {
    let text = |error: LockfileError| error.to_string();
    let mut workspace = fixture.workspace()?;
    let apps = fixture.apps(&workspace);
    let original = workspace.lockfile_text.clone();
    let pruned = prune(&workspace, &apps, Scope::Build);
    if let Some(words) = &fixture.expected.error {
        return match pruned {
            Err(error) if error.to_string() == *words => Ok(()),
            Err(error) => Err(format!("expected `{words}`, found `{error}`")),
            Ok(_) => Err(format!("expected `{words}`, and there was no error")),
        };
    }
    let pinned = toolchain::named_pnpm(&workspace);
    let members = 0..workspace.members.len();
    let lockfile = Lockfile::parse(&original).map_err(|error| error.to_string())?;
    frozen::check(&workspace, &lockfile, members.clone(), pinned)
        .map_err(|error| error.to_string())?;

    let mut kept = Vec::new();
    for (scope, pruned) in [
        (Scope::Build, pruned.map_err(text)?),
        (
            Scope::Production,
            prune(&workspace, &apps, Scope::Production).map_err(text)?,
        ),
    ] {
        lockfile::same_but_for_flags(&original, &pruned)?;
        kept.push(Kept::of(&pruned));
        workspace.lockfile_text.clone_from(&pruned);
        if prune(&workspace, &apps, scope).map_err(text)? != pruned {
            return Err(format!("pruning again changes something ({scope:?})"));
        }
        workspace.lockfile_text.clone_from(&original);
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
