//! Real workspaces: what `slimbuild prune` keeps must equal an independent computation,
//! `tests/corpus/check.py`.
//!
//! The workspaces are not part of the repository but beside it (`../shared/corpus`). If they,
//! Python's YAML or npm's registry are missing, the test says so, and fails with
//! `SLIMBUILD_NO_SKIPS=1`.

mod pnpm;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use slimbuild::internals::{
    Closure, LockfileError, Lockfiles, NativePackage, Natives, Target, Workspace, frozen, toolchain,
};

use crate::support::daemon::{skipped, too_slow};
use crate::support::tree::repository;

/// Workspaces whose lockfile pnpm refuses too.
const REFUSED: [&str; 2] = [
    "nextjs-express-turborepo-starter: outdated",
    "pnpm-turbo-repo: incompatible",
];

/// Packages that compile if no prebuilt binary can be downloaded, according to their own
/// documentation.
const COMPILED: [&str; 3] = ["bcrypt", "better-sqlite3", "re2"];

#[test]
fn the_frozen_check_raises_no_false_alarm() {
    let Some(corpus) = found("the_frozen_check_raises_no_false_alarm", corpus()) else {
        return;
    };
    let mut refused = BTreeSet::new();
    for entry in fs_err::read_dir(corpus).unwrap() {
        let root = entry.unwrap().path();
        let name = root.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(workspace) = Workspace::load(&root) else {
            continue;
        };
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let pinned = toolchain::pnpm(&workspace).unwrap();
        for pnpm in [Some(&*pinned.value), None] {
            let all = workspace.members.ids();
            if frozen::check(&workspace, &lockfiles, all.clone(), pnpm).is_ok() {
                continue;
            }
            for at in all {
                let problem = match frozen::check(&workspace, &lockfiles, [at], pnpm) {
                    Ok(()) => continue,
                    Err(LockfileError::Outdated { .. }) => "outdated",
                    Err(LockfileError::Incompatible { .. }) => "incompatible",
                    Err(error) => panic!("{name} with pnpm {pnpm:?}: {error}"),
                };
                refused.insert(format!("{name}: {problem}"));
            }
        }
    }
    assert_eq!(Vec::from_iter(refused), REFUSED);
}

/// Packages that compile in real workspaces, and those without a package for Linux.
#[test]
fn packages_of_machine_code_are_told_in_real_lockfiles() {
    let name = "packages_of_machine_code_are_told_in_real_lockfiles";
    let Some(corpus) = found(name, corpus()) else {
        return;
    };
    let (mut compiled, mut fetched) = (BTreeSet::new(), BTreeSet::new());
    let mut missing = BTreeSet::new();
    for entry in fs_err::read_dir(corpus).unwrap() {
        let root = entry.unwrap().path();
        let Ok(workspace) = Workspace::load(&root) else {
            continue;
        };
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let all: Vec<_> = workspace.members.ids().collect();
        let closure = Closure::build(&workspace, &lockfiles, &all, &BTreeMap::new()).unwrap();
        let target = Target {
            cpus: &[],
            libc: Some("glibc"),
        };
        let natives = Natives::of(&closure, target).unwrap();
        let names = |packages: BTreeSet<NativePackage>| packages.into_iter().map(|one| one.name);
        missing.extend(names(natives.missing));
        compiled.extend(names(natives.compiled));
        fetched.extend(names(natives.fetched));
    }
    assert_eq!(Vec::from_iter(compiled), COMPILED);
    assert_eq!(Vec::from_iter(fetched), ["canvas", "sharp"]);
    // pnpm's own workspace leaves out those for Linux.
    assert_eq!(Vec::from_iter(missing), ["@reflink/reflink"]);
}

/// A test's requirement; if it is missing, the reason is printed.
pub(crate) fn found<T>(test: &str, thing: Result<T, String>) -> Option<T> {
    match thing {
        Ok(thing) => Some(thing),
        Err(problem) => {
            skipped(&problem, test);
            None
        }
    }
}

#[test]
fn closures_of_real_workspaces_are_exact() {
    if too_slow("closures_of_real_workspaces_are_exact") {
        return;
    }
    let both = corpus().and_then(|corpus| Ok((corpus, python()?)));
    let Some((corpus, python)) = found("closures_of_real_workspaces_are_exact", both) else {
        return;
    };
    let output = Command::new(python)
        .arg(repository().join("tests/corpus/check.py"))
        .arg(env!("CARGO_BIN_EXE_slimbuild"))
        .arg(corpus)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let last = text.lines().last().unwrap_or_default();
    let passed: usize = last.split(' ').next().unwrap().parse().unwrap();
    assert!(passed >= 70, "{last}");
}

/// Two tests unpack the same archive.
static UNPACKING: Mutex<()> = Mutex::new(());

/// The unpacked workspaces.
pub(crate) fn corpus() -> Result<PathBuf, String> {
    let archive = repository().join("../shared/corpus/corpus.tar.xz");
    if !archive.is_file() {
        return Err(format!("no corpus at {}", archive.display()));
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    let _alone = UNPACKING.lock();
    if !target.is_dir() {
        let part = target.with_extension("part");
        fs_err::create_dir_all(&part).unwrap();
        let mut tar = Command::new("tar");
        run(tar.arg("-xJf").arg(&archive).arg("-C").arg(&part))?;
        fs_err::rename(part, &target).unwrap();
    }
    Ok(target)
}

/// A Python that reads YAML: the system's, or one with `PyYAML` in a directory of its own.
fn python() -> Result<PathBuf, String> {
    let reads_yaml =
        |python: &Path| run(Command::new(python).args(["-c", "import yaml; yaml.CSafeLoader"]));
    let system = PathBuf::from("python3");
    if reads_yaml(&system).is_ok() {
        return Ok(system);
    }
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = own.join("bin/python");
    if !python.is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&own))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "pyyaml"]))?;
    }
    reads_yaml(&python).map(|()| python)
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("{command:?}: {other:?}")),
    }
}
