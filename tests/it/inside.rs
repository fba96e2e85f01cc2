//! A workspace may be a stranger's pull request: whatever it names, no file of this machine gets
//! into a decision or a context.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::archive::entries;
use crate::support::program::{Outcome, slimbuild};
use crate::support::tree::Tree;

const SECRET: &str = "HOSTSECRET";

/// A workspace in `in/` with one app, and outside it a file that must not be read; `link` leads
/// there.
fn workspace(files: &[(&str, &str)]) -> Tree {
    let secret =
        format!("{{\"name\":\"{SECRET}\",\"version\":\"1.0.0\",\"compilerOptions\":{{}}}}");
    let tree = Tree::new(&[
        ("out/token.json", &secret),
        ("out/id_rsa", SECRET),
        ("out/dir/package.json", &secret),
        ("out/dir/index.js", SECRET),
        (
            "in/package.json",
            r#"{"name":"root","packageManager":"pnpm@10.34.8"}"#,
        ),
        ("in/pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        ("in/pnpm-lock.yaml", &lockfile("{}", "")),
        ("in/.nvmrc", "24\n"),
        ("in/apps/a/package.json", &manifest("")),
        ("in/apps/a/main.js", ""),
    ]);
    for (path, text) in files {
        tree.write(&format!("in/{path}"), text);
    }
    symlink("../out", tree.root().join("in/link")).unwrap();
    tree
}

fn manifest(more: &str) -> String {
    format!(r#"{{"name":"a","scripts":{{"start":"node main.js","build":"true"}}{more}}}"#)
}

fn lockfile(app: &str, more: &str) -> String {
    format!(
        "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {{}}\n\n  apps/a: {app}\n{more}"
    )
}

fn dependency(specifier: &str, version: &str) -> String {
    format!(
        "\n    dependencies:\n      x:\n        specifier: {specifier}\n        version: {version}"
    )
}

fn run(tree: &Tree) -> Outcome {
    slimbuild(&tree.root().join("in"), &["context", "apps/a", "-o", "-"])
}

/// One more file: its name or kind, and the refusal.
fn refused(case: &str, tree: &Tree, says: &[&str]) {
    let started = Instant::now();
    let outcome = run(tree);
    let refusal = outcome.refusal(tree.root());
    for words in says {
        assert!(refusal.contains(words), "{case}: {refusal}");
    }
    assert!(!refusal.contains(SECRET), "{case}: {refusal}");
    assert!(started.elapsed() < Duration::from_secs(20), "{case} waits");
}

const LEAVES: &str = "the target of the symlink `link` is `../out`";

#[test]
fn what_settings_name_behind_a_link_that_leaves_is_refused() {
    let depends = |on: &str| manifest(&format!(r#","dependencies":{{"x":"{on}"}}"#));
    let tarball = "\npackages:\n\n  x@file:link/id_rsa:\n    resolution: {integrity: sha512-aaaa, tarball: file:link/id_rsa}\n    version: 1.0.0\n\nsnapshots:\n\n  x@file:link/id_rsa: {}\n";
    let directory = "\npackages:\n\n  x@file:link/dir:\n    resolution: {directory: link/dir, type: directory}\n\nsnapshots:\n\n  x@file:link/dir: {}\n";
    let settings = "packages: ['apps/*']\n";
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("file: of a directory", &[
            ("apps/a/package.json", &depends("file:../../link/dir")),
            ("pnpm-lock.yaml", &lockfile(&dependency("file:../../link/dir", "file:link/dir"), directory)),
        ]),
        ("link: of a directory", &[
            ("apps/a/package.json", &depends("link:../../link/dir")),
            ("pnpm-lock.yaml", &lockfile(&dependency("link:../../link/dir", "link:../../link/dir"), "")),
        ]),
        ("a tarball", &[
            ("apps/a/package.json", &depends("file:../../link/id_rsa")),
            ("pnpm-lock.yaml", &lockfile(&dependency("file:../../link/id_rsa", "file:link/id_rsa"), tarball)),
        ]),
        ("a patch", &[
            ("pnpm-workspace.yaml", &format!("{settings}patchedDependencies:\n  x: link/id_rsa\n")),
            ("pnpm-lock.yaml", &lockfile("{}", "").replace("importers:", "patchedDependencies:\n  x:\n    hash: a\n    path: link/id_rsa\n\nimporters:")),
        ]),
        ("pnpmfile", &[("pnpm-workspace.yaml", &format!("{settings}pnpmfile: link/token.json\n"))]),
        ("template", &[("apps/a/slimbuild.json", r#"{"template":"../../link/id_rsa"}"#)]),
        ("extends", &[("apps/a/tsconfig.json", r#"{"extends":"../../link/token.json"}"#)]),
        ("extends without its ending", &[("apps/a/tsconfig.json", r#"{"extends":"../../link/token"}"#)]),
        ("references", &[("apps/a/tsconfig.json", r#"{"references":[{"path":"../../link/token.json"}]}"#)]),
    ];
    for (case, files) in cases {
        refused(case, &workspace(files), &[LEAVES]);
    }
}

/// Names that are read as configuration for every plan, from the workspace's root.
const READ: [&str; 15] = [
    "package.json",
    "pnpm-workspace.yaml",
    "pnpm-lock.yaml",
    ".npmrc",
    "turbo.json",
    "slimbuild.json",
    ".nvmrc",
    ".dockerignore",
    ".pnpmfile.cjs",
    "apps/a/package.json",
    "apps/a/turbo.json",
    "apps/a/slimbuild.json",
    "apps/a/.nvmrc",
    "apps/a/.node-version",
    "apps/a/tsconfig.json",
];

fn replace(tree: &Tree, name: &str) -> std::path::PathBuf {
    let path = tree.root().join("in").join(name);
    drop(fs_err::remove_file(&path));
    path
}

#[test]
fn a_file_of_settings_that_is_a_link_out_of_the_workspace_is_refused() {
    for name in READ {
        let tree = workspace(&[]);
        let up = "../".repeat(name.matches('/').count() + 1);
        symlink(format!("{up}out/token.json"), replace(&tree, name)).unwrap();
        refused(name, &tree, &[&format!("`{name}`"), "leaves the workspace"]);
    }
}

#[test]
fn a_special_file_under_a_name_that_is_read_is_refused_at_once() {
    for name in READ {
        let words = match name {
            // Treated like any other source of the app: it is left out.
            "apps/a/tsconfig.json" => continue,
            name => format!("`{name}` is a named pipe, not a file"),
        };
        let tree = workspace(&[]);
        let pipe = replace(&tree, name);
        mknodat(CWD, pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        refused(name, &tree, &[&words]);
    }
    let tree = workspace(&[]);
    symlink("/dev/zero", replace(&tree, "turbo.json")).unwrap();
    refused(
        "/dev/zero",
        &tree,
        &["the symlink `turbo.json` leaves the workspace: its target is `/dev/zero`"],
    );
}

#[test]
fn what_is_read_whole_has_a_limit_that_is_said() {
    for name in [
        "package.json",
        "turbo.json",
        ".npmrc",
        "apps/a/slimbuild.json",
    ] {
        let tree = workspace(&[]);
        let file = fs_err::File::create(replace(&tree, name)).unwrap();
        file.set_len(1 << 40).unwrap();
        refused(
            name,
            &tree,
            &[&format!(
                "`{name}` has 1099511627776 bytes; slimbuild reads a settings file of at most 16777216 bytes"
            )],
        );
    }
}

#[test]
fn a_link_that_stays_in_the_workspace_is_followed() {
    let tree = workspace(&[
        (
            "config/base.json",
            r#"{"compilerOptions":{"outDir":"dist"}}"#,
        ),
        (
            "apps/a/tsconfig.json",
            r#"{"extends":"./config/base.json"}"#,
        ),
        ("config/settings.json", r#"{"port":4321}"#),
    ]);
    let app = tree.root().join("in/apps/a");
    fs_err::remove_file(tree.root().join("in/link")).unwrap();
    symlink("../../config", app.join("config")).unwrap();
    symlink("../../config/settings.json", app.join("slimbuild.json")).unwrap();
    let packed = entries(&run(&tree).bytes());
    let dockerfile = packed
        .iter()
        .find(|entry| entry.path == "Dockerfile")
        .unwrap();
    assert!(dockerfile.text().contains("4321"), "{}", dockerfile.text());
}

#[test]
fn what_nests_deeply_or_multiplies_ends_without_a_crash() {
    let deep = "[".repeat(100_000);
    let mut bomb = "packages: ['apps/*']\nl0: &l0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*l{}", level - 1);
        let list = [below.as_str(); 9].join(", ");
        bomb = format!("{bomb}l{level}: &l{level} [{list}]\n");
    }
    let cases = [
        ("package.json", deep.clone(), "package.json"),
        ("turbo.json", deep.clone(), "turbo.json"),
        ("apps/a/slimbuild.json", deep.clone(), "slimbuild.json"),
        (
            "pnpm-workspace.yaml",
            format!("packages: {deep}"),
            "pnpm-workspace.yaml",
        ),
        ("pnpm-workspace.yaml", bomb, ""),
        (
            "pnpm-lock.yaml",
            format!("overrides: {deep}"),
            "pnpm-lock.yaml",
        ),
    ];
    for (name, text, says) in cases {
        let tree = workspace(&[(name, &text)]);
        refused(name, &tree, &[says]);
    }
    // The compiler's own errors are left to it.
    run(&workspace(&[("apps/a/tsconfig.json", &deep)])).bytes();
}
