//! `-v` shows each request, and no credential.

use serde_json::Value;
use slimbuild::Env;

use crate::base::{base_of_node, cache};
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;
use crate::support::unique;

const MAIN: &str = "require('node:http').createServer((_, answer) => answer.end()).listen(3000);";

/// The lab's registry with a password, if it is up.
fn registry(test: &str) -> Option<String> {
    if let Err(why) = reachable() {
        skipped(&why, test);
        return None;
    }
    crate::registry::registry("LAB_REGISTRY_AUTH", "127.0.0.1:5001", test)
}

/// Makes an image without Docker and pushes it with this password, in base64 after `lab:`.
fn pushed(tree: &Tree, registry: &str, login: &str, more: &[&str]) -> Outcome {
    let logins = format!(r#"{{"auths":{{"{registry}":{{"auth":"{login}"}}}}}}"#);
    let env = Env::of_process();
    let names = ["PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"];
    let set = names
        .iter()
        .filter_map(|name| Some((*name, env.get(name)?)));
    let env: Env = set.chain([("DOCKER_AUTH_CONFIG", &*logins)]).collect();
    let name = format!("{registry}/slimbuild-it/verbose:{}", unique());
    let (cache, own) = (cache(), ["apps/api", "--engine", "native", "--prebuilt"]);
    let rest = ["--no-trial", "--push", "-t", &name, "--cache-dir"];
    let cache = [cache.to_str().unwrap()];
    let arguments = [&own[..], &rest, &cache, more].concat();
    slimbuild_with(tree.root(), &arguments, &env)
}

/// The requests that were shown.
fn requests(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("request: "))
        .map(str::to_owned)
        .collect()
}

fn assert_asked(outcome: &Outcome, start: &str, status: &str) {
    let all = requests(outcome);
    let found = all.iter().any(|request| {
        request.starts_with(start)
            && request.contains(&format!(": {status}, "))
            && request.ends_with(" s")
    });
    assert!(found, "no {start}…: {status} in {}", outcome.stderr);
}

#[test]
fn requests_to_a_registry_are_shown_without_its_login() {
    let test = "requests_to_a_registry_are_shown_without_its_login";
    let Some(registry) = registry(test) else {
        return;
    };
    base_of_node("22");
    let tree = crate::trial::server(MAIN);
    let root = format!("http://{registry}/v2/");
    // `lab:lab`
    let right = "bGFiOmxhYg==";
    let outcome = pushed(&tree, &registry, right, &["-v"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_asked(&outcome, &format!("GET {root}"), "401");
    let manifest = format!("PUT {root}slimbuild-it/verbose/manifests/");
    assert_asked(&outcome, &manifest, "201");
    assert!(
        outcome
            .stderr
            .contains("built by slimbuild on this machine")
    );
    // `lab:pa55-that-is-wrong`
    let wrong = "bGFiOnBhNTUtdGhhdC1pcy13cm9uZw==";
    let refused = pushed(&tree, &registry, wrong, &["-v"]);
    assert_ne!(refused.code, 0);
    assert_asked(&refused, "", "401");
    for outcome in [&outcome, &refused] {
        for secret in [right, wrong, "lab:", "pa55", "Basic ", "Bearer ", "?"] {
            let shown = requests(outcome).iter().any(|line| line.contains(secret));
            assert!(!shown, "{secret}: {}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("pa55"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains(wrong), "{}", outcome.stderr);
    }
    let silent = pushed(&tree, &registry, right, &[]);
    assert_eq!(requests(&silent), [""; 0]);
    let told = pushed(&tree, &registry, right, &["-v", "--progress", "json"]);
    let events = told.stderr.lines().map(serde_json::from_str::<Value>);
    let events: Vec<Value> = events.map(Result::unwrap).collect();
    let is_put = |event: &&Value| event["event"] == "request" && event["method"] == "PUT";
    let put = events.iter().rfind(is_put).expect("a request");
    assert_eq!(put["status"], 201, "{put}");
    assert!(put["address"].as_str().unwrap().starts_with(&root), "{put}");
}

#[test]
fn requests_to_a_daemon_are_shown() {
    one_daemon("requests_to_a_daemon_are_shown", |daemon| {
        let tree = crate::trial::server(MAIN);
        // What is in `dist` stays here: the build has to make it.
        let build = format!(
            "const fs = require('node:fs'); fs.mkdirSync('dist'); fs.writeFileSync('dist/main.js', {MAIN:?});"
        );
        tree.write("apps/api/build.js", &build);
        let tag = daemon.tag("verbose");
        let address = &daemon.address;
        let outcome = daemon.slimbuild(tree.root(), &["apps/api", "-v", "-t", &tag.name]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        for (start, status) in [
            (format!("GET {address}/"), "200"),
            (format!("POST {address}/grpc"), "101"),
            (
                format!("POST {address}/moby.buildkit.v1.Control/Solve"),
                "200",
            ),
        ] {
            assert_asked(&outcome, &start, status);
        }
        assert!(outcome.stderr.contains("built by Docker "));
        let silent = daemon.slimbuild(tree.root(), &["apps/api", "-t", &tag.name]);
        assert_eq!(requests(&silent), [""; 0]);
    });
}
