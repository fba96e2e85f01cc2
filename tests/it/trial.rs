//! How an image is tried without a daemon: with its own node in a user namespace, or with any node
//! if there are none.

mod start;

use std::path::Path;
use std::process::Command;

use slimbuild::Env;
use slimbuild::internals::{Outside, available};

use crate::base::cache;
use crate::support::daemon::skipped;
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, PROGRAM};
use crate::support::tree::Tree;

/// A server that is built, and needs nothing but node.
pub(crate) fn server(main: &str) -> Tree {
    Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"outputs": ["dist/**"]}}}"#,
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"build": "node build.js", "start": "node dist/main.js"}}"#,
        ),
        ("apps/api/build.js", ""),
        ("apps/api/.gitignore", "dist\n"),
        ("apps/api/dist/main.js", main),
    ])
}

/// Makes its image in a process of its own: other tests interrupt this one.
pub(crate) fn made(tree: &Tree, cache: &Path, more: &[&str], env: &Env) -> Outcome {
    let names = [
        "PATH",
        "HOME",
        "TMPDIR",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
    ];
    let set = names.iter().filter_map(|name| Some((name, env.get(name)?)));
    let output = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
        .args([
            "apps/api",
            "--prebuilt",
            "--engine",
            "native",
            "--progress",
            "plain",
        ])
        .args(["--cache-dir", cache.to_str().unwrap()])
        .args(more)
        .current_dir(tree.root())
        .env_clear()
        .envs(set)
        .output()
        .unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Whether programs can be started here as in an image.
pub(crate) fn namespaces(test: &str) -> bool {
    if let Err(why) = reachable() {
        skipped(&why, test);
        return false;
    }
    let env = Env::of_process();
    let outside = Outside {
        path: env.get("PATH").unwrap_or_default(),
        program: Some(Path::new(PROGRAM)),
    };
    match available(outside) {
        Ok(()) => true,
        Err(why) => {
            skipped(&format!("no user namespaces: {why}"), test);
            false
        }
    }
}

const ANSWERS: &str = "
const { createServer } = require('node:http');
const { userInfo, homedir, tmpdir } = require('node:os');
const fs = require('node:fs');
const tries = {
  user: () => `${userInfo().username} ${userInfo().uid}:${userInfo().gid} ${homedir()} ${process.cwd()}`,
  own: () => { fs.writeFileSync('own', ''); return 'written'; },
  node: () => { fs.appendFileSync(process.execPath, ''); return 'written'; },
  tmp: () => { fs.writeFileSync(`${tmpdir()}/x`, ''); return 'written'; },
  home: () => { fs.writeFileSync(`${homedir()}/x`, ''); return 'written'; },
  host: () => String(fs.existsSync('/work') || fs.existsSync('/usr/bin/env')),
};
for (const [name, attempt] of Object.entries(tries)) {
  let said;
  try { said = attempt(); } catch (error) { said = error.code; }
  console.log(`${name}: ${said}`);
}
if (process.env.DIE) { console.log(process.env.DIE); process.exit(3); }
createServer((request, response) => {
  response.writeHead(request.url === '/health' ? 200 : 404).end();
}).listen(Number(process.env.PORT ?? 3000), process.env.BIND ?? '0.0.0.0');
";

#[test]
fn an_image_is_started_as_it_would_be_by_docker() {
    if !namespaces("an_image_is_started_as_it_would_be_by_docker") {
        return;
    }
    let tree = server(ANSWERS);
    let smoke = |more: &[&str]| made(&tree, &cache(), more, &Env::of_process());
    // The port is taken on this machine, if nothing but tests runs here: that must not matter.
    let _taken = std::net::TcpListener::bind("0.0.0.0:3000");
    let up = smoke(&["--smoke=/health"]);
    assert_eq!(up.code, 0, "{}", up.stderr);
    let seen = "\n  smoke    GET /health on port 3000 answers 200, after ";
    assert!(up.stderr.contains(seen), "{}", up.stderr);
    assert!(tree.root().join("api.oci.tar").exists());
    // A low port may be listened on, as in a container.
    let low = smoke(&["--smoke", "-e", "PORT=80"]);
    assert!(
        low.stderr.contains("\n  smoke    port 80 is open, after "),
        "{}",
        low.stderr
    );

    tree.remove("api.oci.tar");
    let dead = smoke(&["--smoke", "-e", "DIE=s3cret-value"]);
    let (_, said) = dead
        .stderr
        .split_once("FAILED")
        .unwrap_or(("", &dead.stderr));
    let (_, said) = said.split_once("\n  │ user: ").unwrap();
    insta::assert_snapshot!(said, @r"
    nonroot 65532:65532 /home/nonroot /app/apps/api
      │ own: EROFS
      │ node: EROFS
      │ tmp: written
      │ home: written
      │ host: false
      │ ***
    error: the image was started, and ended with exit code 3 before it was up

    hint: `--env` and `--env-file` give it variables; it has a network of its own here, where it reaches nobody. No image was written.
    ");
    let inside = smoke(&["--smoke", "--smoke-timeout", "3", "-e", "BIND=127.0.0.1"]);
    let told = "it listens on 127.0.0.1:3000, where nobody outside of the container can reach it: let it listen on 0.0.0.0";
    assert!(inside.stderr.contains(told), "{}", inside.stderr);
    let other = smoke(&["--smoke=/nope", "--smoke-timeout", "3"]);
    let told = "is not up after 3 s: GET /nope on port 3000 answers 404";
    assert!(other.stderr.contains(told), "{}", other.stderr);
    for outcome in [dead, inside, other] {
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    }
    assert!(!tree.root().join("api.oci.tar").exists());
}

#[test]
fn where_nothing_can_be_started_the_proof_needs_a_node_alone() {
    let test = "where_nothing_can_be_started_the_proof_needs_a_node_alone";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = server("require('./gone')");
    let home = cache();
    let empty = tree.root().join("empty");
    fs_err::create_dir(&empty).unwrap();
    // This path has neither `unshare` nor `node`: the base's own node runs here.
    let env = Env::from_iter([("PATH", empty.to_str().unwrap())]);
    let outcome = made(&tree, &home, &[], &env);
    let lines = outcome.stderr.lines();
    let said: Vec<&str> = lines.skip_while(|line| !line.starts_with('✗')).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    ✗ [verify] all that the app loads is there
      │ slimbuild: the image would not run as it is:
      │   apps/api/dist/main.js loads `./gone`, which is not in the image
    error: the image of apps/api would not run; what is missing is said above

    hint: the file must be among the app's sources, or its build must write it: `--include FILE` takes along what is left out, and `--entry FILE` starts another one. `--no-trial` does not start the app, and `--no-verify` makes the image as it is.
    ");
    assert_eq!(outcome.code, 4);
    assert!(!tree.root().join("api.oci.tar").exists());

    let smoke = made(&tree, &home, &["--smoke", "--whole-modules"], &env);
    insta::assert_snapshot!(smoke.refusal(tree.root()), @r"
    exit code 3
    error: `--smoke` cannot start the image on this machine: there is no `unshare` (util-linux) on the path

    hint: it needs user namespaces and util-linux, or a Docker daemon (`--engine docker`); without `--smoke`, the proof that all is there runs all the same
    ");
}

/// All of a directory's files below `trees`.
fn trees(cache: &Path) -> Vec<std::path::PathBuf> {
    let all = fs_err::read_dir(cache.join("trees")).unwrap();
    all.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_damaged_cache_is_mended_in_the_same_run() {
    let test = "a_damaged_cache_is_mended_in_the_same_run";
    if !namespaces(test) {
        return;
    }
    let tree = server("require('node:http')");
    let own = crate::support::temporary();
    // What was downloaded for other tests need not be downloaded again.
    assert_eq!(made(&tree, &cache(), &[], &Env::of_process()).code, 0);
    let home = own.path().join("cache");
    let mut copy = Command::new("cp");
    drop(copy.arg("-a").arg(cache()).arg(&home).output());
    let digest = |more: &[&str]| {
        let arguments = [&["--metadata-file", "m.json"], more].concat();
        let outcome = made(&tree, &home, &arguments, &Env::of_process());
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let told: serde_json::Value = serde_json::from_str(&tree.read("m.json")).unwrap();
        (told["containerimage.digest"].to_string(), outcome.stderr)
    };
    let (first, _) = digest(&[]);
    // A layer of the same size with another content, unpacked and not.
    for blob in fs_err::read_dir(home.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap().path();
        let mut bytes = fs_err::read(&blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs_err::write(&blob, bytes).unwrap();
    }
    let (second, said) = digest(&[]);
    assert_eq!(first, second);
    assert!(
        said.contains("a layer in the cache was damaged, and is thrown away"),
        "{said}"
    );

    // Something is missing in the unpacked image.
    fs_err::remove_dir_all(home.join("notes/proofs")).unwrap();
    for tree in trees(&home) {
        drop(fs_err::remove_file(tree.join("nodejs/bin/node")));
        drop(fs_err::remove_file(tree.join("app/apps/api/dist/main.js")));
    }
    let (third, said) = digest(&[]);
    assert_eq!(first, third);
    assert!(said.contains("1 files parse"), "{said}");
    // Unreadable notes count as missing.
    for note in walkdir_files(&home.join("notes")) {
        fs_err::write(note, "{").unwrap();
    }
    assert_eq!(digest(&["--smoke", "--smoke-port", "none"]).0, first);
}

fn walkdir_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walkdir_files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
