use std::collections::BTreeSet;

use serde_json::Value;

use super::keys::KEYS;
use super::keys::{self, Scope};
use super::reader::Node;
use super::*;
use crate::workspace::manifest::parse_jsonc_tree;

fn read(text: &str, dir: &str, scope: Scope) -> Result<PlanOptions, ConfigError> {
    let value = parse_jsonc_tree(FILE, text).unwrap().unwrap();
    let node = Node {
        file: FILE,
        text,
        path: "",
        value: &value,
    };
    keys::read(&node, &RepoPath::new(dir).unwrap(), scope)
}

fn own(text: &str) -> PlanOptions {
    read(text, "apps/server", Scope::One).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn wrong(text: &str) -> String {
    let error = read(text, "apps/server", Scope::One).unwrap_err();
    let hint = error.hint().map(|hint| format!(" ({hint})"));
    format!("{error}{}", hint.unwrap_or_default())
}

#[test]
fn the_schema_has_the_same_keys() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let mut expected: BTreeSet<String> = KEYS.iter().map(ToString::to_string).collect();
    assert_eq!(keys(&schema["$defs"]["app"]["properties"]), expected);
    expected.extend(["$schema", "apps"].map(str::to_owned));
    assert_eq!(keys(&schema["properties"]), expected);
}

#[test]
fn the_schema_s_examples_are_read_and_other_types_are_not() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for key in KEYS {
        let examples = schema["properties"][key]["examples"].as_array();
        for example in examples.unwrap_or_else(|| panic!("no examples of `{key}`")) {
            let text = format!("{{\"{key}\": {example}}}");
            let read = read(&text, "apps/server", Scope::One);
            assert!(read.is_ok(), "{text}: {read:?}");
        }
        for other in ["null", "[[]]", "{\"?\": null}", "-1.5"] {
            let text = format!("{{\"{key}\": {other}}}");
            let read = read(&text, "apps/server", Scope::One);
            assert!(read.is_err(), "{text}: {read:?}");
        }
    }
}

#[test]
fn nested_keys_of_the_schema_agree() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(", ")
    };
    let healthcheck = names(&schema["properties"]["healthcheck"]["oneOf"][2]["properties"]);
    assert_eq!(
        wrong("{\"healthcheck\": {\"zzzzzz\": 1}}"),
        format!(
            "`slimbuild.json`, line 1, column 18: there is no key `healthcheck.zzzzzz` (there are: {healthcheck})"
        )
    );
    let packages = names(&schema["properties"]["systemPackages"]["properties"]);
    assert_eq!(
        wrong("{\"systemPackages\": {\"zzzzzz\": 1}}"),
        format!(
            "`slimbuild.json`, line 1, column 21: there is no key `systemPackages.zzzzzz` (there are: {packages})"
        )
    );
}

