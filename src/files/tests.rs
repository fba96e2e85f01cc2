use std::path::Path;

use tempfile::TempDir;

use fs_err as fs;

use super::*;

mod git;
mod properties;

/// Makes an empty file for each path, and a directory for one with a `/` at its end. `.gitignore`
/// and `.dockerignore` get content.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, content) in files {
        write(dir.path(), path, content);
    }
    dir
}

fn write(root: &Path, path: &str, content: &str) {
    let on_disk = root.join(path);
    if path.ends_with('/') {
        fs::create_dir_all(on_disk).unwrap();
        return;
    }
    fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
    fs::write(on_disk, content).unwrap();
}

fn opened(root: &Path) -> Tree {
    Tree::open(root).unwrap()
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn rules(root: &Path, include: &[&str], exclude: &[&str]) -> Rules {
    let owned = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
    Rules::load(root, &owned(include), &owned(exclude)).unwrap()
}

fn walk_all(root: &Path, rules: &Rules) -> Result<Walk, FilesError> {
    walk(&opened(root), &RepoPath::ROOT, &BTreeSet::new(), rules)
}

fn names(walk: &Walk) -> Vec<String> {
    walk.files
        .iter()
        .map(|file| file.path.to_string())
        .collect()
}

fn dropped(walk: &Walk) -> Vec<String> {
    walk.dropped
        .iter()
        .map(|dropped| format!("{}: {}", dropped.path, dropped.reason))
        .collect()
}

#[test]
fn sorts_by_path_and_lists_what_is_dropped() {
    let dir = tree(&[
        (".git/HEAD", ""),
        (".gitignore", "dist\n"),
        (".env.local", ""),
        ("a/b", "12345"),
        ("a.b", ""),
        ("a/dist/x/y", ""),
        ("a/node_modules/x/y", ""),
        ("empty/", ""),
        ("socketless", ""),
    ]);
    let walk = walk_all(dir.path(), &rules(dir.path(), &[], &["socket*"])).unwrap();
    assert_eq!(names(&walk), [".gitignore", "a.b", "a/b"]);
    assert_eq!(walk.files[2].size, 5);
    assert_eq!(walk.files[2].kind, Kind::Regular { executable: false });
    assert_eq!(
        dropped(&walk),
        [
            ".env.local: `.env*` never enters an image",
            "a/dist: `dist` in `.gitignore`",
            "socketless: excluded by `socket*`"
        ]
    );
}

#[test]
fn stays_within_the_directory_and_out_of_other_members() {
    let dir = tree(&[
        ("apps/a/x", ""),
        ("apps/a/packages/p/x", ""),
        ("apps/a/packages/y", ""),
        ("apps/ab/x", ""),
        ("z", ""),
    ]);
    let nested = BTreeSet::from([path("apps/a/packages/p"), path("apps/ab"), path("apps/a")]);
    let rules = rules(dir.path(), &[], &[]);
    assert_eq!(
        names(&walk(&opened(dir.path()), &path("apps/a"), &nested, &rules).unwrap()),
        ["apps/a/packages/y", "apps/a/x"]
    );
    assert_eq!(
        names(&walk(&opened(dir.path()), &RepoPath::ROOT, &nested, &rules).unwrap()),
        ["z"]
    );
}

#[test]
fn the_rules_above_a_directory_apply_in_it() {
    let dir = tree(&[
        (".gitignore", "*.log\n"),
        ("apps/.gitignore", "gen\n"),
        ("apps/a/x.log", ""),
        ("apps/a/gen/x", ""),
        ("apps/a/x", ""),
    ]);
    let ignored = rules(dir.path(), &[], &[]);
    assert_eq!(
        names(
            &walk(
                &opened(dir.path()),
                &path("apps/a"),
                &BTreeSet::new(),
                &ignored
            )
            .unwrap()
        ),
        ["apps/a/x"]
    );

    let excluded = rules(dir.path(), &[], &["apps"]);
    let walk = walk(
        &opened(dir.path()),
        &path("apps/a"),
        &BTreeSet::new(),
        &excluded,
    )
    .unwrap();
    assert_eq!(
        (names(&walk).len(), dropped(&walk)),
        (0, vec!["apps/a: excluded by `apps`".to_owned()])
    );
}

#[test]
fn a_directory_from_which_something_is_kept_is_not_listed_as_dropped() {
    let dir = tree(&[
        (".gitignore", "dist\n"),
        (".dockerignore", "docs\n!docs/api\n"),
        ("dist/a/keep", ""),
        ("dist/a/x", ""),
        ("dist/b/x", ""),
        ("dist/c", ""),
        ("docs/api/x", ""),
        ("docs/guide/x", ""),
    ]);
    let walk = walk_all(dir.path(), &rules(dir.path(), &["dist/*/keep"], &[])).unwrap();
    assert_eq!(
        names(&walk),
        [".dockerignore", ".gitignore", "dist/a/keep", "docs/api/x"]
    );
    assert_eq!(
        dropped(&walk),
        [
            "dist/a/x: `dist` in `.gitignore`",
            "dist/b: `dist` in `.gitignore`",
            "dist/c: `dist` in `.gitignore`",
            "docs/guide: `docs` on line 1 of `.dockerignore`"
        ]
    );
}

#[test]
fn says_what_is_no_directory() {
    let dir = tree(&[("file", "")]);
    let rules = rules(dir.path(), &[], &[]);
    let complaint = |dir_path: &str| {
        walk(
            &opened(dir.path()),
            &path(dir_path),
            &BTreeSet::new(),
            &rules,
        )
        .unwrap_err()
        .to_string()
    };
    assert_eq!(complaint("file"), "`file` is not a directory");
    assert_eq!(complaint("none"), "cannot read `none`");
}

#[test]
fn measures_what_docker_would_send() {
    let docker = "**/dist\n!apps/*/dist/keep\n";
    let dir = tree(&[
        (".dockerignore", docker),
        (".gitignore", "*\n"),
        (".git/HEAD", "123"),
        ("node_modules/a/b", "1234567890"),
        ("apps/a/dist/keep", "12"),
        ("apps/a/dist/x", "1"),
        ("dist/x/y", "1"),
    ]);
    let measured = measure(&opened(dir.path()), &rules(dir.path(), &[], &["apps"]));
    assert_eq!(
        measured,
        Measure {
            files: 5,
            bytes: docker.len() as u64 + 2 + 3 + 10 + 2
        }
    );
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use fs::os::unix::fs::symlink;

    use fs_err as fs;

    use super::*;

    #[test]
    fn keeps_symlinks_and_does_not_follow_them() {
        let dir = tree(&[("a/x", ""), ("b/", "")]);
        symlink("../a", dir.path().join("b/link")).unwrap();
        symlink("missing", dir.path().join("dangling")).unwrap();
        let walk = walk_all(dir.path(), &rules(dir.path(), &[], &[])).unwrap();
        assert_eq!(names(&walk), ["a/x", "b/link", "dangling"]);
        assert_eq!(
            walk.files[1].kind,
            Kind::Symlink {
                target: "../a".to_owned()
            }
        );
        assert_eq!(
            File::load(&opened(dir.path()), &path("b/link")).unwrap(),
            walk.files[1]
        );
        assert_eq!(
            File::load(&opened(dir.path()), &path("b"))
                .unwrap_err()
                .to_string(),
            "`b` is a directory, not a file"
        );
    }

    #[test]
    fn refuses_symlinks_that_leave_unless_a_rule_drops_them() {
        for (target, message) in [
            (
                "/etc/passwd",
                "the symlink `a/link` has the absolute target `/etc/passwd`",
            ),
            (
                "../../x",
                "the symlink `a/link` leaves the workspace: its target is `../../x`",
            ),
        ] {
            let dir = tree(&[("a/", "")]);
            symlink(target, dir.path().join("a/link")).unwrap();
            let error = walk_all(dir.path(), &rules(dir.path(), &[], &[])).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert!(
                error
                    .hint()
                    .unwrap()
                    .ends_with("leave it out with `--exclude a/link`")
                    || error
                        .hint()
                        .unwrap()
                        .ends_with("leave the link out with `--exclude a/link`")
            );
            assert_eq!(
                dropped(&walk_all(dir.path(), &rules(dir.path(), &[], &["a/link"])).unwrap()),
                ["a/link: excluded by `a/link`"]
            );
        }
    }

    #[test]
    fn a_pattern_for_directories_does_not_match_a_symlink_to_one() {
        let dir = tree(&[(".gitignore", "link/\n"), ("a/x", "")]);
        symlink("a", dir.path().join("link")).unwrap();
        assert_eq!(
            names(&walk_all(dir.path(), &rules(dir.path(), &[], &[])).unwrap()),
            [".gitignore", "a/x", "link"]
        );
    }

    #[test]
    fn any_executable_bit_counts() {
        let dir = tree(&[("no", ""), ("owner", ""), ("others", "")]);
        for (name, mode) in [("no", 0o666), ("owner", 0o744), ("others", 0o645)] {
            fs::set_permissions(dir.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let walk = walk_all(dir.path(), &rules(dir.path(), &[], &[])).unwrap();
        let kinds: Vec<_> = walk
            .files
            .iter()
            .map(|file| (file.path.as_str(), file.kind.clone()))
            .collect();
        let regular = |executable| Kind::Regular { executable };
        assert_eq!(
            kinds,
            [
                ("no", regular(false)),
                ("others", regular(true)),
                ("owner", regular(true))
            ]
        );
    }

    #[test]
    fn drops_sockets() {
        let dir = tree(&[]);
        let _listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let walk = walk_all(dir.path(), &rules(dir.path(), &[], &[])).unwrap();
        assert_eq!(dropped(&walk), ["s: it is a socket"]);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_refused_unless_a_rule_drops_it() {
        let dir = tree(&[("a/", "")]);
        let name = OsStr::from_bytes(b"caf\xe9.txt");
        if fs::write(dir.path().join("a").join(name), "").is_err() {
            return; // a file system that knows UTF-8 only
        }
        let error = walk_all(dir.path(), &rules(dir.path(), &[], &[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the name of `a/caf\u{fffd}.txt` is not valid UTF-8"
        );
        assert_eq!(
            names(&walk_all(dir.path(), &rules(dir.path(), &[], &["a/caf*"])).unwrap()).len(),
            0
        );
    }

    #[test]
    fn a_backslash_in_a_name_separates_nothing() {
        let dir = tree(&[("a\\b", "")]);
        let walk = walk_all(dir.path(), &rules(dir.path(), &[], &[])).unwrap();
        assert_eq!(names(&walk), ["a\\b"]);
    }
}

#[test]
fn directories_in_each_other_without_end_are_refused() {
    let dir = tree(&[]);
    let deep = vec!["d"; MAX_DEPTH + 1].join("/");
    write(dir.path(), &format!("a/{deep}/f"), "");
    let rules = rules(dir.path(), &[], &[]);
    let error = walk_all(dir.path(), &rules).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("lies more than 256 directories deep"),
        "{error}"
    );
    assert_eq!(error.hint().unwrap(), "leave it out with `--exclude a/d/d`");
}
