//! Secrets that lie about in a workspace get nowhere.

use crate::support::archive::entries;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

const SECRET: &str = "hunter2-8c1f";

/// A workspace with the secret in all places where people keep theirs.
fn workspace() -> Tree {
    let tree = Tree::shop();
    tree.append(
        ".npmrc",
        &"# was: SECRET
; and: SECRET
//registry.example.org/:_authToken=SECRET
//registry.example.org/:_auth = SECRET
//registry.example.org/:_password=\"SECRET\"
//registry.example.org/:username=SECRET
  _authToken=SECRET
_auth=SECRET
_password=SECRET
email=SECRET
//registry.example.org/:tokenHelper=/bin/SECRET
key=\"-----BEGIN PRIVATE KEY-----\\nSECRET\\n-----END PRIVATE KEY-----\"
https-proxy=http://user:SECRET@proxy.example.org:8080/
@shop:registry=https://user:SECRET@registry.example.org/
hoist=true
"
        .replace("SECRET", SECRET),
    );
    for path in [
        ".env",
        ".env.local",
        ".env.production",
        ".envrc",
        "apps/server/.env",
        "apps/server/.env.production",
        "apps/server/.env.production.local",
        "apps/server/src/.env",
        "apps/server/.npmrc",
        "apps/worker/.env",
        "apps/worker/.env.production",
        "apps/worker/.npmrc",
        "apps/worker/src/.ENV",
        "apps/worker/.env.d/token",
        "packages/catalog/.env",
        "packages/events/.env.production",
        ".netrc",
        ".yarnrc.yml",
        ".git-credentials",
        "apps/worker/.netrc",
        ".git/config",
        ".turbo/config.json",
        "apps/worker/.git/config",
    ] {
        tree.write(path, &format!("TOKEN={SECRET}\n"));
    }
    // Nothing ignores them, as in a repository whose owner forgot to.
    tree.write(".gitignore", "node_modules\n");
    tree.write(".dockerignore", "node_modules\n");
    tree
}

#[test]
fn secrets_stay_behind() {
    let tree = workspace();
    for app in ["apps/server", "apps/worker"] {
        for more in [
            &[][..],
            &["--include", "**/.env*"],
            &["--include", "**"],
            &["--include", ".npmrc", "--include", "apps/worker/.env"],
        ] {
            for command in [
                &["plan", app][..],
                &["plan", app, "--json"],
                &["dockerfile", app],
                &["build", app, "--dry-run"],
            ] {
                let outcome = slimbuild(tree.root(), &[command, more].concat());
                assert!(
                    !outcome.stderr.contains(SECRET),
                    "{command:?}: {}",
                    outcome.stderr
                );
                assert!(!outcome.text().contains(SECRET), "{command:?}");
            }
            let archive =
                slimbuild(tree.root(), &[&["context", app, "-o", "-"], more].concat()).bytes();
            for entry in entries(&archive) {
                let text = String::from_utf8_lossy(&entry.content);
                assert!(!text.contains(SECRET), "{}:\n{text}", entry.path);
            }
        }
    }
}

#[test]
fn settings_survive_and_what_stays_behind_is_named() {
    let tree = workspace();
    let outcome = slimbuild(tree.root(), &["context", "apps/worker", "-o", "-"]);
    insta::assert_snapshot!(outcome.stderr, @"
    warning: the build reads the secret `npmrc` (an install needs it: `//registry.example.org/:_authToken`, `//registry.example.org/:_auth`, `//registry.example.org/:_password`, `//registry.example.org/:username`, `_authToken`, `_auth`, `_password`, `email`, `//registry.example.org/:tokenHelper`, `key`, `https-proxy`, `@shop:registry` of .npmrc): hand it over with `docker buildx build --secret id=npmrc,src=FILE`
    15 files of context, 35.27 kB
    ");
    let archive = entries(&outcome.bytes());
    let npmrc = archive
        .iter()
        .find(|entry| entry.path == "prod/.npmrc")
        .unwrap();
    assert_eq!(npmrc.text(), "prefer-offline=true\nhoist=true\n");
}
