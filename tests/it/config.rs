//! `slimbuild.json`: its effect on a plan and a Dockerfile, and the output of `init`, `ls` and
//! `schema`.

use crate::support::golden::{assert_golden, assert_same};
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, shop};

const APPS: [&str; 4] = ["apps/server", "apps/site", "apps/web", "apps/worker"];

/// Every key that applies to a server.
const SERVER: &str = r#"{
  // beside the app
  "$schema": "../../slimbuild.schema.json",
  "node": "22",
  "start": "node --enable-source-maps dist/main.js --verbose",
  "port": 8081,
  "env": {"LOG_LEVEL": "it's $HOME", "DB_PASSWORD": "hunter2"},
  "healthcheck": {"path": "/health", "interval": "30s", "retries": 2},
  "include": ["../../notes/*.txt"],
  "exclude": ["scripts/*.psd"],
  "systemPackages": {"build": ["python3"], "runtime": ["ffmpeg", "openssl"]},
  "labels": {"org.opencontainers.image.title": "The server"},
  "tags": ["shop/server:1.2"],
  "tasks": ["build"],
  "buildArgs": {"SHOP_FLAVOUR": "sweet"},
}"#;

fn configured() -> Tree {
    let tree = Tree::shop();
    tree.write("slimbuild.json", r#"{"env": {"LOG_LEVEL": "warn", "TZ": "UTC"}, "apps": {"@shop/site": {"port": 9000, "healthcheck": "/healthz"}}}"#);
    tree.write("apps/server/slimbuild.json", SERVER);
    tree.write("notes/a.txt", "a");
    tree
}

#[test]
fn a_configured_server_is_planned_as_written_down() {
    let tree = configured();
    let run = slimbuild(tree.root(), &["plan", "apps/server"]);
    assert!(run.stderr.contains("warning: `DB_PASSWORD` (`env.DB_PASSWORD` in apps/server/slimbuild.json) looks like a secret"), "{}", run.stderr);
    assert_golden("shop/configured/plan.txt", &run.text());
    let dockerfile = slimbuild(tree.root(), &["dockerfile", "apps/server"]).text();
    assert_golden("shop/configured/Dockerfile", &dockerfile);
}

#[test]
fn flags_win() {
    let tree = configured();
    let plan = slimbuild(
        tree.root(),
        &[
            "plan",
            "apps/server",
            "--node",
            "24",
            "--entry",
            "dist/x.js",
        ],
    )
    .text();
    assert!(
        plan.contains("node       24\n               `24` in --node"),
        "{plan}"
    );
    assert!(
        plan.contains("starts     node dist/x.js\n               named by --entry"),
        "{plan}"
    );
}

#[test]
fn a_site_listens_where_it_is_told_to() {
    let tree = configured();
    let dockerfile = slimbuild(tree.root(), &["dockerfile", "apps/site"]).text();
    assert!(dockerfile.contains("\nEXPOSE 9000\n"), "{dockerfile}");
    let check = r#"HEALTHCHECK CMD ["sh", "-c", "curl -fso /dev/null 'http://127.0.0.1:9000/healthz' || wget "#;
    assert!(dockerfile.contains(check), "{dockerfile}");
}

#[test]
fn a_configuration_enters_no_image() {
    let tree = Tree::shop();
    for app in APPS {
        tree.write(&format!("{app}/slimbuild.json"), "{ /* nothing */ }");
    }
    tree.write("slimbuild.json", "");
    for app in APPS {
        let plan = |root| slimbuild(root, &["plan", app, "--json"]).text();
        assert_same(app, &plan(&shop()), &plan(tree.root()));
    }
}

#[test]
fn a_template_replaces_blocks_or_all() {
    let tree = Tree::shop();
    tree.write(
        "apps/server/slimbuild.json",
        r#"{"template": "../../image.j2"}"#,
    );
    tree.write("image.j2", "{% extends \"Dockerfile.j2\" %}\n{% block start %}\nRUN [\"true\"]\n{{ super() }}{% endblock %}\n{% block metadata %}\nLABEL packages={{ plan.runtime.packages }}\n{% endblock %}\n");
    let before = slimbuild(&shop(), &["dockerfile", "apps/server"]).text();
    let after = slimbuild(tree.root(), &["dockerfile", "apps/server"]).text();
    let expected = before.replacen(
        "WORKDIR /app/apps/server\n",
        "RUN [\"true\"]\nWORKDIR /app/apps/server\n",
        1,
    ) + "LABEL packages=50\n";
    assert_same("blocks", &expected, &after);
    tree.write("image.j2", "FROM {{ plan.buildBase.value }}\n");
    assert_eq!(
        slimbuild(tree.root(), &["dockerfile", "apps/server"]).text(),
        "FROM node:22-slim\n"
    );
    let own = slimbuild(tree.root(), &["dockerfile", "--template"]).text();
    tree.write("image.j2", &own);
    assert_same(
        "the same template",
        &before,
        &slimbuild(tree.root(), &["dockerfile", "apps/server"]).text(),
    );
}

#[test]
fn init_changes_no_plan() {
    let tree = Tree::shop();
    for app in APPS {
        let plan = |root| slimbuild(root, &["plan", app, "--json"]).text();
        slimbuild(tree.root(), &["init", app]).text();
        assert_same(app, &plan(&shop()), &plan(tree.root()));
        let name = app.rsplit('/').next().unwrap();
        let file = format!("{app}/slimbuild.json");
        assert_golden(&format!("shop/{name}/slimbuild.json"), &tree.read(&file));
        // Every line is valid as it is: uncommented, it sets what was detected anyway.
        let decides = ["kind", "node", "base", "buildBase", "start", "tags"];
        let lines = tree
            .read(&file)
            .lines()
            .map(|line| {
                let key = decides
                    .iter()
                    .find(|key| line.starts_with(&format!("  // \"{key}\":")));
                key.map_or(line.to_owned(), |_| line.replacen("// ", "", 1))
            })
            .collect::<Vec<_>>()
            .join("\n");
        tree.write(&file, &lines);
        let dockerfile = |root| slimbuild(root, &["dockerfile", app]).text();
        let without_reasons = |text: String| {
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_same(
            app,
            &without_reasons(dockerfile(&shop())),
            &without_reasons(dockerfile(tree.root())),
        );
    }
    slimbuild(tree.root(), &["init"]).text();
    slimbuild(tree.root(), &["plan", "apps/worker"]).text();
}

#[test]
fn all_lines_of_init_are_keys() {
    let tree = Tree::shop();
    for (arguments, file) in [
        (&["init", "apps/site"][..], "apps/site/slimbuild.json"),
        (&["init"][..], "slimbuild.json"),
    ] {
        slimbuild(tree.root(), arguments).text();
        let text = tree.read(file).replace("  // \"", "  \"");
        tree.write(file, &text);
    }
    slimbuild(tree.root(), &["plan", "apps/site"]).text();
}

#[test]
fn the_apps_are_listed() {
    assert_golden("shop/ls.txt", &slimbuild(&shop(), &["ls"]).text());
    let tree = Tree::shop();
    tree.write("apps/web/slimbuild.json", "{\"prot\": 1}");
    tree.replace(
        "apps/site/package.json",
        "\"dev\": \"vite\"",
        "\"start\": \"node server.js\"",
    );
    assert_golden("shop/ls-stuck.txt", &slimbuild(tree.root(), &["ls"]).text());
    let json = slimbuild(tree.root(), &["ls", "--json"]).text();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["apps"][0]["runtime"]["packages"], 50);
    assert_eq!(json["apps"][2]["hint"], "did you mean `port`?");
}

#[test]
fn the_schema_is_printed() {
    let schema: serde_json::Value =
        serde_json::from_str(&slimbuild(&shop(), &["schema"]).text()).unwrap();
    assert_eq!(schema["title"], "slimbuild.json");
}
