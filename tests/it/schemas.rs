//! Real documents, held against the JSON Schemas that the program prints. Those of builds are held in
//! `events` and `many`.

use serde_json::Value;

use crate::affected;
use crate::support::program::{Outcome, slimbuild};
use crate::support::schema::{DOCUMENTS, assert_valid, faults, schema};
use crate::support::tree::{repository, shop};

fn document(outcome: Outcome) -> Value {
    serde_json::from_str(&outcome.text()).unwrap()
}

/// A document, by the name of its schema.
type Named = (&'static str, Value);

/// Each document of the sample workspace.
fn of_the_sample() -> Vec<Named> {
    let of = |name: &'static str, line: &str| {
        let arguments: Vec<&str> = line.split(' ').collect();
        (name, document(slimbuild(&shop(), &arguments)))
    };
    vec![
        of("plan", "plan apps/server --json"),
        of("plan", "plan apps/server --json --engine native"),
        of("plan", "plan apps/site --json --base alpine"),
        of("plan", "plan apps/web --json --platform linux/arm64"),
        of(
            "plan",
            "plan apps/worker --json --secret id=npmrc --build-arg A=b",
        ),
        of("ls", "ls --json"),
        of("hash", "hash --all --json"),
        of("hash", "hash apps/site --json"),
        of("why", "why apps/server fast-uri --json"),
        of("why", "why apps/server packages/events --json"),
        of("why", "why apps/worker react --json"),
        of("graph", "graph --format json"),
        of("graph", "graph apps/server --format json"),
        of("matrix", "ci matrix --github"),
        of("matrix", "ci matrix --gitlab"),
    ]
}

#[test]
fn schemas_are_schemas() {
    for name in DOCUMENTS.into_iter().chain(["config"]) {
        let schema = schema(name);
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        assert!(jsonschema::meta::validate(&schema).is_ok(), "{name}");
    }
}

#[test]
fn documents_of_the_sample_are_as_their_schemas_say() {
    for (name, document) in of_the_sample() {
        assert_valid(name, &document);
    }
    let golden = repository().join("testdata/golden/shop");
    for app in ["server", "site", "web", "worker"] {
        for file in ["plan.json", "plan.native.json"] {
            let text = fs_err::read_to_string(golden.join(app).join(file)).unwrap();
            let mut plan: Value = serde_json::from_str(&text).unwrap();
            if plan.get("runs").is_none() {
                // The golden file has the plan alone.
                plan["runs"] = document(slimbuild(
                    &shop(),
                    &["plan", &format!("apps/{app}"), "--json"],
                ))["runs"]
                    .take();
            }
            assert_valid("plan", &plan);
        }
    }
}

#[test]
fn documents_of_affected_apps_are_as_their_schemas_say() {
    let tree = affected::repository();
    let nothing = document(slimbuild(tree.root(), &["ls", "--affected=HEAD", "--json"]));
    assert_valid("ls", &nothing);
    let child = slimbuild(
        tree.root(),
        &["ci", "matrix", "--gitlab", "--affected=HEAD"],
    );
    let child = document(child);
    assert!(child.get("nothing to build").is_some(), "{child}");
    assert_valid("matrix", &child);
    tree.append("apps/worker/src/main.js", "// changed\n");
    tree.write("apps/mobile/package.json", r#"{"name": "@shop/mobile"}"#);
    let some = document(slimbuild(tree.root(), &["ls", "--affected=HEAD", "--json"]));
    assert_eq!(some["apps"][0]["affected"]["because"], "changed", "{some}");
    assert_valid("ls", &some);
}

/// Every workspace that tests have. One that cannot be planned has no document.
#[test]
fn documents_of_every_fixture_are_as_their_schemas_say() {
    let mut seen = 0;
    let fixtures = repository().join("testdata/prune");
    let entries = fs_err::read_dir(fixtures).unwrap();
    let entries = entries.map(|entry| entry.unwrap());
    let directories = entries.filter(|entry| entry.path().is_dir());
    let trees = directories.map(|entry| {
        let name = entry.file_name().into_string().unwrap();
        crate::fixtures::fixture(&name)
    });
    let roots = ["single", "around"].map(|name| {
        let from = repository().join("testdata/roots").join(name);
        crate::fixtures::copy(&from)
    });
    for tree in trees.chain(roots) {
        let mut held = |name: &str, arguments: &[&str]| {
            let outcome = slimbuild(tree.root(), arguments);
            if outcome.code != 0 {
                return Value::Null;
            }
            let document = document(outcome);
            assert_valid(name, &document);
            seen += 1;
            document
        };
        held("graph", &["graph", "--format", "json"]);
        held("matrix", &["ci", "matrix", "--github"]);
        held("hash", &["hash", "--all", "--json"]);
        let listed = held("ls", &["ls", "--json"]);
        for app in listed["apps"].as_array().into_iter().flatten() {
            let dir = app["dir"].as_str().unwrap();
            held("plan", &["plan", dir, "--json"]);
            held("plan", &["plan", dir, "--json", "--engine", "native"]);
            held("graph", &["graph", dir, "--format", "json"]);
        }
    }
    assert!(seen > 200, "{seen}");
}

/// A schema that lets anything pass would hold nothing.
#[test]
fn what_lacks_a_key_or_has_another_type_is_no_such_document() {
    for (name, document) in of_the_sample() {
        let keys: Vec<String> = document.as_object().unwrap().keys().cloned().collect();
        let mut refused = 0;
        for key in &keys {
            let mut other = document.clone();
            other[key] = Value::Bool(false);
            // Some values are truths.
            if document[key].is_boolean() {
                other[key] = "no".into();
            }
            assert!(!faults(name, &other).is_empty(), "{name}: {key} is {other}");
            other.as_object_mut().unwrap().shift_remove(key);
            refused += usize::from(!faults(name, &other).is_empty());
        }
        assert!(refused > 0, "{name} requires nothing");
    }
    for line in [
        r#"{"event": "note"}"#,
        r#"{"event": "log", "step": 1, "stream": "stdin", "seconds": 0, "line": ""}"#,
        r#"{"event": "state", "state": "asleep"}"#,
        r#"{"event": "error", "message": "x", "hint": null}"#,
        r#"{"event": "image", "image.name": "x"}"#,
        r#"{"message": "x"}"#,
    ] {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(!faults("events", &event).is_empty(), "{line}");
    }
    let event = serde_json::json!({"event": "note", "message": "x", "app": "a", "later": 1});
    assert_valid("events", &event);
}
