mod projects;

use super::*;
use crate::testing::workspace;

/// What a small workspace with these files, the lockfile among them, is refused for by a version of
/// pnpm.
fn refused(pnpm: &str, files: &[(&str, &str)]) -> String {
    let (_dir, workspace) = workspace(files);
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let members = workspace.members.ids();
    match check(&workspace, &lockfiles, members, Some(pnpm)) {
        Ok(()) => "fits".to_owned(),
        Err(error) => error.to_string().replace("`pnpm-lock.yaml` ", ""),
    }
}

fn lockfile(format: &str, head: &str) -> String {
    format!("lockfileVersion: '{format}'\n\n{head}\nimporters:\n\n  .: {{}}\n")
}

/// A setting of a lockfile against the files of a workspace, as versions of pnpm read them.
#[track_caller]
fn table(head: &str, files: &[(&str, &str)], expected: &[(&str, &str)]) {
    for (pnpm, expected) in expected {
        let format = if pnpm.starts_with("8.") { "6.0" } else { "9.0" };
        let text = lockfile(format, head);
        let mut all = vec![("pnpm-lock.yaml", &*text)];
        all.extend(files);
        assert_eq!(refused(pnpm, &all), *expected, "pnpm {pnpm}");
    }
}

const OVERRIDES: &str = "overrides:\n  a: 1.0.0\n  b>c@2: 3.0.0\n";
const OVERRIDES_GONE: &str =
    "does not match the setting `overrides` of `package.json`: it records `a`, which is not there";
const OVERRIDES_GONE_HERE: &str = "does not match the setting `overrides` of `pnpm-workspace.yaml`: it records `a`, which is not there";

#[test]
fn overrides_stand_where_each_pnpm_reads_them() {
    let manifest = r#"{"pnpm": {"overrides": {"b>c@2": "3.0.0"}}, "resolutions": {"a": "1.0.0"}}"#;
    table(
        OVERRIDES,
        &[("package.json", manifest)],
        &[
            ("8.15.9", "fits"),
            ("9.15.9", "fits"),
            ("10.34.5", "fits"),
            ("11.22.0", OVERRIDES_GONE_HERE),
        ],
    );
    let settings = "overrides:\n  b>c@2: 3.0.0\n  a: 1.0.0\n";
    table(
        OVERRIDES,
        &[("pnpm-workspace.yaml", settings)],
        &[
            ("8.15.9", OVERRIDES_GONE),
            ("9.15.9", OVERRIDES_GONE),
            ("10.34.5", "fits"),
            ("12.21.0", "fits"),
        ],
    );
    table(
        "",
        &[("pnpm-workspace.yaml", settings)],
        &[("9.15.9", "fits"), ("10.0.0", "fits")],
    );
    let other = "overrides:\n  b>c@2: 3.0.1\n  a: 1.0.0\n";
    table(
        OVERRIDES,
        &[("pnpm-workspace.yaml", other)],
        &[(
            "10.34.5",
            "does not match the setting `overrides` of `pnpm-workspace.yaml`: it records `b>c@2` as `3.0.0`, the file says `3.0.1`",
        )],
    );
}

#[test]
fn overrides_refer_to_dependencies_and_catalogs() {
    let files = |settings| {
        [
            ("pnpm-workspace.yaml", settings),
            ("package.json", "{\"resolutions\": {\"z\": \"1\"}}"),
        ]
    };
    let settings = "catalog:\n  c: 3.0.0\ncatalogs:\n  old:\n    a: 1.0.0\noverrides:\n  a: catalog:old\n  b>c@2: 'catalog:'\n";
    table(OVERRIDES, &files(settings), &[("11.22.0", "fits")]);
    let manifest = r#"{"pnpm": {"overrides": {"a": "$x"}}, "dependencies": {"x": "^2"}, "optionalDependencies": {"x": "^1"}}"#;
    let text = "lockfileVersion: '9.0'\n\noverrides:\n  a: ^1\n\nimporters:\n\n  .:\n    optionalDependencies:\n      x:\n        specifier: ^1\n        version: 1.0.0\n";
    assert_eq!(
        refused(
            "9.15.9",
            &[("package.json", manifest), ("pnpm-lock.yaml", text)]
        ),
        "fits"
    );
    let text = text.replace("  a: ^1", "  a: ^2");
    assert_eq!(
        refused(
            "9.15.9",
            &[("package.json", manifest), ("pnpm-lock.yaml", &text)]
        ),
        "does not match the setting `overrides` of `package.json`: it records `a` as `^2`, the file says `^1`"
    );
}

