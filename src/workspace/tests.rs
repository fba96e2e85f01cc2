use super::*;
use crate::model::member::MemberId;
use crate::testing::tree;

#[test]
fn globs_as_pnpm_reads_them() {
    let manifest = "{}";
    let dir = tree(&[
        ("packages/a/package.json", manifest),
        ("packages/b/package.json", manifest),
        ("packages/.hidden/package.json", manifest),
        ("packages/deep/x/package.json", manifest),
        ("packages/b/node_modules/c/package.json", manifest),
        ("packages/none/readme", ""),
        ("apps/w/package.json", manifest),
    ]);
    let found = |globs: &[&str]| {
        let globs: Vec<String> = globs.iter().map(|&glob| glob.to_owned()).collect();
        globs::expand(&Tree::open(dir.path()).unwrap(), &globs)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(found(&["packages/*"]), "packages/a packages/b");
    assert_eq!(
        found(&["!packages/a", "packages/**", "./apps/*/"]),
        "apps/w packages/b packages/deep/x"
    );
    assert_eq!(found(&["{apps,packages}/*", "!**/b"]), "apps/w packages/a");
    assert_eq!(found(&["packages/{a,}"]), "packages/a");
    assert_eq!(
        found(&["packages/.hidden", "**/.h*/**", "*/*"]),
        "apps/w packages/.hidden packages/a packages/b"
    );
    assert_eq!(found(&[]), "");
    fs_err::write(dir.path().join("packages/package.json"), manifest).unwrap();
    assert_eq!(
        found(&["packages/**"]),
        "packages packages/a packages/b packages/deep/x"
    );
}

#[test]
fn what_is_written_for_a_directory_names_it_alone() {
    let dirs = [
        "!a",
        "p/(group)",
        "p/[...id]",
        "p/a: {b,c}",
        "p/a|b",
        "p/st*r$",
    ];
    let others = ["b", "p/group", "p/i", "p/a: b", "p/a", "p/star"];
    let files: Vec<String> = dirs
        .iter()
        .chain(&others)
        .map(|dir| format!("{dir}/package.json"))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|file| (file.as_str(), "{}")).collect();
    let dir = tree(&files);
    let text = workspace::with_members("", None, dirs.into_iter());
    let globs = WorkspaceManifest::parse(&text).unwrap().packages.unwrap();
    let found = globs::expand(&Tree::open(dir.path()).unwrap(), &globs).unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, dirs);
}

#[test]
fn globs_that_only_pnpm_reads_are_refused() {
    for (glob, problem) in [
        ("packages/!(a)", "groups such as"),
        ("packages/(a|b)", "groups such as"),
        ("packages/v{1..3}", "ranges such as"),
        ("packages/[!a]", "pnpm does not take `[!a]`"),
    ] {
        let error =
            globs::expand(&Tree::open(Path::new(".")).unwrap(), &[glob.to_owned()]).unwrap_err();
        assert!(error.to_string().contains(problem), "{glob}: {error}");
    }
}

#[test]
fn a_branch_may_have_a_lockfile_of_its_own() {
    let text = |setting: &str, head: &str| {
        let dir = tree(&[
            ("pnpm-workspace.yaml", setting),
            ("pnpm-lock.yaml", "main"),
            ("pnpm-lock.feature!x.yaml", "branch"),
            (".git/HEAD", head),
        ]);
        let lockfiles = Workspace::load(dir.path()).unwrap().lockfiles;
        lockfiles.first().unwrap().to_string()
    };
    assert_eq!(
        text("gitBranchLockfile: true\n", "ref: refs/heads/Feature/X\n"),
        "branch"
    );
    assert_eq!(
        text("gitBranchLockfile: true\n", "ref: refs/heads/other\n"),
        "main"
    );
    assert_eq!(
        text("packages: []\n", "ref: refs/heads/Feature/X\n"),
        "main"
    );
}

