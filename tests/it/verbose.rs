//! `-v` shows what is decided and each request, and no credential.

use serde_json::Value;
use slimbuild::Env;

use crate::base::{base_of_node, cache};
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, slimbuild, slimbuild_with};
use crate::support::tree::{Tree, shop};
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

/// Commands that read the workspace or the cache, with a decision that `-v` shows.
const DECIDE: [(&str, &str); 20] = [
    ("apps/server --dry-run", "the settings of `apps/server` "),
    ("build apps/server --dry-run", "the workspace is `"),
    (
        "plan apps/server",
        "`apps/server` is the app in `apps/server`",
    ),
    ("dockerfile apps/server", "the workspace is `"),
    ("context apps/server -o ctx.tar", "the workspace is `"),
    ("prune apps/server --out out", "the workspace is `"),
    ("why apps/server fast-uri", "the workspace is `"),
    ("graph", "the workspace is `"),
    ("ls", "the workspace is `"),
    ("hash apps/server", "the workspace is `"),
    ("sbom apps/server", "the workspace is `"),
    ("licenses apps/server", "the workspace is `"),
    ("ci matrix", "the workspace is `"),
    ("init apps/server", "the workspace is `"),
    (
        "promote apps/server --from a --to b --image localhost:1/server",
        "`localhost:1` gets no login",
    ),
    (
        "size apps/server -H unix:///nowhere",
        "the Docker daemon is that of `unix:///nowhere` (--host)",
    ),
    (
        "diff localhost:1/a localhost:1/b",
        "no daemon has `localhost:1/a",
    ),
    (
        "index localhost:1/a localhost:1/b",
        "`localhost:1` gets no login",
    ),
    ("rebase localhost:1/a:1", "`localhost:1` gets no login"),
    ("cache", "the cache is `"),
];

/// Commands that decide nothing about a workspace, and ask nobody. `base` is tried with the others that
/// make requests.
const NEITHER: [&str; 4] = ["schema", "completions", "version", "base"];

/// The names of the commands in the help.
fn commands() -> Vec<String> {
    let help = slimbuild(&shop(), &["--help"]).text();
    let (_, rest) = help.split_once("Commands:\n").unwrap();
    let lines = rest.lines().take_while(|line| !line.trim().is_empty());
    let named = lines.filter_map(|line| line.strip_prefix("  "));
    let named = named.filter(|line| !line.starts_with(' '));
    let words = named.filter_map(|line| line.split(' ').next());
    words
        .map(str::to_owned)
        .filter(|word| word != "help")
        .collect()
}

#[test]
fn every_command_is_in_a_table() {
    for command in commands() {
        let is_here = DECIDE.iter().any(|(line, _)| line.starts_with(&command));
        assert!(is_here || NEITHER.contains(&&*command), "{command}");
    }
}

#[test]
fn every_command_shows_what_it_decides() {
    for (line, decision) in DECIDE {
        let tree = Tree::shop();
        let home = tree.root().join("home");
        let env: Env = [("HOME", home.to_str().unwrap())].into_iter().collect();
        let run = |more: &[&str]| {
            let words: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
            slimbuild_with(tree.root(), &words, &env)
        };
        let told = run(&["-v"]);
        let lines = told.stderr.lines();
        let decided: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix("decided: "))
            .collect();
        assert!(
            decided.iter().any(|one| one.starts_with(decision)),
            "{line}: {}",
            told.stderr
        );
        let asks = ["promote", "size", "diff", "index", "rebase"];
        if !asks.iter().any(|command| line.starts_with(command)) {
            assert_eq!(requests(&told), [""; 0], "{line}");
        } else if !line.starts_with("size") {
            assert_asked(&told, "GET http", "no answer");
        }
        // What the first run wrote would be refused.
        for file in ["ctx.tar", "apps/server/slimbuild.json"] {
            drop(fs_err::remove_file(tree.root().join(file)));
        }
        drop(fs_err::remove_dir_all(tree.root().join("out")));
        let silent = run(&[]);
        assert_eq!(silent.code, told.code, "{line}");
        assert_eq!(silent.stdout, told.stdout, "{line}");
        assert!(!silent.stderr.contains("decided: "), "{line}");
    }
}