#[test]
fn overrides_refer_to_dependencies_that_refer_to_catalogs() {
    let manifest = r#"{"devDependencies": {"x": "catalog:", "y": "catalog:old"}}"#;
    let settings = "catalog:\n  a: 1.0.0\n  x: 9.0.0\ncatalogs:\n  old:\n    c: 3.0.0\noverrides:\n  a: $x\n  b>c@2: $y\n";
    let importer = "overrides:\n  a: 1.0.0\n  b>c@2: 3.0.0\n\nimporters:\n\n  .:\n    devDependencies:\n      x:\n        specifier: 'catalog:'\n        version: 9.0.0\n      y:\n        specifier: catalog:old\n        version: 1.0.0\n";
    let refused = |importer: &str| {
        let lockfile = format!("lockfileVersion: '9.0'\n\n{importer}");
        let files = [
            ("package.json", manifest),
            ("pnpm-workspace.yaml", settings),
            ("pnpm-lock.yaml", &lockfile),
        ];
        refused("12.21.0", &files)
    };
    assert_eq!(refused(importer), "fits");
    assert_eq!(
        refused(&importer.replacen("a: 1.0.0", "a: 9.0.0", 1)),
        "does not match the setting `overrides` of `pnpm-workspace.yaml`: it records `a` as `9.0.0`, the file says `1.0.0`"
    );
}

#[test]
fn catalogs_count_since_10_24_and_only_what_is_used() {
    let head = "catalogs:\n  default:\n    a:\n      specifier: ^1.0.0\n      version: 1.0.0\n";
    table(
        head,
        &[("pnpm-workspace.yaml", "catalog:\n  a: ^1.0.0\n  b: 1.0.0\n")],
        &[("10.34.5", "fits"), ("11.22.0", "fits")],
    );
    table(
        head,
        &[("pnpm-workspace.yaml", "catalog:\n  a: ^1.0.1\n")],
        &[
            ("9.15.9", "fits"),
            ("10.23.0", "fits"),
            (
                "10.24.0",
                "does not match the setting `catalogs` of `pnpm-workspace.yaml`: it records `a` of the catalog `default` as `^1.0.0`, the file says `^1.0.1`",
            ),
        ],
    );
    table(
        head,
        &[],
        &[(
            "12.21.0",
            "does not match the setting `catalogs` of `pnpm-workspace.yaml`: it records `a` of the catalog `default`, which is not there",
        )],
    );
}

const PATCH: &str = "@@ -1,1 +1,2 @@\n+// patched\n";
const PATCH_HASH: &str = "5785c04936c7aa6977d1e252454f9f1794582f948e182e492c4b35a2c14ac2f3";

#[test]
fn patches_by_path_and_hash() {
    let old = format!(
        "patchedDependencies:\n  a@1.0.0:\n    hash: {PATCH_HASH}\n    path: patches/a.patch\n"
    );
    let new = format!("patchedDependencies:\n  a@1.0.0: {PATCH_HASH}\n");
    let settings = (
        "pnpm-workspace.yaml",
        "patchedDependencies:\n  a@1.0.0: ./patches/a.patch\n",
    );
    let crlf = PATCH.replace('\n', "\r\n");
    for patch in [PATCH, &crlf] {
        table(
            &old,
            &[settings, ("patches/a.patch", patch)],
            &[("10.34.5", "fits"), ("11.22.0", "fits")],
        );
    }
    table(
        &new,
        &[settings, ("patches/a.patch", PATCH)],
        &[
            (
                "10.34.5",
                "does not match the setting `patchedDependencies` of `pnpm-workspace.yaml`: it records the patch of `a@1.0.0` as pnpm 11 does",
            ),
            ("12.21.0", "fits"),
        ],
    );
    let changed = "does not match the setting `patchedDependencies` of `pnpm-workspace.yaml`: `patches/a.patch` has changed since";
    table(
        &new,
        &[settings, ("patches/a.patch", "@@ -1 @@\n")],
        &[("11.22.0", changed)],
    );
    let moved = (
        "pnpm-workspace.yaml",
        "patchedDependencies:\n  a@1.0.0: b.patch\n",
    );
    table(
        &old,
        &[moved, ("b.patch", PATCH)],
        &[
            (
                "10.34.5",
                "does not match the setting `patchedDependencies` of `pnpm-workspace.yaml`: it records the patch of `a@1.0.0` as `patches/a.patch`, the file says `b.patch`",
            ),
            ("11.22.0", "fits"),
        ],
    );
    table(
        &old,
        &[],
        &[(
            "10.34.5",
            "does not match the setting `patchedDependencies` of `pnpm-workspace.yaml`: it records a patch of `a@1.0.0`, which is not there",
        )],
    );
    table(
        "",
        &[settings, ("patches/a.patch", PATCH)],
        &[
            ("9.15.9", "fits"),
            (
                "11.22.0",
                "does not match the setting `patchedDependencies` of `pnpm-workspace.yaml`: the patch of `a@1.0.0` is not recorded",
            ),
        ],
    );
}

