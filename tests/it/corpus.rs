//! Real workspaces: what `slimbuild prune` keeps equals an independent computation, `tests/corpus/check.py`.
//!
//! The workspaces lie beside the repository (`../shared/corpus`), not in it. Where they or Python's YAML are missing, the test says so, and fails
//! where `SLIMBUILD_REQUIRE_CORPUS=1` is set.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use slimbuild::env::Env;

use crate::support::daemon::skipped;
use crate::support::tree::repository;

#[test]
fn closures_of_real_workspaces_are_exact() {
    let name = "closures_of_real_workspaces_are_exact";
    let (corpus, python) = match (corpus(), python()) {
        (Ok(corpus), Ok(python)) => (corpus, python),
        (Err(problem), _) | (_, Err(problem)) => {
            let required = Env::of_process().get("SLIMBUILD_REQUIRE_CORPUS") == Some("1");
            assert!(!required, "{problem}");
            return skipped(&problem, name);
        }
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

/// The unpacked workspaces.
fn corpus() -> Result<PathBuf, String> {
    let archive = repository().join("../shared/corpus/corpus.tar.xz");
    if !archive.is_file() {
        return Err(format!("no corpus at {}", archive.display()));
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
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

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("{command:?}: {other:?}")),
    }
}
