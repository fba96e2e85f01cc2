use std::process::Command;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn kind(path: &str) -> Option<RuleKind> {
    barred(path, Area::Sources).map(|rule| rule.kind)
}

#[test]
fn secrets_and_leftovers_never_enter() {
    for name in [
        ".env",
        ".env.local",
        ".env.example",
        ".env-cmdrc",
        ".env~",
        ".env_prod",
        ".envrc",
        ".envrc.local",
        ".ENV",
        ".Env.Local",
        ".npmrc",
        ".NPMRC",
        ".npmrc.bak",
        ".npmrc~",
        ".netrc",
        "_netrc",
        ".yarnrc",
        ".yarnrc.yml",
        ".git-credentials",
    ] {
        assert_eq!(
            kind(&format!("apps/api/{name}")),
            Some(RuleKind::Secret),
            "{name}"
        );
    }
    for name in [
        "node_modules",
        ".git",
        ".turbo",
        ".pnpm-store",
        ".DS_Store",
        "Thumbs.db",
        "tsconfig.tsbuildinfo",
        ".tsbuildinfo",
        "server.oci.tar",
    ] {
        assert_eq!(kind(name), Some(RuleKind::Leftover), "{name}");
    }
}

#[test]
fn the_list_is_written_as_it_is_compared() {
    for rule in RULES {
        for glob in rule.globs.iter().chain(rule.except) {
            assert_eq!(folded(glob), *glob);
            let plain =
                |letter: char| letter.is_ascii_alphanumeric() || "*?[]!-_./~".contains(letter);
            assert!(glob.chars().all(plain), "{glob}");
        }
    }
    // The sign of Kelvin, and the long s: a file system may take them for the letters.
    assert_eq!(kind("TL\u{17f}.\u{212a}EY"), Some(RuleKind::Key));
}

#[test]
fn what_likely_holds_secrets_can_be_included() {
    for name in [
        "id_rsa",
        "id_ed25519.old",
        "server.pem",
        "TLS.KEY",
        "service-account-prod.json",
        "google-credentials.json",
    ] {
        assert_eq!(
            kind(&format!("apps/api/{name}")),
            Some(RuleKind::Key),
            "{name}"
        );
    }
    for name in [
        "cert.p12",
        ".aws",
        ".kube",
        ".docker/config.json",
        "prod.tfstate",
        "prod.tfstate.backup",
        ".pgpass",
        ".vault-token",
        ".bash_history",
        "prod.env",
    ] {
        assert_eq!(
            kind(&format!("apps/api/{name}")),
            Some(RuleKind::Likely),
            "{name}"
        );
    }
}

#[test]
fn nothing_else_is_barred() {
    for name in [
        ".envoy",
        ".environment",
        ".env2json",
        "env",
        ".envrcs",
        ".gitignore",
        ".gitkeep",
        ".npmignore",
        "node_modules2",
        "turbo.json",
        "id_rsa.pub",
        "id_rsa.ts",
        "keys.ts",
        "pem.js",
        "config.json",
        "docker/config.json",
        "credentials.ts",
        "env.d.ts",
        "history.md",
    ] {
        assert_eq!(kind(&format!("apps/api/{name}")), None, "{name}");
    }
}

/// What `find` takes of a directory with these names, as the Dockerfile asks it.
fn found(dir: &std::path::Path, condition: &str) -> Vec<String> {
    let script = "set -f; cd \"$0\"; find . -type f $1 -print";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(dir)
        .arg(condition)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let names = String::from_utf8(output.stdout).unwrap();
    let mut names: Vec<String> = names.lines().map(|name| name[2..].to_owned()).collect();
    names.sort();
    names
}

const PARTS: &[&str] = &[
    ".env",
    "env",
    ".npmrc",
    ".netrc",
    "id_rsa",
    ".pub",
    ".pem",
    ".key",
    "a",
    "B",
    ".",
    "-",
    "~",
    ".ts",
    ".DS_Store",
    ".tsbuildinfo",
    "credentials",
    ".json",
    "rc",
    "local",
    "9",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn find_bars_the_same_names(
        names in prop::collection::btree_set(
            prop::collection::vec(select(PARTS), 1..4).prop_map(|parts| parts.concat()),
            1..40,
        ),
        private in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let text = if private { "-----BEGIN PRIVATE KEY-----\n" } else { "-----BEGIN CERTIFICATE-----\n" };
        let names: Vec<&String> = names.iter().filter(|name| *name != "." && *name != "..").collect();
        for name in &names {
            fs_err::write(dir.path().join(name), text).unwrap();
        }
        let ours = |wanted: &[RuleKind]| {
            let of = |name: &&&String| {
                barred(name, Area::Outputs).is_some_and(|rule| wanted.contains(&rule.kind))
            };
            let mut ours: Vec<String> = names.iter().filter(of).map(|name| (*name).clone()).collect();
            ours.sort();
            ours
        };
        // A name of several kinds is found by each condition, and by the first rule of ours.
        let Conditions { leftovers, secrets, .. } = conditions(&[], &[]);
        let both = found(dir.path(), &format!("( {leftovers} -o {secrets} )"));
        let kinds = [RuleKind::Leftover, RuleKind::Secret, RuleKind::Key];
        prop_assert_eq!(both, ours(if private { &kinds } else { &kinds[..2] }));
    }
}

#[test]
fn included_keys_are_not_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(dir.path().join("apps/api/certs")).unwrap();
    for name in ["apps/api/certs/a.key", "apps/api/b.key"] {
        fs_err::write(dir.path().join(name), "PRIVATE KEY").unwrap();
    }
    let condition = |include: &str| conditions(&[include.to_owned()], &[]).secrets;
    for include in [
        "apps/api/certs/*.key",
        "apps/**/a.key",
        "./apps/api/certs/a.key",
    ] {
        assert_eq!(
            found(dir.path(), &condition(include)),
            ["apps/api/b.key"],
            "{include}"
        );
    }
}

#[test]
fn variables_that_are_no_secret_are_found_by_no_condition() {
    let secrets = conditions(&[], &["apps/web/.env.production".to_owned()]).secrets;
    let part = "( ( -iname .env -o -iname .env[!a-z0-9]* -o -iname .envrc -o -iname .envrc[!a-z0-9]* ) ! -path */apps/web/.env.production -o -iname .npmrc";
    assert!(secrets.starts_with(&format!("( {part}")), "{secrets}");
}
