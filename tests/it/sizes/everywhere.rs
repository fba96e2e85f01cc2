//! The sample's server in a file, in registries and in each engine: the same sizes everywhere.

use serde_json::Value;

use super::assert_adds_up;
use crate::base::load;
use crate::native::native;
use crate::registry::registry;
use crate::support::daemon::{every_daemon, quick, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::schema::assert_valid;
use crate::support::tree::Tree;
use crate::support::unique;

/// The sizes, and what was said.
fn sizes(tree: &Tree, env: &slimbuild::Env, word: &str) -> Value {
    let cache = tree.root().join("cache");
    let line = [
        "size",
        word,
        "--json",
        "--cache-dir",
        cache.to_str().unwrap(),
    ];
    let text = slimbuild_with(tree.root(), &line, env).text();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_valid("size", &document);
    assert_adds_up(&document);
    document
}

/// Without what differs from place to place.
fn plain(document: &Value, compressed: bool) -> Value {
    let mut plain = document.clone();
    plain["image"].take();
    if !compressed {
        forget(&mut plain);
    }
    plain
}

/// Removes all compressed sizes.
fn forget(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("compressed");
            object.values_mut().for_each(forget);
        }
        Value::Array(all) => all.iter_mut().for_each(forget),
        _ => {}
    }
}

/// Makes the server's image without Docker.
fn made(tree: &Tree, name: &str, file: &str, more: &[&str]) -> Outcome {
    let line = ["apps/server", "--no-verify", "-q", "-t", name, "-o", file];
    native(tree.root(), &[&line, more].concat())
}

#[test]
fn sizes_are_the_same_everywhere() {
    let test = "sizes_are_the_same_everywhere";
    if quick() {
        return skipped("SLIMBUILD_QUICK=1", test);
    }
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let Some(registry) = registry("LAB_REGISTRY", "127.0.0.1:5000", test) else {
        return;
    };
    let tree = Tree::shop();
    let name = format!("{registry}/sizes/server-{}:1", unique());
    made(&tree, &name, "image.tar", &["--push"]).bytes();
    let env = slimbuild::Env::of_process();
    let file = sizes(&tree, &env, "image.tar");
    let kinds = file["kinds"].as_array().unwrap();
    for kind in ["package", "workspace", "app", "node", "system", "archive"] {
        assert!(
            kinds.iter().any(|row| row["kind"] == kind),
            "{kind}: {kinds:?}"
        );
    }
    let pushed = sizes(&tree, &env, &format!("docker://{name}"));
    assert_eq!(plain(&pushed, true), plain(&file, true));
    every_daemon(test, |daemon| {
        load(daemon, &tree.root().join("image.tar"));
        let loaded = sizes(&tree, &daemon.env(), &format!("docker-daemon:{name}"));
        let knows = !loaded["compressed"].is_null();
        assert_eq!(
            plain(&loaded, knows),
            plain(&file, knows),
            "{}",
            daemon.name
        );
        daemon.remove(&name);
    });
    // A budget that it exceeds: nothing is written.
    tree.write("apps/server/slimbuild.json", r#"{ "budget": "1 MB" }"#);
    let over = made(&tree, &name, "over.tar", &[]);
    assert_eq!(over.code, 5, "{}", over.stderr);
    assert!(
        over.stderr.contains("more than its budget of 1.00 MB"),
        "{}",
        over.stderr
    );
    assert!(over.stderr.contains("most is in zod@"), "{}", over.stderr);
    assert!(!tree.root().join("over.tar").exists());
    // Licences of packages that the build itself installs.
    let policy = r#"{ "licenses": { "deny": ["MIT"] } }"#;
    tree.write("apps/server/slimbuild.json", policy);
    let denied = made(&tree, &name, "over.tar", &[]);
    assert_eq!(denied.code, 5, "{}", denied.stderr);
    assert!(
        denied.stderr.contains(" (MIT): apps/server "),
        "{}",
        denied.stderr
    );
    assert!(!tree.root().join("over.tar").exists());
    tree.remove("apps/server/slimbuild.json");
    // The second image differs in one file: only its layer is received.
    tree.append("apps/server/src/main.ts", "\nconsole.error('changed');\n");
    let second = name.replace(":1", ":2");
    made(&tree, &second, "second.tar", &["--push"]).bytes();
    let empty = tree.root().join("empty");
    let (old, new) = (format!("docker://{name}"), format!("docker://{second}"));
    let line = [
        "diff",
        &old,
        &new,
        "--json",
        "--cache-dir",
        empty.to_str().unwrap(),
    ];
    let json = slimbuild_with(tree.root(), &line, &env).text();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_valid("diff", &json);
    let compressed = |rows: &Value| -> u64 {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["compressed"].as_u64().unwrap()).sum()
    };
    let differing = compressed(&json["layersAdded"]) + compressed(&json["layersRemoved"]);
    let received = json["received"].as_u64().unwrap();
    assert!(differing > 0 && received > differing, "{json:#}");
    // Manifests and configurations are received too.
    assert!(received < differing + 40_000, "{received} {differing}");
    assert!(json["files"].to_string().contains("main.js"), "{json:#}");
}
