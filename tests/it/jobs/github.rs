//! Workflows of GitHub.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{LOGIN, Machine, Origin, main_differs, of_page, pairs, with_both};

/// The workflows that tests here run.
pub(super) const RUN: [&str; 4] = [
    "contents.md: .github/workflows/size.yml",
    "github-actions.md: .github/workflows/all.yml",
    "github-actions.md: .github/workflows/image.yml",
    "only-what-changed.md: .github/workflows/apps.yml",
];

/// What expressions mean.
#[derive(Default, Clone)]
struct Facts(BTreeMap<String, String>);

impl Facts {
    /// A text with its expressions replaced.
    fn fill(&self, text: &str) -> String {
        let Some((before, rest)) = text.split_once("${{") else {
            return text.to_owned();
        };
        let (expression, after) = rest.split_once("}}").expect(text);
        let value = self.value(expression.trim());
        format!("{before}{value}{}", self.fill(after))
    }

    fn value(&self, expression: &str) -> String {
        if let Some(rest) = expression.strip_prefix("fromJSON(") {
            let (inner, index) = rest.split_once(')').expect(expression);
            let value = self.value(inner);
            if index.is_empty() {
                return value;
            }
            assert_eq!(index, ".include[0]");
            let document: Value = serde_json::from_str(&value).unwrap();
            return document["include"]
                .get(0)
                .map(Value::to_string)
                .unwrap_or_default();
        }
        let known = self.0.get(expression);
        known
            .unwrap_or_else(|| panic!("${{{{ {expression} }}}}"))
            .clone()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }
}

