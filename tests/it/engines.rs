//! Every app of the sample, made by both engines: each image boots read-only and answers.
//!
//! The table must name all apps of `slimbuild ls`, so that every kind of app is tried with both
//! engines.

use serde_json::{Value, json};

use crate::base::load;
use crate::images::json_of;
use crate::native::native;
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, shop};

/// An app, and what its image must do.
struct App {
    dir: &'static str,
    check: fn(&Daemon, &str),
}

const APPS: [App; 4] = [
    App {
        dir: "apps/server",
        check: assert_server,
    },
    App {
        dir: "apps/site",
        check: assert_site,
    },
    App {
        dir: "apps/web",
        check: assert_storefront,
    },
    App {
        dir: "apps/worker",
        check: assert_worker,
    },
];

#[test]
fn the_table_has_every_app() {
    let listed: Value =
        serde_json::from_str(&slimbuild(&shop(), &["ls", "--json"]).text()).unwrap();
    let listed = listed["apps"].as_array().unwrap().iter();
    let listed: Vec<&str> = listed.map(|app| app["dir"].as_str().unwrap()).collect();
    assert_eq!(listed, APPS.map(|app| app.dir));
}

#[test]
fn every_app_made_by_docker_boots_and_answers() {
    each_daemon("every_app_made_by_docker_boots_and_answers", |daemon| {
        for App { dir, check } in APPS {
            let tag = daemon.tag("by-docker");
            let arguments = [dir, "-q", "-t", &tag.name];
            daemon.slimbuild(&shop(), &arguments).bytes();
            assert_as_planned(daemon, dir, "docker", &tag.name);
            check(daemon, &tag.name);
        }
    });
}

#[test]
fn every_app_made_natively_boots_and_answers() {
    let test = "every_app_made_natively_boots_and_answers";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = Tree::shop();
    for App { dir, check } in APPS {
        let name = format!("slimbuild-it/{}:native", dir.replace('/', "-"));
        let arguments = [dir, "-q", "-t", &name, "-o", "image.tar"];
        native(tree.root(), &arguments).bytes();
        each_daemon(test, |daemon| {
            load(daemon, &tree.root().join("image.tar"));
            assert_as_planned(daemon, dir, "native", &name);
            check(daemon, &name);
            daemon.remove(&name);
        });
    }
}

/// The image's configuration is what the plan says.
fn assert_as_planned(daemon: &Daemon, app: &str, engine: &str, image: &str) {
    let plan = slimbuild(&shop(), &["plan", app, "--json", "--engine", engine]).text();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let runs = &plan["runs"];
    let config = daemon.image(image).config.unwrap();
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().into_iter().flatten();
        all.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(config.user.as_deref(), runs["user"].as_str(), "{app}");
    assert_eq!(
        config.cmd.unwrap_or_default(),
        texts(&runs["command"]),
        "{app}"
    );
    if runs["entrypoint"].is_array() {
        assert_eq!(
            config.entrypoint.unwrap_or_default(),
            texts(&runs["entrypoint"])
        );
    }
    if runs["directory"] != "" {
        assert_eq!(config.working_dir.as_deref(), runs["directory"].as_str());
    }
    if let Some(port) = runs["port"].as_u64() {
        let ports = config.exposed_ports.unwrap_or_default();
        assert!(ports.contains(&format!("{port}/tcp")), "{ports:?}");
    }
    let env = config.env.unwrap_or_default();
    for pair in runs["env"].as_array().unwrap() {
        let pair = texts(pair).join("=");
        assert!(env.contains(&pair), "{pair} is not among {env:?}");
    }
    let own = plan["runtimeBase"]["value"]["from"] == "own";
    assert_eq!(own, engine == "native", "{app}");
}

fn assert_server(daemon: &Daemon, image: &str) {
    let container = Container::start(daemon, image, 3000);
    let health = json_of(&container.get(3000, "/health"));
    assert_eq!(health, json!({"status": "ok", "schema": "80189d84db5f"}));
    // A compiled library, and a file that is no module.
    assert!(json_of(&container.get(3000, "/products"))[0]["sku"].is_string());
    assert!(container.get(3000, "/").contains("<html"));
    assert_eq!(container.stop(), 0, "signals reach the program");
}

fn assert_worker(daemon: &Daemon, image: &str) {
    let container = Container::start(daemon, image, 3001);
    assert_eq!(json_of(&container.get(3001, "/health"))["status"], "ok");
    assert_eq!(container.stop(), 0, "signals reach the program");
}

fn assert_storefront(daemon: &Daemon, image: &str) {
    let container = Container::start(daemon, image, 3000);
    assert_eq!(container.get(3000, "/api/health"), r#"{"status":"ok"}"#);
    let page = container.get(3000, "/");
    let script = page
        .split('"')
        .find(|word| word.starts_with("/_next/static/") && word.ends_with(".js"));
    let script = script.unwrap_or_else(|| panic!("no script in {page}"));
    container.get(3000, script);
    assert!(container.get(3000, "/robots.txt").contains("User-agent"));
    let config = daemon.image(image).config.unwrap();
    assert_eq!(config.user.as_deref(), Some("65532:65532"));
    let links = dangling(&container);
    assert!(links.is_empty(), "links that lead nowhere: {links:?}");
    assert_eq!(container.stop(), 0, "signals reach the program");
}

/// An image of the shop's site runs, not as root, and its caching headers are right.
pub(crate) fn assert_site(daemon: &Daemon, image: &str) {
    let container = Container::start(daemon, image, 8080);
    assert_eq!(container.get(8080, "/healthz"), "ok\n");
    let (head, page) = container.answer(8080, "/", "identity");
    assert!(head.contains("Cache-Control: no-cache"), "{head}");
    let script = page
        .split('"')
        .find(|word| word.starts_with("/assets/"))
        .unwrap();
    let (head, _) = container.answer(8080, script, "gzip");
    assert!(head.contains("max-age=31536000, immutable"), "{head}");
    assert!(head.contains("Content-Encoding: gzip"), "{head}");
    for gone in ["/assets/index-AAAAAAA1.js", "/no/such/page"] {
        let (head, _) = container.answer(8080, gone, "gzip");
        assert!(head.contains(" 404 "), "{gone}: {head}");
    }
    let config = daemon.image(image).config.unwrap();
    assert_eq!(config.user.as_deref(), Some("101:101"));
    assert_eq!(container.stop(), 0, "signals reach the program");
}

/// Links below `/app` whose target is not in the image.
fn dangling(container: &Container<'_>) -> Vec<String> {
    let files = container.files();
    let exists = |path: &str| {
        files
            .iter()
            .any(|entry| entry.path == path || entry.path.starts_with(&format!("{path}/")))
    };
    files
        .iter()
        .filter(|entry| entry.path.starts_with("app/"))
        .filter_map(|entry| Some((entry, entry.link.as_ref()?)))
        .filter(|(entry, target)| {
            let mut parts: Vec<&str> = entry.path.split('/').collect();
            parts.pop();
            for part in target.split('/') {
                match part {
                    ".." => drop(parts.pop()),
                    "." | "" => {}
                    name => parts.push(name),
                }
            }
            !exists(&parts.join("/"))
        })
        .map(|(entry, target)| format!("{} -> {target}", entry.path))
        .collect()
}
