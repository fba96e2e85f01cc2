//! What the tests left behind. cargo runs this target after the others, in the order of their names; where tests run at the same time, what is still
//! in use is passed over. `.ci/leftovers` looks once more when all is done, and sees other programs' leftovers too.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "all of it is tests, which clippy sees in `#[test]` functions alone"
)]

use std::path::{Path, PathBuf};

use fs_err::File;
use walkdir::WalkDir;

/// What lies in a directory, by name.
fn entries(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs_err::read_dir(dir).unwrap().flatten();
    let named = entries.map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, entry.path())
    });
    named.collect()
}

/// Whether a directory of a test is of a process that is gone.
fn is_of_the_dead(name: &str) -> bool {
    let rest = name.strip_prefix("slimbuild-test-");
    let number = rest.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
    number.is_some_and(|number| !Path::new("/proc").join(number.to_string()).exists())
}

/// Whether nobody works in a work directory of slimbuild's any more.
fn is_abandoned(name: &str, path: &Path) -> bool {
    name.starts_with("slimbuild-work-")
        && File::open(path.join("lock")).is_ok_and(|lock| lock.into_file().try_lock().is_ok())
}

/// Below `.ci/leftovers` all places are the tests' own: nothing may be there.
#[test]
fn the_tests_left_nothing_at_all() {
    if std::env::var_os("SLIMBUILD_PRESENT").is_none() {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/leftovers");
    let look = || {
        let output = std::process::Command::new(&script).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // What was stopped a moment ago may still be on its way out.
    let mut left = look();
    for _ in 0..50 {
        if left.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        left = look();
    }
    assert_eq!(left, "");
}

#[test]
fn the_tests_left_nothing_in_temporary_places() {
    let found = |dir: &Path| {
        let left = entries(dir).into_iter();
        let left = left.filter(|(name, path)| is_of_the_dead(name) || is_abandoned(name, path));
        left.map(|(_, path)| path).collect::<Vec<_>>()
    };
    let mut left = found(&tempfile::env::temp_dir());
    left.extend(found(Path::new("/dev/shm")));
    for path in &left {
        // It is said once, and not by each run from now on.
        drop(fs_err::remove_dir_all(path));
    }
    assert_eq!(left, [""; 0].map(PathBuf::from));
}

#[test]
fn the_tests_left_nothing_in_the_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_left = |name: &str| {
        name.starts_with(".slimbuild-") || name.ends_with(".part") || name.ends_with(".oci.tar")
    };
    let walk = WalkDir::new(root).into_iter();
    let walk = walk.filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !["target", ".git", "node_modules"].contains(&&*name)
    });
    let left = walk
        .flatten()
        .filter(|entry| is_left(&entry.file_name().to_string_lossy()));
    let left: Vec<PathBuf> = left.map(walkdir::DirEntry::into_path).collect();
    assert_eq!(left, [""; 0].map(PathBuf::from));
}
