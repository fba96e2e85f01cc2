//! The crate as crates.io gets it.

use std::process::Command;

use crate::support::tree::repository;

/// The files of the crate. Those that git does not have yet count too, as a commit will bring them.
fn files() -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "--locked",
        ])
        .current_dir(repository())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines().map(str::to_owned).collect()
}

#[test]
fn the_crate_has_what_it_compiles_from_and_no_more() {
    let files = files();
    let known = |file: &&String| {
        let folders = ["src/", "templates/", "docs/src/reference/schemas/"];
        let others = [
            ".cargo_vcs_info.json",
            "CHANGELOG.md",
            "Cargo.lock",
            "Cargo.toml",
            "Cargo.toml.orig",
            "LICENSE",
            "README.md",
            "schema.json",
        ];
        folders.iter().any(|folder| file.starts_with(folder)) || others.contains(&file.as_str())
    };
    let others: Vec<&String> = files.iter().filter(|file| !known(file)).collect();
    assert!(others.is_empty(), "{others:?}");
    // Whatever the program includes has to be there, beside what only its tests include.
    for entry in walkdir::WalkDir::new(repository().join("src")) {
        let entry = entry.unwrap();
        if entry.path().extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = fs_err::read_to_string(entry.path()).unwrap();
        for included in text.split("include_str!(\"").skip(1) {
            let (relative, _) = included.split_once('"').unwrap();
            let file = entry.path().parent().unwrap().join(relative);
            let Ok(file) = fs_err::canonicalize(&file) else {
                // A path from a module inside of the file.
                continue;
            };
            let name = file.strip_prefix(repository()).unwrap();
            let name = name.to_str().unwrap().to_owned();
            assert!(
                files.contains(&name),
                "{} needs {name}",
                entry.path().display()
            );
        }
    }
    let bytes = |file: &String| fs_err::metadata(repository().join(file)).map_or(0, |it| it.len());
    let size: u64 = files.iter().map(bytes).sum();
    assert!(size < 8_000_000, "{size} bytes");
}
