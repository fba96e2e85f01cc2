//! `--skip-unchanged`: what is there already is not built again; and `slimbuild promote`.

mod daemon;
mod line;
mod promote;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;
use slimbuild::{Env, internals};

use crate::base::cache;
use crate::faults::has_base;
use crate::many::{servers, without_docker};
use crate::registry::registry;
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;
use crate::support::unique;
use line::{Late, rounds};

/// A program that the proof need not start.
const MAIN: &str =
    "require('node:http').createServer((_, answer) => answer.end('up')).listen(3000)";

/// Apps that are built already, without any package, and the registry that gets their images.
pub(crate) struct Scene {
    pub(crate) tree: Tree,
    pub(crate) registry: Late,
    /// The lab's own address of the registry.
    pub(crate) direct: String,
    /// What stands before the names of images, after the registry.
    pub(crate) path: String,
}

impl Scene {
    pub(crate) fn new(apps: &[&str], test: &str) -> Option<Self> {
        let direct = registry("LAB_REGISTRY", "127.0.0.1:5000", test)?;
        if !has_base(test) {
            return None;
        }
        let builds: Vec<(&str, &str)> = apps.iter().map(|app| (*app, "")).collect();
        let tree = servers(&builds);
        for app in apps {
            tree.write(
                &format!("apps/{app}/dist/main.js"),
                &format!("{MAIN} // {app}"),
            );
        }
        let scene = Self {
            tree,
            registry: Late::to(&direct),
            direct,
            path: format!("slimbuild-it/unchanged-{}", unique()),
        };
        let settings = format!(r#"{{"registry": "{}"}}"#, scene.home());
        scene.tree.write("slimbuild.json", &settings);
        Some(scene)
    }

    /// The registry with the path of the images.
    pub(crate) fn home(&self) -> String {
        format!("{}/{}", self.registry.address, self.path)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        let cache = cache();
        let own = ["--engine", "native", "--prebuilt", "--push"];
        let more = ["--cache-dir", cache.to_str().unwrap()];
        let arguments = [arguments, &own, &more].concat();
        slimbuild_with(self.tree.root(), &arguments, &without_docker())
    }

    /// Runs, and returns the state of each app with the metadata of all.
    pub(crate) fn states(&self, arguments: &[&str]) -> (Vec<String>, Value, String) {
        let arguments = [arguments, &["--metadata-file", "m.json"]].concat();
        let outcome = self.run(&arguments);
        let stderr = outcome.stderr.clone();
        outcome.bytes();
        let document: Value = serde_json::from_str(&self.tree.read("m.json")).unwrap();
        let apps = document.as_object().unwrap().values();
        let states = apps.map(|app| app["slimbuild.state"].as_str().unwrap().to_owned());
        (states.collect(), document, stderr)
    }
}

#[test]
fn what_is_in_the_registry_only_gets_names() {
    let test = "what_is_in_the_registry_only_gets_names";
    let Some(scene) = Scene::new(&["a", "b", "c"], test) else {
        return;
    };
    let all = ["--all", "--skip-unchanged", "--no-trial"];
    let (states, first, _) = scene.states(&all);
    assert_eq!(states, ["pushed"; 3]);

    // Another name, and nothing is sent: of layers, not even a word is said.
    scene.registry.answered();
    let tags = ["-t", "{image}:two", "-t", "{image}:three"];
    let (states, second, stderr) = scene.states(&[&all[..], &tags].concat());
    assert_eq!(states, ["unchanged"; 3], "{stderr}");
    let requests = scene.registry.answered();
    let uploads = |part: &str| {
        let all = requests.iter().filter(|one| one.request.contains(part));
        all.count()
    };
    assert_eq!(uploads("/blobs/uploads/"), 0);
    assert_eq!(uploads("PUT "), 6);
    for app in ["apps/a", "apps/b", "apps/c"] {
        let (first, second) = (&first[app], &second[app]);
        let digest = "containerimage.digest";
        assert_eq!(first[digest], second[digest]);
        assert_eq!(first["slimbuild.identity"], second["slimbuild.identity"]);
        assert!(second["slimbuild.steps"].is_null() && second["slimbuild.engine"].is_null());
        let name = app.trim_start_matches("apps/");
        let names = ["two", "three"].map(|tag| format!("{}/{name}:{tag}", scene.home()));
        assert_eq!(second["image.name"], names.join(","));
        assert_eq!(second["slimbuild.pushed"][0]["digest"], first[digest]);
    }

    // One alone, and by its line on stdout.
    let outcome = scene.run(&[
        "apps/a",
        "--skip-unchanged",
        "--no-trial",
        "--print",
        "reference",
    ]);
    let report = outcome.stderr.clone();
    let reference = format!(
        "{}/a@{}\n",
        scene.home(),
        first["apps/a"]["containerimage.digest"].as_str().unwrap()
    );
    assert_eq!(outcome.text(), reference);
    assert!(report.contains("; nothing was built or sent\n"), "{report}");

    // A change of one app, and its way back.
    let main = "apps/b/dist/main.js";
    let before = scene.tree.read(main);
    scene.tree.append(main, "\n// changed");
    let (states, ..) = scene.states(&all);
    assert_eq!(states, ["unchanged", "pushed", "unchanged"]);
    scene.tree.write(main, &before);
    let (states, third, _) = scene.states(&all);
    assert_eq!(states, ["unchanged"; 3]);
    assert_eq!(
        third["apps/b"]["containerimage.digest"],
        first["apps/b"]["containerimage.digest"]
    );

    // What was proved less is not found where more is wanted.
    let (states, ..) = scene.states(&["--all", "--skip-unchanged"]);
    assert_eq!(states, ["pushed"; 3]);
}

#[test]
fn an_image_that_is_not_whole_is_built() {
    let test = "an_image_that_is_not_whole_is_built";
    let Some(scene) = Scene::new(&["a"], test) else {
        return;
    };
    let all = &["--all", "--skip-unchanged", "--no-trial"];
    let (_, first, _) = scene.states(all);
    let configuration = first["apps/a"]["containerimage.config.digest"].as_str();
    let blob = format!(
        "http://{}/v2/{}/a/blobs/{}",
        scene.direct,
        scene.path,
        configuration.unwrap()
    );
    let deleted = std::process::Command::new("curl")
        .args(["-sf", "-X", "DELETE", &blob])
        .status()
        .unwrap();
    assert!(deleted.success());
    let (states, second, _) = scene.states(all);
    assert_eq!(states, ["pushed"]);
    assert_eq!(
        first["apps/a"]["containerimage.digest"],
        second["apps/a"]["containerimage.digest"]
    );
    let (states, ..) = scene.states(all);
    assert_eq!(states, ["unchanged"]);
}

#[test]
fn forty_apps_are_looked_for_at_once() {
    let test = "forty_apps_are_looked_for_at_once";
    let Some(scene) = Scene::new(&["a"], test) else {
        return;
    };
    scene.states(&["--all", "--no-verify", "-t", "{image}:main"]);
    // One image in forty repositories.
    let names: Vec<String> = (0..40)
        .map(|number| format!("{}/many-{number}:main", scene.home()))
        .collect();
    let mut words = vec!["promote", "apps/a", "--from", "main"];
    words.extend(names.iter().flat_map(|name| ["--to", name]));
    let promoted = slimbuild_with(scene.tree.root(), &words, &without_docker()).text();
    assert_eq!(promoted.lines().count(), 40);

    scene.registry.answered();
    scene.registry.delay(Duration::from_millis(100));
    let (asker, questions) = internals::questions();
    for (number, name) in names.iter().enumerate() {
        let trust = internals::Trust::default();
        let name = name.parse().unwrap();
        asker.ask(number, internals::Named { name, trust });
    }
    drop(asker);
    let (_trigger, interrupt) = internals::Interrupt::by_hand();
    let registries = internals::Registries {
        logins: &internals::Logins::default(),
        trust: &internals::Trust::default(),
        proxies: &internals::Proxies::default(),
        cache: &internals::Cache::private().unwrap(),
        patience: internals::Patience::with_uploads(),
        interrupt: &interrupt,
    };
    let limit = Duration::from_secs(20);
    let answers = registries.look(questions, limit, &mut |_| {}).unwrap();
    let there = answers.iter().filter(|answer| {
        let found = answer.found.as_ref().unwrap();
        found.is_some()
    });
    assert_eq!(there.count(), 40);
    let answered = scene.registry.answered();
    // The registry is greeted once; then come the manifest and the configuration of each.
    assert_eq!(answered.len(), 1 + 40 + 40);
    let rounds = rounds(&answered);
    assert!(rounds <= 4, "{rounds} rounds for 40 apps");
}

#[test]
fn a_registry_that_hangs_delays_a_run_only_a_little() {
    let test = "a_registry_that_hangs_delays_a_run_only_a_little";
    let apps = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let Some(scene) = Scene::new(&apps, test) else {
        return;
    };
    let plain = ["--all", "--no-verify", "-j", "8"];
    let timed = |arguments: &[&str]| {
        let began = Instant::now();
        let (states, _, stderr) = scene.states(arguments);
        assert_eq!(states, ["pushed"; 8], "{stderr}");
        (began.elapsed(), stderr)
    };
    timed(&plain);
    let (usual, _) = timed(&plain);
    scene.registry.hang();
    let (took, stderr) = timed(&[&plain[..], &["--skip-unchanged"]].concat());
    // One after another, they would take 16 s.
    let most = usual * 2 + Duration::from_secs(6);
    assert!(took < most, "{took:?}, and {usual:?} without");
    let said = format!(
        "whether images are unchanged at {} is not known, so they are built",
        scene.registry.address
    );
    let lines: Vec<&str> = stderr.lines().filter(|line| line.contains(&said)).collect();
    assert_eq!(lines.len(), 1, "{stderr}");
    assert!(
        lines[0].ends_with("no answer came within 2 s"),
        "{}",
        lines[0]
    );
}

#[test]
fn who_may_not_look_builds_and_is_told_once() {
    let test = "who_may_not_look_builds_and_is_told_once";
    let Some(scene) = Scene::new(&["a", "b"], test) else {
        return;
    };
    let Some(closed) = registry("LAB_REGISTRY_AUTH", "127.0.0.1:5001", test) else {
        return;
    };
    let name = format!("{closed}/{}/{{app}}:1", scene.path);
    let outcome = scene.run(&["--all", "--skip-unchanged", "--no-verify", "-t", &name]);
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    let said = "are built: cannot look for";
    let lines = outcome.stderr.lines().filter(|line| line.contains(said));
    assert_eq!(lines.count(), 1, "{}", outcome.stderr);
}

#[test]
fn arguments_that_want_an_image_are_refused() {
    let tree = Tree::shop();
    let mut text = String::new();
    for line in [
        "--output x.tar",
        "--push --load",
        "--pull",
        "--smoke",
        "--prebuilt",
        "--engine native",
        "--no-cache",
    ] {
        let mut arguments = vec!["apps/worker", "--skip-unchanged"];
        arguments.extend(line.split(' '));
        let outcome = slimbuild_with(tree.root(), &arguments, &Env::default());
        let refusal = outcome.refusal(tree.root());
        let _ = write!(
            text,
            "$ slimbuild apps/worker --skip-unchanged {line}\n{refusal}\n"
        );
    }
    crate::support::golden::assert_golden("unchanged/refused.txt", &text);
    // A dry run asks nobody.
    let words = ["apps/worker", "--skip-unchanged", "--dry-run"];
    let dry = slimbuild_with(tree.root(), &words, &without_docker());
    let end = "it would not be built if the daemon has an image with the label dev.slimbuild.identity=sha256:";
    assert!(dry.stderr.contains(end), "{}", dry.stderr);
    let more = ["--push", "-t", "registry.example.com/x:1"];
    let dry = slimbuild_with(
        tree.root(),
        &[&words[..], &more].concat(),
        &without_docker(),
    );
    let end = "it would not be built if registry.example.com/x:slimbuild-";
    assert!(dry.stderr.contains(end), "{}", dry.stderr);
}

#[test]
fn a_budget_has_an_image_of_the_registry_measured_again() {
    let test = "a_budget_has_an_image_of_the_registry_measured_again";
    let Some(scene) = Scene::new(&["a"], test) else {
        return;
    };
    let words = ["--all", "--skip-unchanged", "--no-trial"];
    let (states, ..) = scene.states(&words);
    assert_eq!(states, ["pushed"]);
    let budget = |size: &str| {
        let settings = format!(r#"{{"registry": "{}", "budget": "{size}"}}"#, scene.home());
        scene.tree.write("slimbuild.json", &settings);
    };
    budget("1 MB");
    let over = scene.run(&words);
    assert_eq!(over.code, 5, "{}", over.stderr);
    assert!(over.stderr.contains("budget of 1.00 MB"), "{}", over.stderr);
    budget("1 GB");
    let (states, ..) = scene.states(&words);
    assert_eq!(states, ["pushed"]);
    let (states, ..) = scene.states(&words);
    assert_eq!(states, ["unchanged"]);
}