#[test]
fn lists_extensions_and_pnpmfiles() {
    let manifest = (
        "package.json",
        r#"{"pnpm": {"ignoredOptionalDependencies": ["b", "a"], "packageExtensions": {"x@1": {}}}}"#,
    );
    let head = "packageExtensionsChecksum: sha256-eDZelR6pe8gRtTF7/xMQ1ad3tbk8/U+2PimMAOWyU4Q=\n\nignoredOptionalDependencies:\n  - a\n  - b\n";
    table(head, &[manifest], &[("10.34.5", "fits")]);
    let changed = "does not match the setting `packageExtensionsChecksum` of `package.json`: they have changed since";
    let other = head.replace("sha256-", "sha256-x");
    table(&other, &[manifest], &[("10.34.5", changed)]);
    // pnpm 9 records an MD5 of other text.
    let head = "packageExtensionsChecksum: 1c1\n\nignoredOptionalDependencies:\n  - a\n  - b\n";
    table(head, &[manifest], &[("9.15.9", "fits")]);
    let gone = "does not match the setting `packageExtensionsChecksum` of `package.json`: it records some, and the file has none";
    table(head, &[], &[("9.15.9", gone)]);
    let added = "does not match the setting `ignoredOptionalDependencies` of `package.json`: it records none, the file says `a`, `b`";
    table(
        "packageExtensionsChecksum: 1c1\n",
        &[manifest],
        &[("8.15.9", "fits"), ("9.15.9", added)],
    );

    let hook = "module.exports = { hooks: { readPackage (p) { return p } } }\n";
    let head = "pnpmfileChecksum: sha256-Ji+JTLxgLcPm9nWQQmmxPUcRZtZ1/POk44pTiB1fCio=\n";
    let none = "does not match the setting `pnpmfileChecksum` of `pnpm-workspace.yaml`: it records a pnpmfile, and there is none that pnpm would read";
    table(
        head,
        &[(".pnpmfile.cjs", hook)],
        &[
            ("8.15.9", "fits"),
            ("9.15.9", "fits"),
            ("10.34.5", "fits"),
            ("12.21.0", "fits"),
        ],
    );
    table(
        head,
        &[("p.cjs", hook), (".npmrc", "pnpmfile=p.cjs\n")],
        &[("10.34.5", "fits"), ("11.22.0", none)],
    );
    table(
        head,
        &[
            ("p.cjs", hook),
            ("pnpm-workspace.yaml", "pnpmfile: [p.cjs]\n"),
        ],
        &[("10.34.5", "fits"), ("11.22.0", "fits")],
    );
    table(
        head,
        &[
            (".pnpmfile.cjs", hook),
            ("pnpm-workspace.yaml", "ignorePnpmfile: true\n"),
        ],
        &[("10.34.5", none)],
    );
    table(
        head,
        &[(".pnpmfile.cjs", &format!("// x\n{hook}"))],
        &[(
            "10.34.5",
            "does not match the setting `pnpmfileChecksum` of `.pnpmfile.cjs`: the file has changed since",
        )],
    );
    // A file that came after the lockfile: all versions tell that by its `hooks`, and mind no
    // others.
    let later = "does not match the setting `pnpmfileChecksum` of `.pnpmfile.cjs`: it records none, so the file came after it";
    let all = ["9.15.9", "10.34.5", "11.22.0", "12.21.0"];
    let says = |expected: &'static str| all.map(|pnpm| (pnpm, expected));
    table("", &[(".pnpmfile.cjs", hook)], &says(later));
    let loads = format!("const x = require('./x')\n{hook}");
    table("", &[(".pnpmfile.cjs", &loads)], &says(later));
    for fine in ["module.exports = {}", "module.exports = require('./x')"] {
        table("", &[(".pnpmfile.cjs", fine)], &says("fits"));
    }
    // Two files: the hash of their hashes. A module goes before the script of the same name, from
    // pnpm 11 on.
    let two = "pnpmfileChecksum: sha256-2kZU6Cvzniqkf31rLwxHNUwOVvRodBbe9cr4TFG8Qxg=\n";
    table(
        two,
        &[
            ("p.cjs", hook),
            ("q.cjs", hook),
            ("pnpm-workspace.yaml", "pnpmfile: [q.cjs, p.cjs]\n"),
        ],
        &[("11.22.0", "fits")],
    );
    let module = "export const hooks = { readPackage (p) { return p } }\n";
    let head = "pnpmfileChecksum: sha256-zsrUXw59/nGOhFtYJaozND1rx9pL2mATuuUxIJWcK0k=\n";
    table(
        head,
        &[(".pnpmfile.mjs", module), (".pnpmfile.cjs", hook)],
        &[("11.22.0", "fits")],
    );
}

