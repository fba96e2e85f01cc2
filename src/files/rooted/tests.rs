//! Trees that lie on each other, and what is left of them.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;

/// Layers, the highest first, and a file beside them.
fn layers(all: &[&[(&str, &str)]]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("secret"), "secret").unwrap();
    let mut roots = Vec::new();
    for (layer, number) in all.iter().zip(0..) {
        let root = dir.path().join(format!("{number}"));
        fs_err::create_dir(&root).unwrap();
        for (path, text) in *layer {
            let at = root.join(path);
            fs_err::create_dir_all(at.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => {
                    let target = target.replace('@', &dir.path().display().to_string());
                    symlink(target, at).unwrap();
                }
                None => fs_err::write(at, text).unwrap(),
            }
        }
        roots.push(root);
    }
    (dir, roots)
}

fn read(tree: &ImageTree, path: &str) -> String {
    match tree.read(path, 100) {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn links_lead_nowhere_outside() {
    let (_dir, roots) = layers(&[&[
        ("etc/real", "text"),
        ("etc/passwd", "-> @/secret"),
        ("etc/up", "-> ../../../../../../../../etc/real"),
        ("etc/root", "-> /etc/real"),
        ("etc/self", "-> /proc/self/root/etc/passwd"),
        ("all", "-> @"),
        ("top", "-> .."),
        ("loop", "-> loop"),
    ]]);
    let tree = ImageTree::open(&roots).unwrap();
    for (path, expected) in [
        ("etc/passwd", "NotFound"),
        ("/etc/passwd", "NotFound"),
        ("etc/self", "NotFound"),
        ("all/secret", "NotFound"),
        ("../secret", "NotFound"),
        ("top/secret", "NotFound"),
        ("etc/up", "text"),
        ("etc/root", "text"),
        ("top/../etc/./real", "text"),
        ("etc/real/x", "NotADirectory"),
        ("etc", "InvalidInput"),
        ("", "InvalidInput"),
    ] {
        assert_eq!(read(&tree, path), expected, "{path}");
    }
    assert!(tree.read("loop", 9).is_err());
    assert_eq!(tree.real("/top/etc/up").unwrap(), Path::new("etc/real"));
    assert_eq!(tree.real("/../..").unwrap(), Path::new(""));
    assert!(tree.is_dir("top/etc") && !tree.is_dir("all"));
}

#[test]
fn layers_lie_on_each_other_as_the_kernel_mounts_them() {
    let (_dir, roots) = layers(&[
        &[
            ("d/a", "high"),
            ("file/x", "a directory now"),
            ("dir", "a file now"),
            ("link", "-> d"),
        ],
        &[
            ("d/a", "low"),
            ("d/b", "low"),
            ("file", "a file before"),
            ("dir/x", "a directory before"),
            ("e", "-> /link/b"),
        ],
    ]);
    let tree = ImageTree::open(&roots).unwrap();
    for (path, expected) in [
        ("d/a", "high"),
        ("link/b", "low"),
        ("e", "low"),
        ("file/x", "a directory now"),
        ("dir", "a file now"),
        ("dir/x", "NotADirectory"),
    ] {
        assert_eq!(read(&tree, path), expected, "{path}");
    }
    let names = |path: &str| -> Vec<String> {
        let found = tree.read_dir(path).unwrap().into_iter();
        found
            .map(|(name, dir)| format!("{}{}", name.display(), if dir { "/" } else { "" }))
            .collect()
    };
    assert_eq!(names("link"), ["a", "b"]);
    assert_eq!(names("/"), ["d/", "dir", "e", "file/", "link"]);
    assert_eq!(names("file"), ["x"]);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let (dir, roots) = layers(&[&[("large", &"x".repeat(101)), ("null", "-> device")]]);
    let pipe = roots[0].join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(roots[0].join("socket")).unwrap();
    let tree = ImageTree::open(&roots).unwrap();
    assert_eq!(read(&tree, "pipe"), "InvalidInput");
    assert_eq!(read(&tree, "socket"), "InvalidInput");
    assert_eq!(read(&tree, "large"), "FileTooLarge");
    assert_eq!(read(&tree, "null"), "NotFound");
    drop(dir);
}

#[test]
fn what_another_thread_writes_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(dir.path(), true).unwrap();
    for round in 0..50 {
        let path = PathBuf::from(format!("d{round}/a"));
        let slot = writer.slot(&path).unwrap();
        let later = std::thread::spawn(move || {
            std::thread::yield_now();
            slot.create(0o644).unwrap().write_all(b"text").unwrap();
        });
        let link = PathBuf::from(format!("link{round}"));
        match round % 3 {
            0 => writer.hard_link(&link, &path).unwrap(),
            1 => writer.directory(&path, 0o755).unwrap(),
            _ => writer.symlink(path.parent().unwrap(), &link).unwrap(),
        }
        later.join().unwrap();
        let found = fs_err::symlink_metadata(dir.path().join(&path));
        match round % 3 {
            0 => assert!(fs_err::metadata(dir.path().join(link)).unwrap().is_file()),
            1 => assert!(found.unwrap().is_dir()),
            _ => assert!(found.is_err()),
        }
    }
}

#[test]
fn what_was_left_is_removed() {
    let (dir, roots) = layers(&[&[("a/b/c", ""), ("a/link", "-> @"), ("a/x/y/z", "")]]);
    let root = &roots[0];
    for closed in ["a/x/y", "a/x", "a/b"] {
        let none = std::fs::Permissions::from_mode(0o000);
        fs_err::set_permissions(root.join(closed), none).unwrap();
    }
    // Deeper than a path can say, and than files can be open.
    let mut writer = Writer::new(root, false).unwrap();
    writer.directory(Path::new("deep"), 0o755).unwrap();
    let mut at = fs_err::File::open(root.join("deep"))
        .unwrap()
        .into_file()
        .into();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&at, "deeper", Mode::RWXU).unwrap();
        at = open_dir(&at, OsStr::new("deeper")).unwrap();
    }
    drop((at, writer));
    remove_all(root).unwrap();
    assert!(!root.exists());
    remove_all(root).unwrap();
    remove_all(&dir.path().join("no/such")).unwrap();
    let kept = fs_err::read_to_string(dir.path().join("secret")).unwrap();
    assert_eq!(kept, "secret");
    symlink(dir.path(), dir.path().join("link")).unwrap();
    remove_all(&dir.path().join("link")).unwrap();
    assert!(dir.path().join("secret").exists());
}
