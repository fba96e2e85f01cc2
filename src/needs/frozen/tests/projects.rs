use super::*;
use crate::testing::{at, workspace};

#[test]
fn formats_and_their_readers() {
    let format =
        |version: &str, pnpm: &str| refused(pnpm, &[("pnpm-lock.yaml", &lockfile(version, ""))]);
    for (version, pnpm) in [
        ("5.4", "7.33.7"),
        ("6.0", "7.33.7"),
        ("6.0", "8.15.9"),
        ("6.1", "9.15.9"),
        ("9.0", "9.0.0"),
        ("9.0", "12.21.0"),
    ] {
        assert_eq!(format(version, pnpm), "fits", "{version} with pnpm {pnpm}");
    }
    assert_eq!(
        format("5.4", "8.15.9"),
        "has format 5, which pnpm 8.15.9 does not read: pnpm 6 and 7 do"
    );
    assert_eq!(
        format("6.0", "10.16.1"),
        "has format 6, which pnpm 10.16.1 does not read: pnpm 8 and 9 do"
    );
    assert_eq!(
        format("9.0", "8.15.9"),
        "has format 9, which pnpm 8.15.9 does not read: pnpm 9 and later do"
    );
}

/// A project's manifest against its importer, under these lines at the lockfile's head.
fn project(head: &str, importer: &str, manifest: &str) -> String {
    let text = format!("lockfileVersion: '9.0'\n\n{head}\nimporters:\n\n  apps/a:\n{importer}");
    let settings = head
        .strip_prefix("overrides:")
        .map_or(String::new(), |_| head.to_owned());
    let (_dir, workspace) = workspace(&[
        ("pnpm-lock.yaml", &text),
        (
            "pnpm-workspace.yaml",
            &format!("packages: ['apps/*']\n{settings}"),
        ),
        ("apps/a/package.json", manifest),
    ]);
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let lockfile = &lockfiles.all()[0];
    let config = Config::new(&workspace, lockfile.dir(), &writer(10, 34)).unwrap();
    let projects = Projects::new(lockfile, &config).unwrap();
    match projects.check(
        "apps/a",
        &workspace.members[at(&workspace, "apps/a")].manifest,
    ) {
        Ok(()) => "fits".to_owned(),
        Err(error) => error
            .to_string()
            .replace("`pnpm-lock.yaml` is older than `apps/a/package.json`: ", ""),
    }
}

const IMPORTER: &str =
    "    dependencies:\n      x:\n        specifier: ^1.0.0\n        version: 1.0.0\n";