#[test]
fn switches_stand_where_each_pnpm_reads_them() {
    let head = "settings:\n  autoInstallPeers: false\n  excludeLinksFromLockfile: false\n";
    let npmrc = (".npmrc", "auto-install-peers=false\n");
    let settings = ("pnpm-workspace.yaml", "autoInstallPeers: false\n");
    let differs = "does not match the setting `settings.autoInstallPeers` of `pnpm-workspace.yaml`: it records `false`, now it is `true`";
    table(
        head,
        &[npmrc],
        &[
            ("8.15.9", "fits"),
            ("9.15.9", "fits"),
            ("10.34.5", "fits"),
            ("11.22.0", differs),
        ],
    );
    table(
        head,
        &[settings],
        &[
            ("9.15.9", &differs.replace("pnpm-workspace.yaml", ".npmrc")),
            ("10.34.5", "fits"),
            ("11.22.0", "fits"),
        ],
    );
    table(
        head,
        &[settings, (".npmrc", "auto-install-peers=true\n")],
        &[("10.34.5", "fits")],
    );
    table(
        head,
        &[(".npmrc", "auto-install-peers=${PEERS}\n")],
        &[("9.15.9", "fits")],
    );
    let inject = (
        "pnpm-workspace.yaml",
        "injectWorkspacePackages: true\npeersSuffixMaxLength: 40\n",
    );
    table(
        "settings:\n  injectWorkspacePackages: true\n  peersSuffixMaxLength: 40\n",
        &[inject],
        &[("10.34.5", "fits")],
    );
    table(
        "settings:\n  injectWorkspacePackages: true\n",
        &[inject],
        &[(
            "10.34.5",
            "does not match the setting `settings.peersSuffixMaxLength` of `pnpm-workspace.yaml`: it records `1000`, now it is `40`",
        )],
    );
    table(
        "",
        &[("pnpm-workspace.yaml", "dedupePeers: true\n")],
        &[
            ("10.20.0", "fits"),
            (
                "11.22.0",
                "does not match the setting `settings.dedupePeers` of `pnpm-workspace.yaml`: it records `false`, now it is `true`",
            ),
        ],
    );
}

#[test]
fn plugins_and_hooks_may_change_settings() {
    table(
        OVERRIDES,
        &[(
            "pnpm-workspace.yaml",
            "configDependencies:\n  '@pnpm/plugin-x': 1.0.0+sha512-x\n",
        )],
        &[("10.34.5", "fits")],
    );
    let head = format!(
        "{OVERRIDES}pnpmfileChecksum: sha256-N5sygRqfLmveB2/UVW5NlQLwz6JpZCtuJFtbAm2qXnE=\n"
    );
    table(
        &head,
        &[(
            ".pnpmfile.cjs",
            "module.exports = { hooks: { updateConfig (c) { return c } } }\n",
        )],
        &[("10.34.5", "fits")],
    );
}

