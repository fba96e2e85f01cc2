use super::*;
use crate::testing::tree;

/// A package's manifest.
fn manifest(name: &str, version: &str, more: &str) -> String {
    format!(r#"{{"name":"{name}","version":"{version}"{more}}}"#)
}

struct Installed(tempfile::TempDir);

impl Installed {
    fn new() -> Self {
        Self(tree(&[]))
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        self
    }

    fn package(self, dir: &str, name: &str, version: &str, more: &str) -> Self {
        self.file(
            &format!("{dir}/package.json"),
            &manifest(name, version, more),
        )
    }

    fn link(self, path: &str, target: &str) -> Self {
        let path = self.0.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    fn walk(&self, needs: &[&str], locked: &[&str]) -> Result<InstalledModules, String> {
        let project = Project {
            dir: RepoPath::new("app").unwrap(),
            needs: needs
                .iter()
                .map(|name| (name.trim_end_matches('?').to_owned(), name.ends_with('?')))
                .collect(),
        };
        let expected = locked
            .iter()
            .map(|text| {
                let (name, version) = text.trim_end_matches('?').rsplit_once('@').unwrap();
                let (name, version) = (name.to_owned(), version.to_owned());
                (Locked { name, version }, text.ends_with('?'))
            })
            .collect();
        walk(self.0.path(), &[project], &expected).map_err(|error| error.to_string())
    }
}

/// As pnpm lays it out: a virtual store, links beside each package, and a directory of links for
/// whoever forgot to declare something.
fn isolated() -> Installed {
    let store = "node_modules/.pnpm";
    Installed::new()
        .file("app/package.json", r#"{"devDependencies":{"lint":"1"}}"#)
        .link(
            "app/node_modules/web",
            &format!("../../{store}/web@1.0.0/node_modules/web"),
        )
        .link(
            "app/node_modules/lint",
            &format!("../../{store}/lint@1.0.0/node_modules/lint"),
        )
        .package(
            &format!("{store}/web@1.0.0/node_modules/web"),
            "web",
            "1.0.0",
            r#","bin":"cli.js","dependencies":{"body":"^1"},"peerDependencies":{"lint":"*"}"#,
        )
        .file(
            &format!("{store}/web@1.0.0/node_modules/.generated/client.js"),
            "",
        )
        .file(&format!("{store}/web@1.0.0/node_modules/.cache/x"), "")
        .link(
            &format!("{store}/web@1.0.0/node_modules/body"),
            "../../body@1.5.0/node_modules/body",
        )
        .package(
            &format!("{store}/body@1.5.0/node_modules/body"),
            "body",
            "1.5.0",
            "",
        )
        .package(
            &format!("{store}/body@2.0.0/node_modules/body"),
            "body",
            "2.0.0",
            "",
        )
        .package(
            &format!("{store}/lint@1.0.0/node_modules/lint"),
            "lint",
            "1.0.0",
            "",
        )
        .link(
            &format!("{store}/node_modules/body"),
            "../body@2.0.0/node_modules/body",
        )
        .link(
            &format!("{store}/node_modules/lint"),
            "../lint@1.0.0/node_modules/lint",
        )
        .file("app/node_modules/.bin/web", "#!/bin/sh\n")
        .file("app/node_modules/.bin/lint", "#!/bin/sh\n")
}

fn texts<'p>(paths: impl IntoIterator<Item = &'p RepoPath>) -> Vec<&'p str> {
    paths.into_iter().map(RepoPath::as_str).collect()
}

#[test]
fn takes_what_is_reached_and_nothing_else() {
    let tree = isolated()
        .walk(&["web"], &["web@1.0.0", "body@1.5.0"])
        .unwrap();
    assert_eq!(
        texts(tree.packages.keys()),
        [
            "node_modules/.pnpm/body@1.5.0/node_modules/body",
            "node_modules/.pnpm/web@1.0.0/node_modules/web",
        ]
    );
    let links: Vec<String> = tree
        .links
        .iter()
        .map(|(path, to)| format!("{path} → {to}"))
        .collect();
    assert_eq!(
        links,
        [
            "app/node_modules/.bin/web → ../../../node_modules/.pnpm/web@1.0.0/node_modules/web/cli.js",
            "app/node_modules/web → ../../node_modules/.pnpm/web@1.0.0/node_modules/web",
            // Those who develop have another version there.
            "node_modules/.pnpm/node_modules/body → ../body@1.5.0/node_modules/body",
            "node_modules/.pnpm/web@1.0.0/node_modules/body → ../../body@1.5.0/node_modules/body",
        ]
    );
    assert_eq!(
        texts(&tree.generated),
        ["node_modules/.pnpm/web@1.0.0/node_modules/.generated"]
    );
}

#[test]
fn hoisted_trees_are_walked_too() {
    let installed = Installed::new()
        .file("app/package.json", "{}")
        .package(
            "node_modules/web",
            "web",
            "1.0.0",
            r#","dependencies":{"body":"^1","deep":"1"}"#,
        )
        .package("node_modules/web/node_modules/body", "body", "1.5.0", "")
        .package("node_modules/body", "body", "2.0.0", "")
        .package(
            "node_modules/deep",
            "deep",
            "1.0.0",
            r#","dependencies":{"body":"^2"}"#,
        )
        .package("node_modules/lint", "lint", "1.0.0", "")
        .file("node_modules/.prisma/client/index.js", "")
        .file("node_modules/.package-lock.json", "{}");
    let tree = installed
        .walk(
            &["web"],
            &["web@1.0.0", "body@1.5.0", "body@2.0.0", "deep@1.0.0"],
        )
        .unwrap();
    assert_eq!(
        texts(tree.packages.keys()),
        [
            "node_modules/body",
            "node_modules/deep",
            "node_modules/web",
            "node_modules/web/node_modules/body",
        ]
    );
    assert_eq!(texts(&tree.generated), ["node_modules/.prisma"]);
}

#[test]
fn the_lockfile_is_right() {
    let installed = isolated();
    for (needs, locked, problem) in [
        (
            vec!["web"],
            vec!["web@1.0.0", "body@1.6.0"],
            "`body` 1.5.0 is installed where pnpm-lock.yaml has 1.6.0; it is needed by app → web@1.0.0",
        ),
        (
            vec!["web", "gone"],
            vec!["web@1.0.0", "body@1.5.0", "gone@1.0.0"],
            "`gone` is not installed; it is needed by app",
        ),
        (
            vec!["web"],
            vec!["web@1.0.0", "body@1.5.0", "more@1.0.0"],
            "pnpm-lock.yaml has more@1.0.0, which nothing that is installed leads to",
        ),
    ] {
        assert_eq!(installed.walk(&needs, &locked).unwrap_err(), problem);
    }
    // What is for another platform need not be there, nor what an override takes away.
    let fine = [
        (
            vec!["web", "native?"],
            vec!["web@1.0.0", "body@1.5.0", "native@1.0.0?"],
        ),
        (vec!["web", "removed"], vec!["web@1.0.0", "body@1.5.0"]),
    ];
    for (needs, locked) in fine {
        assert!(installed.walk(&needs, &locked).is_ok());
    }
}

#[test]
fn what_is_there_by_chance_may_lack_what_it_needs() {
    let installed = Installed::new()
        .file("app/package.json", "{}")
        .package(
            "node_modules/fetch",
            "fetch",
            "1.0.0",
            r#","peerDependencies":{"encoding":"1"}"#,
        )
        .package(
            "node_modules/encoding",
            "encoding",
            "1.0.0",
            r#","dependencies":{"iconv":"1"}"#,
        );
    let walked = |iconv: &str| {
        let locked = ["fetch@1.0.0", "encoding@1.0.0?", iconv];
        installed
            .walk(&["fetch"], &locked)
            .map(|tree| tree.packages.len())
    };
    assert_eq!(walked("iconv@1.0.0?"), Ok(2));
    let missing = "`iconv` is not installed; it is needed by app → fetch@1.0.0 → encoding@1.0.0";
    assert_eq!(walked("iconv@1.0.0"), Err(missing.to_owned()));
}

#[test]
fn packages_may_carry_their_own() {
    let installed = Installed::new()
        .file("app/package.json", "{}")
        .package(
            "node_modules/tool",
            "tool",
            "1.0.0",
            r#","dependencies":{"inner":"1"},"bundleDependencies":["inner"]"#,
        )
        .package(
            "node_modules/tool/node_modules/inner",
            "inner",
            "1.2.0",
            r#","dependencies":{"leaf":"1"}"#,
        )
        .package("node_modules/tool/node_modules/leaf", "leaf", "1.0.0", "");
    let tree = installed.walk(&["tool"], &["tool@1.0.0"]).unwrap();
    let dir = RepoPath::new("node_modules/tool").unwrap();
    assert!(tree.packages[&dir].bundles);
}

#[test]
fn what_lies_elsewhere_has_a_version_of_its_own() {
    let installed = Installed::new().file("app/package.json", "{}").package(
        "node_modules/fork",
        "fork",
        "3.0.0-dev",
        "",
    );
    let locked = ["fork@https://codeload.github.com/a/fork/tar.gz/abc"];
    assert_eq!(
        installed.walk(&["fork"], &locked).unwrap().packages.len(),
        1
    );
}

#[test]
fn a_link_may_not_leave_the_workspace() {
    let elsewhere = tree(&[("x/package.json", "{}")]);
    let target = elsewhere.path().join("x");
    let installed = Installed::new()
        .file("app/package.json", "{}")
        .link("app/node_modules/x", target.to_str().unwrap());
    let problem = installed.walk(&["x"], &["x@1.0.0"]).unwrap_err();
    assert!(
        problem.starts_with("the link `app/node_modules/x` leaves the workspace"),
        "{problem}"
    );
}

#[test]
fn a_link_that_leads_nowhere_is_not_installed() {
    let installed = Installed::new().file("app/package.json", "{}").link(
        "app/node_modules/x",
        "../../node_modules/.pnpm/x@1.0.0/node_modules/x",
    );
    let problem = installed.walk(&["x"], &["x@1.0.0"]).unwrap_err();
    assert_eq!(problem, "`x` is not installed; it is needed by app");
}

#[test]
fn nothing_is_installed() {
    let installed = Installed::new().file("app/package.json", "{}");
    let problem = installed.walk(&["x"], &["x@1.0.0"]).unwrap_err();
    assert_eq!(problem, "nothing is installed: there is no `node_modules`");
    assert!(installed.walk(&[], &[]).is_ok());
}
