//! Outputs: nothing of the user's is lost, and an unwritable output is reported before anything is
//! built.

use std::os::unix::fs::{FileTypeExt, symlink};

use insta::assert_snapshot;
use slimbuild::Env;

use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::tree::{Tree, shop};

/// A machine without a network, and with its own cache: a build or a download would fail
/// differently.
fn nowhere(out: &Tree) -> Env {
    let cache = out.root().join("cache").display().to_string();
    let closed = "http://127.0.0.1:9";
    [
        ("XDG_CACHE_HOME", cache.as_str()),
        ("HTTPS_PROXY", closed),
        ("HTTP_PROXY", closed),
        ("DOCKER_HOST", "unix:///nowhere/docker.sock"),
    ]
    .into_iter()
    .collect()
}

#[test]
fn a_committed_link_overwrites_nothing() {
    let out = Tree::new(&[("home/.bashrc", "mine"), ("w/x", "")]);
    let work = out.root().join("w");
    for link in ["ctx.tar", ".ctx.tar.part", ".image.json.part"] {
        symlink("../home/.bashrc", work.join(link)).unwrap();
    }
    let target = work.join("ctx.tar");
    let arguments = ["context", "apps/server", "-o", target.to_str().unwrap()];
    assert_snapshot!(slimbuild(&shop(), &arguments).refusal(out.root()), @"
    exit code 1
    error: cannot write `$ROOT/w/ctx.tar`: it is a symlink

    hint: slimbuild writes through no symlink: name the place that it leads to, or delete it
    ");
    fs_err::remove_file(&target).unwrap();
    slimbuild(&shop(), &arguments).bytes();
    let mine = fs_err::read_to_string(out.root().join("home/.bashrc")).unwrap();
    assert_eq!(mine, "mine");
}

#[test]
fn a_device_stays_a_device() {
    let arguments = ["context", "apps/server", "-o", "/dev/null"];
    slimbuild(&shop(), &arguments).bytes();
    let device = fs_err::metadata("/dev/null").unwrap();
    assert!(device.file_type().is_char_device());
}

#[test]
fn a_dozen_contexts_of_one_name_do_not_break_each_other() {
    let out = Tree::new(&[]);
    let target = out.root().join("same.tar");
    let arguments = ["context", "apps/server", "-o", target.to_str().unwrap()];
    slimbuild(&shop(), &arguments).bytes();
    let expected = fs_err::read(&target).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| slimbuild(&shop(), &arguments).bytes());
        }
    });
    assert!(fs_err::read(&target).unwrap() == expected);
    assert_eq!(out.files().len(), 1);
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_built() {
    let out = Tree::new(&[("mine/notes", "mine"), ("file", "")]);
    let env = nowhere(&out);
    let target = |place: &str| place.replace('@', out.root().to_str().unwrap());
    for (place, problem) in [
        ("@/nowhere/a.tar", "there is no directory"),
        ("docker=@/mine", "it is a directory"),
        ("dir=@/mine", "is not empty, and holds no OCI layout"),
        ("dir=@/file", "it is a file"),
        ("/proc/a.tar", "cannot write `/proc/a.tar`"),
    ] {
        let place = target(place);
        for verb in [&["apps/server", "--engine", "native"][..], &["base"]] {
            let arguments = [verb, &["-o", &place]].concat();
            let told = slimbuild_with(&shop(), &arguments, &env).refusal(out.root());
            assert!(told.contains(problem), "{arguments:?}: {told}");
            assert!(!told.contains("downloading"), "{arguments:?}: {told}");
        }
    }
    let place = target("@/nowhere/image.json");
    let arguments = [
        "apps/server",
        "--engine",
        "native",
        "--metadata-file",
        &place,
    ];
    let told = slimbuild_with(&shop(), &arguments, &env).refusal(out.root());
    assert!(told.contains("there is no directory"), "{told}");
    let place = target("@/nowhere/base.lock.json");
    let arguments = ["base", "--lock", &place];
    let told = slimbuild_with(&shop(), &arguments, &env).refusal(out.root());
    assert!(
        told.contains("there is no directory") && !told.contains("downloading"),
        "{told}"
    );
    assert_eq!(
        fs_err::read_to_string(out.root().join("mine/notes")).unwrap(),
        "mine"
    );
}

#[test]
fn a_foreign_directory_is_not_emptied() {
    let out = Tree::new(&[("mine/notes", "mine")]);
    let target = out.root().join("mine");
    let arguments = ["prune", "apps/server", "--out", target.to_str().unwrap()];
    let told = slimbuild(&shop(), &arguments).refusal(out.root());
    assert!(told.contains("is not empty"), "{told}");
    symlink("mine", out.root().join("link")).unwrap();
    let target = out.root().join("link");
    let arguments = ["prune", "apps/server", "--out", target.to_str().unwrap()];
    let told = slimbuild(&shop(), &arguments).refusal(out.root());
    assert!(told.contains("it is a symlink"), "{told}");
    assert_eq!(
        fs_err::read_to_string(out.root().join("mine/notes")).unwrap(),
        "mine"
    );
}

#[test]
fn a_first_configuration_stays_in_the_workspace() {
    let tree = Tree::shop();
    let elsewhere = Tree::new(&[]);
    let link = tree.root().join("apps/server/slimbuild.json");
    drop(fs_err::remove_file(&link));
    symlink(elsewhere.root().join("written"), &link).unwrap();
    for more in [&[][..], &["--force"]] {
        let arguments = [&["init", "apps/server"], more].concat();
        slimbuild(tree.root(), &arguments).refusal(tree.root());
    }
    assert_eq!(elsewhere.files().len(), 0);
}
