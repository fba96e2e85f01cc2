//! The fuzzer's seeds and findings, and what is made of them by small changes, as a regression test.

use std::path::{Path, PathBuf};

use super::*;

fn seeds(target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files = fs_err::read_dir(dir).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed() {
    for (target, check) in TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "no seeds for {target}");
        for seed in seeds {
            let bytes = fs_err::read(&seed).unwrap();
            println!("{}", seed.display());
            check(&bytes);
        }
    }
}

#[test]
fn every_lockfile_of_the_fixtures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut count = 0;
    for entry in walkdir::WalkDir::new(fixtures) {
        let entry = entry.unwrap();
        if entry.file_name() == "pnpm-lock.yaml" {
            println!("{}", entry.path().display());
            run("lockfile", &fs_err::read(entry.path()).unwrap());
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}