#[test]
fn globs_are_relative_to_the_file() {
    let options =
        own(r#"{"include": ["config/**", "./a", "../../shared/*", "../x"], "exclude": []}"#);
    assert_eq!(
        options.include,
        [
            "apps/server/config/**",
            "apps/server/a",
            "shared/*",
            "apps/x"
        ]
    );
    let root = read(r#"{"include": ["config/**"]}"#, "", Scope::All).unwrap();
    assert_eq!(root.include, ["config/**"]);
    assert_eq!(
        wrong(r#"{"include": ["../../../x"]}"#),
        "`slimbuild.json`, line 1, column 14: `include`: `../../../x` leads out of the workspace (globs are relative to the directory of `slimbuild.json`)"
    );
    assert!(wrong(r#"{"exclude": ["a[b"]}"#).contains("is not a glob"));
}

#[test]
fn starts_as_text_and_as_words() {
    let start = |text: &str| own(&format!("{{\"start\": {text}}}")).start.unwrap().value;
    let expected = NodeArguments {
        flags: vec!["--import".to_owned(), "./otel.mjs".to_owned()],
        file: "dist/main.js".to_owned(),
        args: vec!["--port".to_owned(), "80".to_owned()],
    };
    assert_eq!(
        start(r#""node --import ./otel.mjs ./dist/main.js --port 80""#),
        expected
    );
    assert_eq!(
        start(r#"["--import", "./otel.mjs", "dist/main.js", "--port", "80"]"#),
        expected
    );
    for (text, problem) in [
        ("\"a && node b.js\"", "is one command: no shell reads it"),
        ("\"A=1 node b.js\"", "sets a variable"),
        (
            "\"pnpm start\"",
            "starts `pnpm`, which is no file of the app",
        ),
        (
            "[\"sh\", \"-c\", \"x\"]",
            "starts `sh`, which is no file of the app",
        ),
        ("\"--watch\"", "must be node's arguments"),
        ("[]", "must be node's arguments"),
    ] {
        let wrong = wrong(&format!("{{\"start\": {text}}}"));
        assert!(wrong.contains(problem), "{text}: {wrong}");
    }
    assert!(wrong(r#"{"entry": "a.js", "start": "a.js"}"#).contains("say the same thing twice"));
}

#[test]
fn wrong_values_are_pointed_at() {
    for (text, expected) in [
        (
            "{\n  // which\n  \"port\": \"80a\"\n}",
            "`slimbuild.json`, line 3, column 11: `port` must be a port, from 1 to 65535, and is `\"80a\"`",
        ),
        (
            "{\"prot\": 1}",
            "`slimbuild.json`, line 1, column 2: there is no key `prot` (did you mean `port`?)",
        ),
        (
            "{\"env\": {\"A\": {}}}",
            "`slimbuild.json`, line 1, column 15: `env.A` must be a text, a number or a truth value, and is `{}`",
        ),
        (
            "{\"env\": {\"A B\": 1}}",
            "`slimbuild.json`, line 1, column 10: `A B` is no name of a variable",
        ),
        (
            "{\"port\": 1, \"port\": 2}",
            "`slimbuild.json`, line 1, column 13: `port` stands twice",
        ),
        (
            "{\"kind\": \"nodejs\"}",
            "`slimbuild.json`, line 1, column 10: `kind` must be one of \"node\", \"next\", \"static-site\", \"server-rendering\", and is `\"nodejs\"`",
        ),
        (
            "{\"node\": 22.10}",
            "`slimbuild.json`, line 1, column 10: `node` must be a version of node, as 22 or \"22.11.0\", and is `22.10`",
        ),
        (
            "{\"base\": \"Node:22\"}",
            "`slimbuild.json`, line 1, column 10: `base`: `Node` is not an image name: names are lower case letters and digits, parted by `/`, or by one `.`, `_`, `__` or any number of `-`; the other bases are `auto`, `distroless`, `slim` and `alpine`",
        ),
        (
            "{\"env\": {\"A\": \"x\\ny\"}}",
            "`slimbuild.json`, line 1, column 15: `env.A` must be a text, a number or a truth value, in one line, and is `\"x\\ny\"`",
        ),
        (
            "[]",
            "`slimbuild.json`, line 1, column 1: it must be an object, and is `[]`",
        ),
        (
            "{\"healthcheck\": {\"interval\": \"5\"}}",
            "`slimbuild.json`, line 1, column 30: `healthcheck.interval` must be a duration, as \"30s\" or \"1m30s\", and is `\"5\"`",
        ),
        (
            "{\"healthcheck\": {}}",
            "`slimbuild.json`, line 1, column 17: `healthcheck` needs either `path` or `command`",
        ),
        (
            "{\"secrets\": [\"A=b\"]}",
            "`slimbuild.json`, line 1, column 13: `secrets`: `A=b` is no name of a variable (secrets are named here; their values come from the environment, or from --secret)",
        ),
        (
            "{\"lifecycle\": {\"prepare\": false}}",
            "`slimbuild.json`, line 1, column 16: `lifecycle.prepare` names no script of a package (write PACKAGE#SCRIPT, as \"@shop/ui#prepare\"; the root's are \"//#postinstall\")",
        ),
        (
            "{\"lifecycle\": {\"a#prepare\": 1}}",
            "`slimbuild.json`, line 1, column 29: `lifecycle.a#prepare` must be true or false, and is `1`",
        ),
    ] {
        assert_eq!(wrong(text), expected);
    }
}

#[test]
fn the_app_wins_over_the_root_and_flags_over_both() {
    let root = read(r#"{"node": 20, "port": 1, "env": {"A": "root", "B": "root"}, "include": ["r"], "systemPackages": {"build": ["make"]}}"#, "", Scope::All).unwrap();
    let app = own(
        r#"{"node": 22, "env": {"A": "app"}, "include": ["a"], "healthcheck": false, "systemPackages": {"build": ["g++"]}}"#,
    );
    let flags = PlanOptions {
        node: Some(Given::by_flag("24".to_owned(), "--node")),
        include: vec!["f".to_owned()],
        ..PlanOptions::default()
    };
    let all = flags.over(app).over(root);
    assert_eq!(all.node.unwrap().source.to_string(), "named by --node");
    assert_eq!(all.port.unwrap().value, 1);
    let env: Vec<_> = all
        .env
        .iter()
        .map(|(name, given)| (name.as_str(), given.value.as_str()))
        .collect();
    assert_eq!(env, [("A", "app"), ("B", "root")]);
    assert_eq!(all.include, ["r", "apps/server/a", "f"]);
    assert_eq!(all.healthcheck.unwrap().value, None);
    let names: Vec<_> = all
        .build_packages
        .iter()
        .map(|name| name.value.as_str())
        .collect();
    assert_eq!(names, ["make", "g++"]);
}

#[test]
fn some_keys_are_not_for_all_apps() {
    let error = read("{\"entry\": \"a.js\"}", "", Scope::All).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`slimbuild.json`, line 1, column 2: `entry` cannot be the same for all apps"
    );
}