#[test]
fn commands_show_their_requests_to_a_registry() {
    let test = "commands_show_their_requests_to_a_registry";
    let Some(registry) = registry(test) else {
        return;
    };
    base_of_node("22");
    let tree = crate::trial::server(MAIN);
    let login = "bGFiOmxhYg==";
    let logins = format!(r#"{{"auths":{{"{registry}":{{"auth":"{login}"}}}}}}"#);
    let built = pushed(&tree, &registry, login, &["-q"]).text();
    let name = built.trim();
    let (image, _) = name.rsplit_once(':').unwrap();
    let (cache, process) = (cache(), Env::of_process());
    let cache = cache.to_str().unwrap();
    let passed = ["PATH", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"];
    let passed = passed
        .iter()
        .filter_map(|name| Some((*name, process.get(name)?)));
    let env: Env = passed.chain([("DOCKER_AUTH_CONFIG", &*logins)]).collect();
    let reference = format!("docker://{name}");
    let (other, joined) = (format!("{image}:other"), format!("{image}:joined"));
    let manifests = format!("http://{registry}/v2/slimbuild-it/verbose/manifests/");
    let (get, put) = (format!("GET {manifests}"), format!("PUT {manifests}"));
    for (line, start, status) in [
        (
            vec!["promote", "apps/api", "--from", name, "--to", &other],
            &put,
            "201",
        ),
        (vec!["index", &joined, name], &put, "201"),
        (vec!["size", &reference, "--cache-dir", cache], &get, "200"),
        (
            vec!["diff", &reference, &reference, "--cache-dir", cache],
            &get,
            "200",
        ),
        (
            vec!["base", "--node", "22", "--pull", "--cache-dir", cache],
            &"GET https://deb.debian.org/".to_owned(),
            "200",
        ),
    ] {
        let outcome = slimbuild_with(tree.root(), &[&line[..], &["-v"]].concat(), &env);
        assert_eq!(outcome.code, 0, "{line:?}: {}", outcome.stderr);
        assert_asked(&outcome, start, status);
        for secret in [login, "lab:", "Basic ", "Bearer "] {
            assert!(
                !outcome.stderr.contains(secret),
                "{line:?}: {}",
                outcome.stderr
            );
        }
        if line[0] != "base" {
            let from =
                format!("decided: `{registry}` gets the login of the variable DOCKER_AUTH_CONFIG");
            assert!(
                outcome.stderr.contains(&from),
                "{line:?}: {}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn commands_show_their_requests_to_a_daemon() {
    one_daemon("commands_show_their_requests_to_a_daemon", |daemon| {
        let tree = crate::trial::server(MAIN);
        for line in [
            "plan apps/api --pin",
            "hash apps/api --pin",
            "dockerfile apps/api --pin",
        ] {
            let words: Vec<&str> = line.split(' ').chain(["-v"]).collect();
            let outcome = daemon.slimbuild(tree.root(), &words);
            // The daemon may not know the digest of an image that was loaded into it.
            let start = format!("GET {}/", daemon.address);
            let all = requests(&outcome);
            let is_asked = all.iter().any(|request| request.starts_with(&start));
            assert!(is_asked, "{line}: {}", outcome.stderr);
        }
    });
}

#[test]
fn what_is_asked_for_all_apps_is_shown() {
    let tree = Tree::shop();
    let words = [
        "apps/server",
        "apps/worker",
        "--dry-run",
        "-v",
        "--progress",
        "plain",
    ];
    let outcome = slimbuild(tree.root(), &words);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for app in ["apps/server", "apps/worker"] {
        let decided = format!("decided: the settings of `{app}` ");
        let lines = outcome.stderr.lines();
        let count = lines.filter(|line| line.starts_with(&decided)).count();
        assert_eq!(count, 1, "{app}: {}", outcome.stderr);
    }
}