#[test]
fn each_project_may_have_a_lockfile() {
    let recorded = |overrides: &str| {
        format!("lockfileVersion: '9.0'\n\n{overrides}\nimporters:\n\n  .: {{}}\n")
    };
    let settings = "packages: ['apps/*']\nsharedWorkspaceLockfile: false\n";
    let files = |own: &str, lockfile: Option<&str>, pnpm: &str| {
        let mut files = vec![
            (".npmrc", "shared-workspace-lockfile=false\n"),
            ("pnpm-workspace.yaml", settings),
            ("apps/a/package.json", own),
            ("package.json", r#"{"pnpm": {"overrides": {"x": "1"}}}"#),
        ];
        let root = recorded("overrides:\n  x: '1'\n");
        files.push(("pnpm-lock.yaml", &root));
        files.extend(lockfile.map(|text| ("apps/a/pnpm-lock.yaml", text)));
        refused(pnpm, &files)
    };
    let (none, root, own) = (
        recorded(""),
        recorded("overrides:\n  x: '1'\n"),
        recorded("overrides:\n  y: '2'\n"),
    );
    let with_own = r#"{"pnpm": {"overrides": {"y": "2"}}}"#;
    // pnpm 9 reads the project's own manifest; pnpm 10 began with that, and now takes the root's
    // where the project's says nothing.
    assert_eq!(files(with_own, Some(&own), "9.15.9"), "fits");
    assert_eq!(files(with_own, Some(&own), "10.34.5"), "fits");
    assert_eq!(files("{}", Some(&none), "9.15.9"), "fits");
    assert_eq!(files("{}", Some(&none), "10.0.0"), "fits");
    assert_eq!(files("{}", Some(&root), "10.34.5"), "fits");
    assert_eq!(
        files("{}", Some(&root), "9.15.9"),
        "`apps/a/pnpm-lock.yaml` does not match the setting `overrides` of `package.json`: it records `x`, which is not there"
    );
    // Only what has something to record needs one.
    assert_eq!(files("{}", None, "9.15.9"), "fits");
    assert_eq!(
        files(r#"{"devDependencies": {"x": "1"}}"#, None, "9.15.9"),
        "there is no `apps/a/pnpm-lock.yaml`, and `sharedWorkspaceLockfile` is off: each package has its own"
    );
}

#[test]
fn format_13_is_compared_as_the_others_are() {
    let text = "{
\t\"lockfileVersion\": \"13.0\",
\t\"settings\": {
\t\t\"autoInstallPeers\": true,
\t\t\"overrides\": {
\t\t\t\"a\": \"1.0.0\",
\t\t},
\t},
\t\"projects\": {
\t\t\".\": {
\t\t\t\"dependencies\": {
\t\t\t\t\"ms\": {
\t\t\t\t\t\"specifier\": \"^2.1.0\",
\t\t\t\t\t\"version\": \"2.1.3\",
\t\t\t\t},
\t\t\t},
\t\t},
\t},
\t\"packages\": {
\t\t\"ms@2.1.3\": {
\t\t\t\"integrity\": \"sha512-x\",
\t\t},
\t},
}
";
    let verdict = |pnpm: &str, overrides: &str, specifier: &str| {
        let manifest = format!("{{\"dependencies\": {{\"ms\": \"{specifier}\"}}}}");
        let settings = format!("packages: []\noverrides:\n  a: {overrides}\n");
        let files = [
            ("pnpm-lock.yaml", text),
            ("package.json", &*manifest),
            ("pnpm-workspace.yaml", &*settings),
        ];
        refused(pnpm, &files)
    };
    assert_eq!(verdict("12.21.0", "1.0.0", "^2.1.0"), "fits");
    assert_eq!(
        verdict("12.18.0", "1.0.0", "^2.1.0"),
        "has format 13, which pnpm 12.18.0 does not read: pnpm 12.19 and later do"
    );
    let problem = verdict("12.21.0", "2.0.0", "^2.1.0");
    assert!(problem.contains("setting `overrides`"), "{problem}");
    let problem = verdict("12.21.0", "1.0.0", "^2.0.0");
    assert!(
        problem.contains("is older than `package.json`"),
        "{problem}"
    );
}
