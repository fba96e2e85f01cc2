use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use super::*;
use crate::testing::tree;

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

/// A workspace `in/` beside a directory `out/` that holds a secret.
fn places(links: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
    let dir = tree(&[
        ("in/a/file", "inside"),
        ("in/b/c/other", "deeper"),
        ("out/secret", "secret"),
        ("out/dir/secret", "secret"),
    ]);
    for (link, target) in links {
        let target = target.replace("TOP", dir.path().to_str().unwrap());
        symlink(target, dir.path().join("in").join(link)).unwrap();
    }
    let tree = Tree::open(&dir.path().join("in")).unwrap();
    (dir, tree)
}

/// What reading says, through the kernel and by steps.
fn read(tree: &Tree, name: &str) -> Result<String, String> {
    let answer = |bytes: Result<Vec<u8>, TreeError>| {
        bytes
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|error| error.to_string())
    };
    let whole = answer(tree.read(&path(name), Limit::Source));
    let steps = tree
        .root
        .open_by_steps(&path(name), OFlags::RDONLY | OFlags::NONBLOCK);
    let steps = steps.map(|opened| {
        let mut text = Vec::new();
        std::fs::File::from(opened).read_to_end(&mut text).unwrap();
        text
    });
    assert_eq!(answer(steps), whole, "the two ways differ on {name}");
    whole
}

#[test]
fn a_link_that_stays_inside_is_followed() {
    let (_dir, tree) = places(&[
        ("near", "a/file"),
        ("a/up", "../b/c"),
        ("b/round", "../../in/../in"),
        ("here", "."),
        ("twice", "a/up/other"),
    ]);
    assert_eq!(read(&tree, "a/file").as_deref(), Ok("inside"));
    assert_eq!(read(&tree, "near").as_deref(), Ok("inside"));
    assert_eq!(read(&tree, "a/up/other").as_deref(), Ok("deeper"));
    assert_eq!(read(&tree, "here/here/a/file").as_deref(), Ok("inside"));
    assert_eq!(read(&tree, "twice").as_deref(), Ok("deeper"));
    assert_eq!(
        tree.real(&path("here/a/up/other")).unwrap(),
        path("b/c/other")
    );
    assert_eq!(tree.real(&path("here")).unwrap(), RepoPath::ROOT);
    // It leaves the workspace on its way, whatever comes then.
    assert!(read(&tree, "b/round/a/file").is_err());
}

#[test]
fn a_link_that_leaves_is_named() {
    let (dir, tree) = places(&[
        ("link", "../out"),
        ("absolute", "TOP/out"),
        ("back", "TOP/in/a"),
        ("a/hop", "../link"),
    ]);
    for (name, words) in [
        (
            "link/dir/secret",
            "`link/dir/secret` leaves the workspace: the target of the symlink `link` is `../out`"
                .to_owned(),
        ),
        (
            "absolute",
            format!(
                "the symlink `absolute` leaves the workspace: its target is `{}/out`",
                dir.path().display()
            ),
        ),
        (
            "back/file",
            format!(
                "`back/file` leaves the workspace: the target of the symlink `back` is `{}/in/a`",
                dir.path().display()
            ),
        ),
        (
            "a/hop/secret",
            "`a/hop/secret` leaves the workspace: the target of the symlink `link` is `../out`"
                .to_owned(),
        ),
    ] {
        assert_eq!(read(&tree, name), Err(words.clone()), "{name}");
        let asked = [
            tree.metadata(&path(name)).map(drop),
            tree.read_text_optional(&path(name), Limit::Source)
                .map(drop),
            tree.is_file(&path(name)).map(drop),
            tree.is_dir(&path(name)).map(drop),
            tree.real(&path(name)).map(drop),
            tree.directory(&path(name)).map(drop),
        ];
        for asked in asked {
            let error = asked.unwrap_err();
            assert_eq!(error.to_string(), words);
            assert!(error.hint().is_some() && !error.is_absent());
        }
    }
    let looked = tree.link_metadata(&path("link/secret")).unwrap_err();
    let words = "`link/secret` leaves the workspace: the target of the symlink `link` is `../out`";
    assert_eq!(looked.to_string(), words);
    assert!(tree.read_link(&path("link/secret")).is_err());
    // The link itself may be looked at.
    assert_eq!(
        tree.link_metadata(&path("link")).unwrap().kind,
        FileKind::Symlink
    );
    assert_eq!(tree.read_link(&path("link")).unwrap(), Path::new("../out"));
}