#[test]
fn apps_by_directory_and_name() {
    let dir = tree(&[
        ("pnpm-workspace.yaml", "packages: ['apps/*', 'libs/*']"),
        ("pnpm-lock.yaml", ""),
        ("package.json", "{}"),
        ("apps/server/package.json", r#"{"name": "@shop/server"}"#),
        ("apps/server/src/x", ""),
        ("apps/nameless/package.json", "{}"),
        ("libs/a/package.json", r#"{"name": "twin"}"#),
        ("libs/b/package.json", r#"{"name": "twin"}"#),
    ]);
    let root = find_root(&dir.path().join("apps/server/src")).unwrap();
    let workspace = Workspace::load(&root).unwrap();
    let find = |name: &str, cwd: &str| match workspace.find_app(name, &root.join(cwd)) {
        Ok(at) => workspace.members[at].dir.to_string(),
        Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
    };
    for (name, cwd) in [
        ("apps/server", ""),
        ("./apps/server/", ""),
        ("@shop/server", "libs/a"),
        (".", "apps/server"),
        (".", "apps/server/src"),
        ("../../apps/server", "libs/a"),
        ("apps/server", "libs/a"),
    ] {
        assert_eq!(find(name, cwd), "apps/server", "{name} in {cwd}");
    }
    assert_eq!(
        find("apps/sever", ""),
        "there is no app `apps/sever` in this workspace; did you mean `apps/server`?"
    );
    assert_eq!(
        find("twin", ""),
        "`twin` is the name of several packages: libs/a, libs/b; name the directory instead"
    );
    assert_eq!(find("apps/nameless", ""), "apps/nameless");
    assert_eq!(find(".", ""), ".");
    let error = workspace.root_is_no_app();
    assert_eq!(
        error.hint().unwrap(),
        r#"name one of its packages: `apps/nameless` or `apps/server`; or say in slimbuild.json what the root starts: `"apps": {".": {"entry": "dist/main.js"}}`"#
    );
}

#[test]
fn each_pnpm_has_its_place_for_the_setting_of_own_lockfiles() {
    let own = |pnpm: &str, npmrc: &str, settings: &str| {
        let manifest = format!(r#"{{"packageManager": "{pnpm}"}}"#);
        let dir = tree(&[
            ("pnpm-workspace.yaml", settings),
            ("pnpm-lock.yaml", "root"),
            (".npmrc", npmrc),
            ("package.json", &manifest),
        ]);
        let lockfiles = Workspace::load(dir.path()).unwrap().lockfiles;
        matches!(lockfiles, crate::lockfile::Texts::PerProject(_))
    };
    let (npmrc, settings) = (
        "shared-workspace-lockfile=false\n",
        "sharedWorkspaceLockfile: false\n",
    );
    let (none, shared) = ("packages: []\n", "sharedWorkspaceLockfile: true\n");
    for (pnpm, there, here) in [
        ("pnpm@9.15.9", true, false),
        ("pnpm@10.34.0", true, true),
        ("pnpm@11.22.0+sha512.x", false, true),
        ("", true, true),
    ] {
        assert_eq!(own(pnpm, npmrc, none), there, "{pnpm}");
        assert_eq!(own(pnpm, "", settings), here, "{pnpm}");
        assert!(!own(pnpm, "", none), "{pnpm}");
    }
    assert!(!own("pnpm@10.34.0", npmrc, shared));
}

#[test]
fn a_backslash_in_the_path_of_a_member_is_refused() {
    let directory = crate::testing::tree(&[
        ("package.json", "{}"),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
        ("apps/a\\b/package.json", r#"{"name": "a"}"#),
    ]);
    let root = fs_err::canonicalize(directory.path()).unwrap();
    let error = Workspace::load(&root).unwrap_err();
    assert_eq!(
        error.to_string(),
        r"`apps/a\b` has a `\` in its path, and pnpm writes a `/` for it into the lockfile"
    );
    assert!(error.hint().unwrap().starts_with("rename the directory"));
}

#[test]
fn workspaces_of_others_are_called_by_their_names() {
    for (file, name) in [
        ("package-lock.json", "an npm"),
        ("yarn.lock", "a Yarn"),
        ("bun.lock", "a Bun"),
        ("bun.lockb", "a Bun"),
    ] {
        let says = format!("this is {name} workspace; slimbuild reads pnpm's so far");
        let dir = tree(&[(file, ""), ("apps/a/package.json", "{}")]);
        let error = find_root(&dir.path().join("apps/a")).unwrap_err();
        assert_eq!(error.to_string(), says);
        let imports = name != "a Bun";
        assert_eq!(error.hint().unwrap().contains("pnpm import"), imports);
        let dir = tree(&[(file, ""), ("pnpm-workspace.yaml", "packages: []\n")]);
        let error = Workspace::load(dir.path()).unwrap_err();
        assert_eq!(error.to_string(), says);
        // Where pnpm's lies too, pnpm's counts.
        let lockfile = ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
        let dir = tree(&[(file, ""), ("pnpm-workspace.yaml", ""), lockfile]);
        assert!(Workspace::load(dir.path()).is_ok());
    }
}

#[cfg(unix)]
#[test]
fn links_to_members_are_followed_once() {
    let dir = tree(&[
        ("vendor/v/package.json5", "{name: 'v'}"),
        ("vendor/w/x/package.yaml", "name: x"),
        ("packages/a/package.json", "{}"),
    ]);
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, dir.path().join("packages").join(name)).unwrap();
    };
    link("../vendor/v", "v");
    link("../vendor/w", "w");
    link("..", "up");
    link(".", "here");
    link("/tmp", "out");
    link("nowhere", "dangling");
    fs_err::create_dir_all(dir.path().join("vendor/w/y")).unwrap();
    std::os::unix::fs::symlink("../../v", dir.path().join("vendor/w/y/v")).unwrap();
    let globs = ["packages/**".to_owned()];
    let found = globs::expand(&Tree::open(dir.path()).unwrap(), &globs).unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["packages/a", "packages/v", "packages/w/x"]);
}

#[test]
fn settings_come_from_files_that_are_included() {
    let settings = "include:\n  ./config/all.yaml: '*'\n";
    let included = "packages: ['../apps/*']\ncatalog: {a: 1.0.0}\n";
    let members = |pnpm: &str| {
        let manifest = format!(r#"{{"packageManager": "pnpm@{pnpm}"}}"#);
        let dir = tree(&[
            ("package.json", &*manifest),
            ("pnpm-workspace.yaml", settings),
            ("config/all.yaml", included),
            ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
            ("apps/a/package.json", "{}"),
        ]);
        let workspace = Workspace::load(dir.path()).unwrap();
        (
            workspace.members.count(),
            workspace.settings_text.unwrap().contains("catalog"),
        )
    };
    assert_eq!(members("12.21.0"), (2, true));
    // Earlier ones know no `include`.
    assert_eq!(members("11.22.0"), (1, false));
}

#[test]
fn a_repository_with_one_package_is_a_root() {
    let lockfile = ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
    let dir = tree(&[lockfile, ("package.json", "{}"), ("src/index.js", "")]);
    let here = fs_err::canonicalize(dir.path()).unwrap();
    let root = find_root(&dir.path().join("src")).unwrap();
    assert_eq!(root, here);
    let workspace = Workspace::load(&root).unwrap();
    assert_eq!(
        (workspace.members.count(), workspace.packages(true)),
        (1, 1)
    );
    assert_eq!(workspace.settings_text, None);
    assert_eq!(
        workspace.find_app(".", &root.join("src")).unwrap(),
        MemberId::ROOT
    );
    // A lockfile alone is no package.
    fs_err::write(dir.path().join("src/pnpm-lock.yaml"), "").unwrap();
    assert_eq!(find_root(&dir.path().join("src")).unwrap(), here);
    // A workspace above goes before a package.
    fs_err::write(dir.path().join("src/package.json"), "{}").unwrap();
    assert_ne!(find_root(&dir.path().join("src")).unwrap(), here);
    fs_err::write(dir.path().join("pnpm-workspace.yaml"), "packages: []\n").unwrap();
    assert_eq!(find_root(&dir.path().join("src")).unwrap(), here);
}

#[test]
fn a_package_that_is_no_member_is_called_so() {
    let dir = tree(&[
        ("pnpm-workspace.yaml", "packages: ['apps/*']"),
        ("pnpm-lock.yaml", ""),
        ("package.json", "{}"),
        ("apps/a/package.json", "{}"),
        ("examples/x/package.json", "{}"),
        ("examples/x/src/y.js", ""),
    ]);
    let root = find_root(dir.path()).unwrap();
    let workspace = Workspace::load(&root).unwrap();
    for (name, cwd) in [
        (".", "examples/x/src"),
        ("examples/x", ""),
        ("x", "examples"),
    ] {
        let error = workspace.find_app(name, &root.join(cwd)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`examples/x` is no package of this workspace: `packages` in pnpm-workspace.yaml does not name it"
        );
        assert!(error.hint().unwrap().contains("add `examples/x` to"));
    }
    // Nobody has a manifest on the way up.
    assert_eq!(
        workspace.find_app(".", &root.join("examples")).unwrap(),
        MemberId::ROOT
    );
}
