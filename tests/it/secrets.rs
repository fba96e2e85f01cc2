//! Secrets in a workspace get nowhere.

use crate::native::native;
use crate::support::archive::entries;
use crate::support::daemon::{each_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, slimbuild};
use crate::support::tree::Tree;

const SECRET: &str = "hunter2-8c1f";

/// A workspace with the secret in all the usual places.
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
        // A glob that only matches secrets is refused.
        for (more, taken) in [
            (&[][..], true),
            (&["--include", "**/.env*"], false),
            (&["--include", "**"], true),
            (
                &["--include", ".npmrc", "--include", "apps/worker/.env"],
                false,
            ),
        ] {
            for command in [
                &["plan", app][..],
                &["plan", app, "--json"],
                &["dockerfile", app],
                &["build", app, "--dry-run"],
            ] {
                let outcome = slimbuild(tree.root(), &[command, more].concat());
                assert_eq!(outcome.code == 0, taken, "{command:?} {more:?}");
                let stdout = String::from_utf8_lossy(&outcome.stdout).into_owned();
                for text in [&outcome.stderr, &stdout] {
                    assert!(!text.contains(SECRET), "{command:?}: {text}");
                }
            }
            if !taken {
                continue;
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
    insta::assert_snapshot!(outcome.stderr, @r#"
    warning: .env, which git does not ignore, enters neither the build nor the image, so these variables are missing there: TOKEN. Give them to the build with `--build-arg NAME`, to the image with `env` in slimbuild.json, or to the container with `--env-file`. If the file holds no secret, `"publicEnvFiles": [".env"]` in slimbuild.json of the workspace's root takes it along
    warning: .env.production, which git does not ignore, enters neither the build nor the image, so these variables are missing there: TOKEN. Give them to the build with `--build-arg NAME`, to the image with `env` in slimbuild.json, or to the container with `--env-file`. If the file holds no secret, `"publicEnvFiles": [".env.production"]` in slimbuild.json of the workspace's root takes it along
    warning: apps/worker/.env, which git does not ignore, enters neither the build nor the image, so these variables are missing there: TOKEN. Give them to the build with `--build-arg NAME`, to the image with `env` in slimbuild.json, or to the container with `--env-file`. If the file holds no secret, `"publicEnvFiles": [".env"]` in apps/worker/slimbuild.json takes it along
    warning: apps/worker/.env.production, which git does not ignore, enters neither the build nor the image, so these variables are missing there: TOKEN. Give them to the build with `--build-arg NAME`, to the image with `env` in slimbuild.json, or to the container with `--env-file`. If the file holds no secret, `"publicEnvFiles": [".env.production"]` in apps/worker/slimbuild.json takes it along
    warning: packages/events/.env.production, which git does not ignore, enters neither the build nor the image, so these variables are missing there: TOKEN. Give them to the build with `--build-arg NAME`, to the image with `env` in slimbuild.json, or to the container with `--env-file`. If the file holds no secret, `"publicEnvFiles": ["packages/events/.env.production"]` in slimbuild.json of the workspace's root takes it along
    warning: the build reads the secret `npmrc` (an install needs it: `//registry.example.org/:_authToken`, `//registry.example.org/:_auth`, `//registry.example.org/:_password`, `//registry.example.org/:username`, `_authToken`, `_auth`, `_password`, `email`, `//registry.example.org/:tokenHelper`, `key`, `https-proxy`, `@shop:registry` of .npmrc): hand it over with `docker buildx build --secret id=npmrc,src=FILE`
    17 files of context, 71.42 kB
    "#);
    let archive = entries(&outcome.bytes());
    let npmrc = archive
        .iter()
        .find(|entry| entry.path == "prod/.npmrc")
        .unwrap();
    assert_eq!(npmrc.text(), "prefer-offline=true\nhoist=true\n");
}

/// Prints a secret in pieces, in other forms, and on both outputs; then it fails.
const CHATTY: &str = "
const secret = process.env.TOKEN;
const say = (text) => new Promise((done) => process.stdout.write(text, () => setTimeout(done, 150)));
(async () => {
  await say('whole: ' + secret + '.\\n');
  await say('cut: ' + secret.slice(0, 5));
  await say(secret.slice(5, 9));
  await say(secret.slice(9) + '.\\n');
  console.error('json: ' + JSON.stringify({ secret }));
  console.log('base64: ' + Buffer.from('user:' + secret).toString('base64'));
  console.log('coloured: ' + secret.slice(0, 5) + '\\x1b[1m' + secret.slice(5));
  await say('begun: ' + secret.slice(0, 5));
  process.exit(7);
})();
";

/// An app whose build gets a secret, and prints it.
fn chatty(tree_secret: &str) -> Tree {
    let tree = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"env": ["TOKEN"], "outputs": ["dist/**"]}}}"#,
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"build": "node build.js", "start": "node dist/main.js"}}"#,
        ),
        ("apps/api/build.js", CHATTY),
    ]);
    tree.write("token.txt", tree_secret);
    tree
}

/// Checks that a run's output shows the logs without a secret.
fn assert_masked(outcome: &Outcome) {
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(SECRET), "{}", outcome.stderr);
    let text = outcome.stderr.replace('\\', "");
    for line in [
        "whole: ***.",
        "cut: ***.",
        r#"json: {"secret":"***"}"#,
        "coloured: ***",
        // The beginning of a secret is not secret.
        "begun: hunte",
    ] {
        assert!(text.contains(line), "{line}: {}", outcome.stderr);
    }
    // `user:hunter2-8c1f` is `dXNlcjpodW50ZXIyLThjMWY=` in base64.
    assert!(text.contains("base64: dXNlcjp***"), "{text}");
}

#[test]
fn a_secret_that_a_step_prints_natively_is_masked() {
    let test = "a_secret_that_a_step_prints_natively_is_masked";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = chatty(SECRET);
    for mode in ["plain", "json", "quiet"] {
        let secret = ["--secret", "id=TOKEN,src=token.txt", "--progress", mode];
        assert_masked(&native(tree.root(), &[&["apps/api"][..], &secret].concat()));
    }
}

#[test]
fn a_secret_that_a_step_prints_in_docker_is_masked() {
    each_daemon(
        "a_secret_that_a_step_prints_in_docker_is_masked",
        |daemon| {
            let tree = chatty(SECRET);
            for mode in ["plain", "json", "quiet"] {
                let secret = ["--secret", "id=TOKEN,src=token.txt", "--progress", mode];
                let arguments = [&["apps/api"][..], &secret].concat();
                assert_masked(&daemon.slimbuild(tree.root(), &arguments));
            }
        },
    );
}

#[test]
fn credentials_in_addresses_are_said_and_not_shown() {
    let tree = Tree::shop();
    let manifest = fs_err::read_to_string(tree.root().join("apps/worker/package.json")).unwrap();
    let manifest = manifest.replacen(
        "\"dependencies\": {",
        &format!(
            "\"dependencies\": {{\n    \"odd\": \"git+https://user:{SECRET}@host.example/odd.git\","
        ),
        1,
    );
    tree.write("apps/worker/package.json", &manifest);
    for command in [
        &["plan", "apps/worker"][..],
        &["plan", "apps/worker", "--json"],
        &["graph"],
        &["ls"],
        &["why", "apps/worker", "odd"],
    ] {
        let outcome = slimbuild(tree.root(), command);
        assert!(!outcome.stderr.contains(SECRET), "{}", outcome.stderr);
        assert!(
            !String::from_utf8_lossy(&outcome.stdout).contains(SECRET),
            "{command:?}"
        );
    }
}
