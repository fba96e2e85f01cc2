//! The same workspace gives the same image, for anybody, anywhere, at any time.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use slimbuild::internals::Scope;

use crate::base::{base_of_node, cache};
use crate::support::daemon::skipped;
use crate::support::pnpm::{Pnpm, home, reachable};
use crate::support::tree::Tree;

/// A cache with the downloads, but no layers.
fn unpacked(cache: &Path) -> Tree {
    let tree = Tree::new(&[]);
    let words = "cp -al \"$0/blobs\" . && mkdir notes && cp -a \"$0/notes/bases\" notes/";
    shell(tree.root(), words, cache);
    tree
}

fn shell(directory: &Path, words: &str, argument: &Path) {
    let output = Command::new("sh")
        .args(["-c", words])
        .arg(argument)
        .current_dir(directory)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
}

/// The digest of the server's image for a user who runs `before` first.
fn digest(root: &Path, before: &[&str], arguments: &[&str]) -> String {
    let cache = unpacked(&cache());
    let program = env!("CARGO_BIN_EXE_slimbuild");
    let words = [before, &["env", program]].concat();
    let output = Command::new(words[0])
        .args(&words[1..])
        .args([
            "apps/server",
            "-q",
            "-t",
            "shop/server:1",
            "--engine",
            "native",
        ])
        .args(["--metadata-file", "m.json", "--cache-dir"])
        .arg(cache.root())
        .args(arguments)
        .current_dir(root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{before:?}: {said}");
    let told = fs_err::read(root.join("m.json")).unwrap();
    let told: Value = serde_json::from_slice(&told).unwrap();
    told["containerimage.digest"].as_str().unwrap().to_owned()
}

#[test]
fn the_same_workspace_is_the_same_image() {
    let test = "the_same_workspace_is_the_same_image";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    base_of_node("22");
    let built = Tree::shop();
    let pnpm = Pnpm::new("22", "10.34.8").unwrap();
    let store = home().join("store");
    pnpm.install(built.root(), Scope::Build, &store).unwrap();
    pnpm.run(built.root(), &["--filter=@shop/server...", "run", "build"]);
    let expected = digest(built.root(), &[], &["--prebuilt"]);

    let other = Tree::new(&[]);
    let elsewhere = other.root().join("a longer/way/to it");
    fs_err::create_dir_all(&elsewhere).unwrap();
    shell(&elsewhere, "cp -a \"$0/.\" .", built.root());
    let touched =
        "find . -not -name .tmp -exec touch -h -d @1234567890 {} + ; chmod -R g-rwx,o-rwx .";
    shell(&elsewhere, touched, Path::new(""));
    let alone = "umask 077 && exec \"$@\"";
    let before = [
        "unshare",
        "--user",
        "--map-user=4321",
        "taskset",
        "-c",
        "0",
        "sh",
        "-c",
        alone,
        "sh",
    ];
    assert_eq!(
        digest(&elsewhere, &before, &["--prebuilt"]),
        expected,
        "--prebuilt"
    );

    // What slimbuild installs and builds itself is the same, too.
    let fresh = Tree::shop();
    shell(fresh.root(), touched, Path::new(""));
    assert_eq!(digest(fresh.root(), &before, &[]), expected, "built here");
}