/// Runs a job, and gives what its steps printed.
fn job(machine: &mut Machine<'_>, job: &Value, facts: &mut Facts, origin: &Origin) -> String {
    let event = machine.file("event.json");
    fs_err::write(&event, format!("{{\"before\": {:?}}}", origin.before)).unwrap();
    let file = |name: &str| machine.file(name).display().to_string();
    let own = [
        ("GITHUB_ACTIONS", "true".to_owned()),
        (
            "GITHUB_WORKSPACE",
            machine.clone.root().display().to_string(),
        ),
        ("GITHUB_SHA", origin.head.clone()),
        ("GITHUB_REF_NAME", "main".to_owned()),
        ("GITHUB_EVENT_NAME", "push".to_owned()),
        ("GITHUB_EVENT_PATH", event.display().to_string()),
        ("GITHUB_STEP_SUMMARY", file("summary.md")),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    machine.env.extend(own);
    facts.set("github.actor", LOGIN);
    facts.set("secrets.GITHUB_TOKEN", LOGIN);
    let mut printed = String::new();
    for step in job["steps"].as_array().unwrap() {
        if let Some(action) = step["uses"].as_str() {
            uses(action, &pairs(&step["with"]), machine, facts);
            continue;
        }
        let outputs = machine.file("outputs");
        fs_err::write(&outputs, "").unwrap();
        let mut env = pairs(&step["env"]);
        for value in env.values_mut() {
            *value = facts.fill(value);
        }
        env.insert("GITHUB_OUTPUT".to_owned(), outputs.display().to_string());
        printed += &machine.run(&facts.fill(step["run"].as_str().unwrap()), &env);
        let id = step["id"].as_str().unwrap_or_default();
        for line in fs_err::read_to_string(&outputs).unwrap().lines() {
            let (name, value) = line.split_once('=').expect(line);
            facts.set(&format!("steps.{id}.outputs.{name}"), value);
        }
    }
    printed
}

/// What an action does.
fn uses(action: &str, with: &BTreeMap<String, String>, machine: &mut Machine<'_>, facts: &Facts) {
    match action {
        // The machine has its clone already.
        "actions/checkout@v4" => assert!(!with.contains_key("repository")),
        "OWNER/slimbuild@v0" => machine.install(),
        "pnpm/action-setup@v4" => {}
        "actions/setup-node@v4" => {
            assert_eq!(with["node-version-file"], ".nvmrc");
            assert_eq!(machine.clone.read(".nvmrc").trim(), "22");
            machine.install_pnpm();
        }
        "docker/login-action@v3" => {
            let line = "test -n \"$USER\" && mkdir -p \"$DOCKER_CONFIG\" && printf '{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}' \"$HOST\" \"$(printf %s \"$USER:$PASSWORD\" | base64)\" > \"$DOCKER_CONFIG/config.json\"";
            let env = [
                ("HOST", "registry"),
                ("USER", "username"),
                ("PASSWORD", "password"),
            ];
            let env = env.map(|(name, key)| (name.to_owned(), facts.fill(&with[key])));
            machine.run(line, &env.into_iter().collect());
        }
        other => panic!("no test knows what {other} does"),
    }
}

#[test]
fn the_workflow_for_one_app_is_run_as_written() {
    let test = "the_workflow_for_one_app_is_run_as_written";
    with_both(test, |engine, registry| {
        let origin = Origin::new();
        let [workflow] = &of_page("github-actions.md", ".github/workflows/image.yml")[..] else {
            panic!("one workflow");
        };
        let document = workflow.document(registry);
        let mut machine = Machine::new(&origin, engine, registry);
        let server = &document["jobs"]["server"];
        let printed = job(&mut machine, server, &mut Facts::default(), &origin);
        let name = format!("{registry}/shop/server:{}\n", origin.head);
        let (image, deployed) = printed.split_at(name.len());
        assert_eq!(image, name);
        assert!(
            deployed.starts_with(&format!("deploy {registry}/shop/server@sha256:")),
            "{deployed}"
        );
        let summary = fs_err::read_to_string(machine.file("summary.md")).unwrap();
        assert!(summary.contains("| `apps/server` | pushed |"), "{summary}");
    });
}

#[test]
fn the_workflow_for_what_changed_is_run_as_written() {
    let test = "the_workflow_for_what_changed_is_run_as_written";
    with_both(test, |engine, registry| {
        let origin = Origin::new();
        let file = ".github/workflows/apps.yml";
        let [workflow] = &of_page("only-what-changed.md", file)[..] else {
            panic!("one workflow");
        };
        let jobs = &workflow.document(registry)["jobs"];
        let mut facts = Facts::default();
        let mut machine = Machine::new(&origin, engine, registry);
        job(&mut machine, &jobs["affected"], &mut facts, &origin);
        let mut needed = Facts::default();
        for (name, value) in pairs(&jobs["affected"]["outputs"]) {
            needed.set(
                &format!("needs.affected.outputs.{name}"),
                &facts.fill(&value),
            );
        }
        let image = &jobs["image"];
        assert_eq!(image["needs"], "affected");
        assert_ne!(needed.fill(image["if"].as_str().unwrap()), "");
        let matrix = needed.fill(image["strategy"]["matrix"].as_str().unwrap());
        let matrix: Value = serde_json::from_str(&matrix).unwrap();
        let apps: Vec<&str> = matrix["include"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["app"].as_str().unwrap())
            .collect();
        assert_eq!(apps, ["apps/worker"]);
        for entry in matrix["include"].as_array().unwrap() {
            let mut facts = needed.clone();
            for (name, value) in pairs(entry) {
                facts.set(&format!("matrix.{name}"), &value);
            }
            let mut machine = Machine::new(&origin, engine, registry);
            let printed = job(&mut machine, image, &mut facts, &origin);
            assert_eq!(printed, format!("{registry}/shop/worker:{}\n", origin.head));
        }
    });
}

#[test]
fn the_workflow_for_a_built_workspace_is_run_as_written() {
    let test = "the_workflow_for_a_built_workspace_is_run_as_written";
    let Some(registry) = super::registry(test) else {
        return;
    };
    if !crate::trial::namespaces(test) {
        return;
    }
    let origin = Origin::new();
    let [workflow] = &of_page("github-actions.md", ".github/workflows/all.yml")[..] else {
        panic!("one workflow");
    };
    let document = workflow.document(&registry);
    let mut machine = Machine::new(&origin, super::Engine::Native, &registry);
    let store = crate::support::pnpm::home().join("store");
    let store = store.display().to_string();
    machine.env.insert("npm_config_store_dir".to_owned(), store);
    let images = &document["jobs"]["images"];
    let printed = job(&mut machine, images, &mut Facts::default(), &origin);
    for app in ["server", "site", "web", "worker"] {
        let name = format!("\n{registry}/shop/{app}:{}\n", origin.head);
        assert!(printed.contains(&name), "{printed}");
    }
}

#[test]
fn the_workflow_for_a_pull_request_is_run_as_written() {
    let test = "the_workflow_for_a_pull_request_is_run_as_written";
    with_both(test, |engine, registry| {
        let origin = Origin::new();
        let [workflow] = &of_page("contents.md", ".github/workflows/size.yml")[..] else {
            panic!("one workflow");
        };
        let document = workflow.document(registry);
        let mut machine = Machine::new(&origin, engine, registry);
        main_differs(&mut machine, registry);
        let server = &document["jobs"]["server"];
        job(&mut machine, server, &mut Facts::default(), &origin);
        let summary = fs_err::read_to_string(machine.file("summary.md")).unwrap();
        assert!(summary.contains("| `apps/server` | pushed |"), "{summary}");
        assert!(summary.contains("main.js"), "{summary}");
    });
}

#[test]
fn expressions_mean_what_github_makes_of_them() {
    let mut facts = Facts::default();
    facts.set("needs.a.outputs.m", "{\"include\":[]}");
    facts.set("matrix.app", "apps/a");
    assert_eq!(
        facts.fill("x ${{ matrix.app }}-${{matrix.app}}"),
        "x apps/a-apps/a"
    );
    assert_eq!(
        facts.fill("${{ fromJSON(needs.a.outputs.m).include[0] }}"),
        ""
    );
    assert_eq!(
        facts.fill("${{ fromJSON(needs.a.outputs.m) }}"),
        "{\"include\":[]}"
    );
}
