use std::collections::BTreeSet;

use fs_err as fs;
use tempfile::TempDir;

use super::*;

/// A workspace with these files, a `/` at the end making a directory.
fn workspace(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, content) in files {
        let on_disk = dir.path().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(on_disk).unwrap();
            continue;
        }
        fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
        fs::write(on_disk, content).unwrap();
    }
    dir
}

fn load(dir: &TempDir, include: &[&str], exclude: &[&str]) -> Result<Rules, IgnoreError> {
    let owned = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
    Rules::load(dir.path(), &owned(include), &owned(exclude))
}

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

/// The reason as the user reads it, or `kept`.
fn verdict(rules: &Rules, file: &str) -> String {
    match rules.file(&path(file)).unwrap() {
        Verdict::Keep => "kept".to_owned(),
        Verdict::Drop(reason) => reason.to_string(),
    }
}

/// Error, source and hint of rules that cannot be had.
fn complaint(dir: &TempDir, include: &[&str], exclude: &[&str]) -> [String; 3] {
    let error = load(dir, include, exclude).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    [
        error.to_string(),
        source.unwrap_or_default(),
        error.hint().unwrap_or_default(),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_rules_make_it_panic(text in r"([!/.*?\[\]{}^a-c \\#-]|\PC|[\r\n\t]){0,40}", at in "[a-c*é][a-c*é/]{0,7}") {
        let dir = workspace(&[(".gitignore", &text), (".dockerignore", &text)]);
        let at = path(&at);
        let globs: [&[&str]; 2] = [&[], &[&text]];
        for globs in globs {
            for docker in [text.as_str(), ""] {
                fs::write(dir.path().join(DOCKERIGNORE), docker).unwrap();
                if let Ok(rules) = load(&dir, globs, globs) {
                    let verdict = rules.file(&at).unwrap();
                    // a path is judged the same, however often it is asked about
                    proptest::prop_assert_eq!(verdict, rules.file(&at).unwrap());
                }
            }
        }
    }
}

/// The cases in `docker.json` are what Docker itself does. Each `.dockerignore` was put into the
/// tree beside a Dockerfile with `COPY . /ctx/`, built with `DOCKER_BUILDKIT=0 docker build`
/// (client 28.2.2, engine 26.1.5), and the image listed by `docker export`. The old client does not
/// look for exceptions that start with a wildcard below a directory which it drops; BuildKit does.
/// What it keeps in these five cases was had from moby's patternmatcher, called as BuildKit's walk
/// (`fsutil`) calls it, and what the old client kept is in `legacy_keeps`. All other cases were had
/// both ways, with the same outcome.
#[test]
fn dockerignore_does_what_docker_does() {
    #[derive(serde::Deserialize)]
    struct Table {
        tree: Vec<String>,
        cases: Vec<Case>,
    }
    #[derive(serde::Deserialize)]
    struct Case {
        lines: Vec<String>,
        #[serde(default)]
        refused: bool,
        kept: Option<BTreeSet<String>>,
        dropped: Option<BTreeSet<String>>,
    }

    let table: Table = serde_json::from_str(include_str!("testdata/docker.json")).unwrap();
    for case in table.cases {
        let text = case.lines.join("\n") + "\n";
        let docker = DockerIgnore::parse(&text);
        assert_eq!(docker.is_err(), case.refused, "{text}");
        let Ok(docker) = docker else { continue };
        let sent = |file: &&String| {
            let mut scope = DockerScope {
                docker: &docker,
                inherited: Inherited::default(),
            };
            for (slash, _) in file.match_indices('/') {
                match scope.directory(&file[..slash]) {
                    Some(inner) => scope = inner,
                    None => return false,
                }
            }
            scope.sends(file)
        };
        let (kept, dropped): (BTreeSet<_>, BTreeSet<_>) = table.tree.iter().partition(sent);
        for (expected, actual) in [(case.kept, kept), (case.dropped, dropped)] {
            if let Some(expected) = expected {
                assert_eq!(expected.iter().collect::<BTreeSet<_>>(), actual, "{text}");
            }
        }
    }
}

#[test]
fn says_which_rule_dropped_a_file() {
    let dir = workspace(&[
        (".git/", ""),
        (".gitignore", "dist\n*.log\n"),
        ("apps/web/.gitignore", "!keep.log\n/*.gen.ts\n{a,b}\n"),
        (".dockerignore", "# docs\n\n**/*.md\n!README.md\n"),
    ]);
    let rules = load(
        &dir,
        &["packages/api/dist", "apps/*/notes.md"],
        &["**/secret*"],
    )
    .unwrap();
    for (file, expected) in [
        ("apps/web/index.ts", "kept"),
        ("apps/web/dist/a/b.js", "`dist` in `.gitignore`"),
        ("apps/web/x.log", "`*.log` in `.gitignore`"),
        ("apps/web/keep.log", "kept"),
        ("apps/web/x.gen.ts", "`/*.gen.ts` in `apps/web/.gitignore`"),
        ("apps/web/src/x.gen.ts", "kept"),
        ("apps/web/a", "kept"),
        ("apps/web/{a,b}", "`{a,b}` in `apps/web/.gitignore`"),
        ("docs/guide.md", "`**/*.md` on line 3 of `.dockerignore`"),
        ("README.md", "kept"),
        (
            "apps/web/README.md",
            "`**/*.md` on line 3 of `.dockerignore`",
        ),
        ("apps/web/notes.md", "kept"),
        ("packages/api/dist/x.log", "kept"),
        ("packages/api/dist/x.md", "kept"),
        ("packages/api/dist/.env", "`.env*` never enters an image"),
        ("packages/api/dist/secret/x", "excluded by `**/secret*`"),
        (
            "packages/api/node_modules/x/y",
            "`node_modules` never enters an image",
        ),
        ("apps/web/.npmrc", "`.npmrc` never enters an image"),
    ] {
        assert_eq!(verdict(&rules, file), expected, "{file}");
    }
}

#[test]
fn goes_below_a_dropped_directory_only_where_something_may_be_kept() {
    let dir = workspace(&[
        (".gitignore", "dist\n"),
        (".dockerignore", "docs\nold\n!docs/api/*.md\n"),
    ]);
    let rules = load(&dir, &["web/dist/assets/*.json"], &["tmp"]).unwrap();
    for (dir, descends) in [
        ("web", true),
        ("web/dist", true),
        ("web/dist/assets", true),
        ("web/dist/other", false),
        ("api/dist", false),
        ("docs", true),
        ("docs/api", true),
        ("docs/guide", false),
        ("old", false),
        ("tmp", false),
        ("web/node_modules", false),
    ] {
        assert_eq!(
            rules.scope(&path(dir)).unwrap().1.is_some(),
            descends,
            "{dir}"
        );
    }
    assert_eq!(verdict(&rules, "web/dist/assets/a.json"), "kept");
    assert_eq!(
        verdict(&rules, "web/dist/assets/a.js"),
        "`dist` in `.gitignore`"
    );
    assert_eq!(verdict(&rules, "docs/api/a.md"), "kept");
    assert_eq!(
        verdict(&rules, "docs/api/a.txt"),
        "`docs` on line 1 of `.dockerignore`"
    );
}

#[test]
fn reads_the_gitignore_files_above_the_root_up_to_the_repository() {
    let dir = workspace(&[
        (".gitignore", "*.outside\n"),
        ("repo/.git/", ""),
        ("repo/.gitignore", "*.log\n/products/shop/tmp\n/apps\n"),
        ("repo/products/.gitignore", "!keep.log\n"),
        ("repo/products/shop/apps/", ""),
    ]);
    let rules = Rules::load(&dir.path().join("repo/products/shop"), &[], &[]).unwrap();
    for (file, expected) in [
        ("x.outside", "kept"),
        ("apps/x.log", "`*.log` in `../../.gitignore`"),
        ("apps/keep.log", "kept"),
        ("tmp/x", "`/products/shop/tmp` in `../../.gitignore`"),
        ("apps/tmp/x", "kept"),
    ] {
        assert_eq!(verdict(&rules, file), expected, "{file}");
    }
}

#[test]
fn a_repository_that_ignores_the_workspace_has_no_say_in_it() {
    let dir = workspace(&[
        (".git/", ""),
        (".gitignore", "/corpus\n*.ts\n"),
        ("corpus/shop/.gitignore", "dist\n"),
    ]);
    let rules = Rules::load(&dir.path().join("corpus/shop"), &[], &[]).unwrap();
    assert_eq!(verdict(&rules, "index.ts"), "kept");
    assert_eq!(verdict(&rules, "dist/index.js"), "`dist` in `.gitignore`");
}

#[test]
fn a_faulty_line_in_a_gitignore_matches_nothing() {
    let dir = workspace(&[(".gitignore", "\u{feff}a[\nb\r\n[z-a]\nc  \n")]);
    let rules = load(&dir, &[], &[]).unwrap();
    for (file, expected) in [
        ("a[", "kept"),
        ("b", "`b` in `.gitignore`"),
        ("c", "`c` in `.gitignore`"),
        // git compares the start of a range before it sees that there is one
        ("z", "`[z-a]` in `.gitignore`"),
    ] {
        assert_eq!(verdict(&rules, file), expected, "{file}");
    }
}

/// What git 2.47.3 does, where other matchers do otherwise; found by `files`' comparison with git,
/// on 6,000 trees.
#[test]
fn reads_lines_as_git_and_shows_them_as_written() {
    for (line, ignored, kept) in [
        ("{a,b}", &["{a,b}", "x/{a,b}"][..], &["a", "b"][..]),
        ("a[!x]b", &["acb", "x/acb"], &["a/b", "axb"]),
        ("/a[!x]b", &["acb"], &["a/b", "x/acb"]),
        ("!", &[], &["a"]),
        ("a[", &[], &["a[", "a"]),
        ("a[b", &[], &["ab", "a[b"]),
        ("a\t", &["a\t"], &["a"]),
        ("a\\ ", &["a "], &["a"]),
        ("*\r", &["a"], &[]),
    ] {
        let dir = workspace(&[(".gitignore", line)]);
        let rules = load(&dir, &[], &[]).unwrap();
        let reason = format!("`{}` in `.gitignore`", line.trim_end_matches('\r'));
        for file in ignored {
            assert_eq!(verdict(&rules, file), reason, "{file}");
        }
        for file in kept {
            assert_eq!(verdict(&rules, file), "kept", "{line}: {file}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_gitignore_that_is_a_symlink_is_not_followed() {
    let dir = workspace(&[("rules", "*.ts\n")]);
    fs::os::unix::fs::symlink("rules", dir.path().join(".gitignore")).unwrap();
    assert_eq!(verdict(&load(&dir, &[], &[]).unwrap(), "a.ts"), "kept");
}

#[test]
fn complains_with_file_and_line() {
    let windows = workspace(&[(".dockerignore", "# windows\n!apps\\web\n")]);
    let bare = workspace(&[(".dockerignore", "!")]);
    let none = workspace(&[]);
    for (complaint, expected) in [
        (
            complaint(&windows, &[], &[]),
            [
                r"`.dockerignore` line 2: `!apps\web` is not a pattern",
                r"`\w` is no escape",
                r"separate directories with `/`; `\` takes the meaning from the character behind it",
            ],
        ),
        (
            complaint(&bare, &[], &[]),
            [
                "`.dockerignore` line 1: `!` is not a pattern",
                "`!` is followed by nothing",
                "write the path to keep directly behind `!`, or delete the line",
            ],
        ),
        (
            complaint(&none, &["../x"], &[]),
            [
                "`../x` of `include` is not a glob",
                "it leaves the workspace",
                "move what the app needs into the workspace",
            ],
        ),
        (
            complaint(&none, &[], &["!x"]),
            [
                "`!x` of `exclude` is not a glob",
                "a `!` has no meaning here",
                "use `include` for what is to be kept and `exclude` for what is not",
            ],
        ),
    ] {
        assert_eq!(complaint, expected);
    }
}

#[test]
fn reasons_serialise_flat() {
    let reason = Reason::DockerIgnore {
        line: 3,
        pattern: "*.md".to_owned(),
    };
    assert_eq!(
        serde_json::to_string(&reason).unwrap(),
        r#"{"rule":"docker-ignore","line":3,"pattern":"*.md"}"#
    );
}