#[test]
fn names_specifiers_and_maps() {
    let check = |manifest| project("settings:\n  autoInstallPeers: true\n", IMPORTER, manifest);
    for (manifest, expected) in [
        (r#"{"dependencies": {"x": "^1.0.0"}}"#, "fits"),
        (
            r#"{"dependencies": {"x": "^1.0.0"}, "devDependencies": {"x": "2"}}"#,
            "fits",
        ),
        (r#"{"peerDependencies": {"x": "^1.0.0"}}"#, "fits"),
        (
            r#"{"dependencies": {"x": "^1.1.0"}}"#,
            "it records `x` as `^1.0.0`, the manifest asks for `^1.1.0`",
        ),
        (
            r#"{"dependencies": {"x": "^1.0.0", "y": "1"}}"#,
            "`y` of its `dependencies` is not recorded",
        ),
        (
            r#"{"dependencies": {"x": "^1.0.0"}, "peerDependencies": {"p": "1"}}"#,
            "`p` of its `peerDependencies` is not recorded",
        ),
        (
            r#"{"devDependencies": {"x": "^1.0.0"}}"#,
            "it records `x` in `dependencies`, the manifest has it in `devDependencies`",
        ),
        ("{}", "it records `x`, which the manifest does not have"),
    ] {
        assert_eq!(check(manifest), expected, "{manifest}");
    }
    let peers = |head| {
        project(
            head,
            IMPORTER,
            r#"{"dependencies": {"x": "^1.0.0"}, "peerDependencies": {"p": "1"}}"#,
        )
    };
    assert_eq!(peers("settings:\n  autoInstallPeers: false\n"), "fits");
    assert_eq!(peers(""), "fits");
}

#[test]
fn an_override_says_what_is_recorded() {
    let check = |head: &str, manifest| project(head, IMPORTER, manifest);
    let manifest = r#"{"name": "a", "dependencies": {"x": "^1.0.0"}}"#;
    let replaced = "it records `x` as `^1.0.0`, the manifest asks for `^1.0.0`";
    for (head, expected) in [
        ("overrides:\n  x: 2.0.0\n", replaced),
        ("overrides:\n  a>x: 2.0.0\n", replaced),
        ("overrides:\n  b>x: 2.0.0\n", "fits"),
    ] {
        assert_eq!(check(head, manifest), expected, "{head}");
    }
    let added = r#"{"name": "a", "dependencies": {"x": "^1.0.0", "y": "1"}}"#;
    assert_eq!(
        check("overrides:\n  b>y: '-'\n", added),
        "`y` of its `dependencies` is not recorded"
    );
    assert_eq!(check("overrides:\n  a>y: '-'\n", added), "fits");
}

#[test]
fn a_recorded_version_lies_in_its_range() {
    let recorded = |version: &str| {
        let importer = IMPORTER.replace("version: 1.0.0", &format!("version: {version}"));
        project("", &importer, r#"{"dependencies": {"x": "^1.0.0"}}"#)
    };
    for version in [
        "1.2.0(p@2.0.0(q@3.0.0))",
        "y@2.0.0",
        "link:../x",
        "2.0.0-rc.1",
    ] {
        assert_eq!(recorded(version), "fits", "{version}");
    }
    assert_eq!(
        recorded("2.0.0(p@1.0.0)"),
        "it records `2.0.0` for `x`, which is not in the range `^1.0.0`"
    );
}

#[test]
fn what_may_differ() {
    for (head, manifest) in [
        (
            "overrides:\n  x: ^1.0.0\n",
            r#"{"dependencies": {"x": "^0.9.0"}}"#,
        ),
        (
            "overrides:\n  x@^2: 2.0.0\n",
            r#"{"dependencies": {"x": "^1.0.0"}}"#,
        ),
        (
            "overrides:\n  other>x: 2.0.0\n",
            r#"{"dependencies": {"x": "^1.0.0"}}"#,
        ),
        (
            "overrides:\n  z>y@1: '-'\n",
            r#"{"name": "z", "dependencies": {"x": "^1.0.0", "y": "1"}}"#,
        ),
        (
            "ignoredOptionalDependencies:\n  - '@s/*-linux'\n",
            r#"{"dependencies": {"x": "^1.0.0"}, "optionalDependencies": {"@s/y-linux": "1"}}"#,
        ),
        (
            "settings:\n  excludeLinksFromLockfile: true\n",
            r#"{"dependencies": {"x": "^1.0.0", "y": "link:../y"}}"#,
        ),
    ] {
        assert_eq!(project(head, IMPORTER, manifest), "fits", "{head}");
    }
    let runtime = "    devDependencies:\n      node:\n        specifier: runtime:22\n        version: runtime:22.0.0\n";
    let manifest =
        r#"{"devEngines": {"runtime": {"name": "node", "version": "22", "onFail": "download"}}}"#;
    assert_eq!(project("", runtime, manifest), "fits");
    assert_eq!(
        project("", runtime, "{}"),
        "it records `node`, which the manifest does not have"
    );
    assert_eq!(
        project("", "    publishDirectory: dist\n", manifest),
        "`node` of its `devEngines.runtime` is not recorded"
    );
}

#[test]
fn directories_to_publish_and_meta() {
    let importer = format!(
        "{IMPORTER}    dependenciesMeta:\n      x:\n        injected: true\n    publishDirectory: dist\n"
    );
    let check = |rest: &str| {
        project(
            "",
            &importer,
            &format!(r#"{{"dependencies": {{"x": "^1.0.0"}}, {rest}}}"#),
        )
    };
    let meta = r#""dependenciesMeta": {"x": {"injected": true}}"#;
    assert_eq!(
        check(&format!(
            r#"{meta}, "publishConfig": {{"directory": "dist"}}"#
        )),
        "fits"
    );
    assert_eq!(
        check(&format!(
            r#"{meta}, "publishConfig": {{"access": "public"}}"#
        )),
        "it records `dist` as `publishConfig.directory`, the manifest says none"
    );
    assert_eq!(
        check(r#""publishConfig": {"directory": "dist"}"#),
        "`dependenciesMeta` is not as it is recorded"
    );
}

#[test]
fn a_project_without_importer() {
    let files = |manifest| {
        [
            ("apps/a/package.json", manifest),
            (
                "pnpm-lock.yaml",
                "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n",
            ),
        ]
    };
    assert_eq!(refused("10.34.5", &files("{}")), "fits");
    assert_eq!(
        refused("10.34.5", &files(r#"{"dependencies": {"x": "1"}}"#)),
        "does not know `apps/a`: the package was added after the last install"
    );
}