#[test]
fn the_root_may_be_reached_through_a_link() {
    let (dir, _) = places(&[]);
    let link = dir.path().join("root");
    symlink("in", &link).unwrap();
    let tree = Tree::open(&link).unwrap();
    assert_eq!(read(&tree, "a/file").as_deref(), Ok("inside"));
}

#[test]
fn what_is_not_there_is_nothing() {
    let (_dir, tree) = places(&[("broken", "nowhere")]);
    for name in ["none", "none/none", "a/file/below", "broken"] {
        assert_eq!(
            tree.read_optional(&path(name), Limit::Source).unwrap(),
            None,
            "{name}"
        );
        assert!(!tree.is_file(&path(name)).unwrap());
        assert!(read(&tree, name).is_err());
    }
}

#[test]
fn special_files_are_refused_by_name_and_at_once() {
    let (dir, tree) = places(&[("to-pipe", "pipe")]);
    let pipe = dir.path().join("in/pipe");
    mknodat(CWD, pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _listener = UnixListener::bind(dir.path().join("in/socket")).unwrap();
    for (name, kind) in [
        ("pipe", "a named pipe"),
        ("to-pipe", "a named pipe"),
        ("socket", "a socket"),
        ("a", "a directory"),
    ] {
        let error = tree.read(&path(name), Limit::Source).unwrap_err();
        assert_eq!(error.to_string(), format!("`{name}` is {kind}, not a file"));
        assert!(tree.read_optional(&path(name), Limit::Source).is_err());
    }
}

#[test]
fn links_in_a_circle_end() {
    let (_dir, tree) = places(&[("x", "y"), ("y", "x"), ("a/self", "self/deeper")]);
    for name in ["x", "y/below", "a/self"] {
        let words = format!("`{name}` leads through too many symlinks: they may form a loop");
        assert_eq!(read(&tree, name), Err(words));
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let (dir, tree) = places(&[]);
    let file = fs_err::File::create(dir.path().join("in/large")).unwrap();
    file.set_len(Limit::Settings.bytes() + 1).unwrap();
    let error = tree.read(&path("large"), Limit::Settings).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`large` has 16777217 bytes; slimbuild reads a settings file of at most 16777216 bytes"
    );
    assert!(tree.read(&path("large"), Limit::Source).is_ok());
}

#[test]
fn a_directory_is_listed_without_following() {
    let (_dir, tree) = places(&[("a/link", "../../out")]);
    let mut directory = tree.directory(&path("a")).unwrap();
    let mut entries = directory.entries().unwrap();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        entries,
        [
            ("file".into(), FileKind::Regular),
            ("link".into(), FileKind::Symlink)
        ]
    );
    assert_eq!(directory.metadata("file".as_ref()).unwrap().size, 6);
    assert_eq!(
        directory.metadata("link".as_ref()).unwrap().kind,
        FileKind::Symlink
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever links there are: what is read was inside, and both ways of opening agree.
    #[test]
    fn nothing_outside_is_ever_read(
        links in prop::collection::vec(("(a/|b/|b/c/)?[xyz]", "(TOP/(in|out)/)?((\\.\\.|a|b|c|out|in|x|y|z)/){0,4}(secret|file|other|dir|x|y|\\.\\.)"), 0..8),
        names in prop::collection::vec("((a|b|c|x|y|z|dir)/){0,3}(secret|file|other|x|y|z)", 1..8),
    ) {
        let (dir, _) = places(&[]);
        for (link, target) in &links {
            let target = target.replace("TOP", dir.path().to_str().unwrap());
            drop(symlink(target, dir.path().join("in").join(link)));
        }
        let tree = Tree::open(&dir.path().join("in")).unwrap();
        for name in &names {
            if let Ok((mut file, metadata)) = tree.file(&path(name)) {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                prop_assert_ne!(&text, "secret");
                prop_assert_eq!(metadata.size, text.len() as u64);
            }
            let kernel = tree.metadata(&path(name)).is_ok();
            prop_assert_eq!(kernel, tree.root.open_by_steps(&path(name), OFlags::RDONLY).is_ok());
        }
    }
}
