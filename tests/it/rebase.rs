//! `slimbuild rebase`: images of the lab's registry get bases that are made here.

mod small;
mod stand;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::faults::has_base;
use crate::many::{servers, without_docker};
use crate::support::container::Container;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::slimbuild_with;
use crate::support::schema::assert_valid;
use crate::support::tree::Tree;
use stand::{Base, Stand, layer};

/// A base that has a newer package and a variable more.
fn newer(base: &Base) -> Base {
    let status = "Package: openssl\nVersion: 3.0.17-1\n";
    let mut newer = base.clone();
    newer.add(layer(&[
        ("var/lib/dpkg/status.d/openssl", status.as_bytes()),
        ("etc/fixed", b"yes"),
    ]));
    let env = newer.config["config"]["Env"].as_array_mut().unwrap();
    env.push("FIXED=1".into());
    newer
}

#[test]
fn an_image_of_a_daemon_gets_a_newer_base() {
    let test = "an_image_of_a_daemon_gets_a_newer_base";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    one_daemon(test, |daemon| {
        let Some(stand) = Stand::new(test) else {
            return;
        };
        let base = stand.distroless();
        stand.push_base(&base, "nonroot");
        let tree = Tree::shop();
        let name = stand.name("server:main");
        let line = [
            "apps/server",
            "--push",
            "-t",
            &name,
            "--base",
            &stand.base("nonroot"),
        ];
        daemon.slimbuild(tree.root(), &line).text();
        let before = Stand::image(&name);
        let labels = before.config["config"]["Labels"].clone();
        let digest = Stand::digest(&stand.base("nonroot"));
        assert_eq!(
            labels["org.opencontainers.image.base.digest"],
            json!(digest)
        );
        assert_eq!(labels["dev.slimbuild.base"], "tag");
        assert!(labels["dev.slimbuild.identity"].is_string());

        // The same base, and the same base by digest: nothing to do.
        let unchanged = stand.rebase(&[&name]);
        assert_eq!(unchanged["images"][0]["state"], "unchanged");
        assert_eq!(unchanged["sent"], 0);

        stand.push_base(&newer(&base), "nonroot");
        let planned = stand.rebase(&[&name, "--dry-run"]);
        assert_eq!(planned["images"][0]["state"], "changed");
        assert_eq!(Stand::image(&name), before);

        let done = stand.rebase(&[&name]);
        assert_valid("rebase", &done);
        let image = &done["images"][0];
        assert_eq!(image["state"], "rebased");
        assert_eq!(image["digest"], planned["images"][0]["digest"]);
        let packages = json!([{ "name": "openssl", "old": null, "new": "3.0.17-1" }]);
        assert_eq!(done["bases"][0]["packages"], packages);
        let after = Stand::image(&name);
        let own = before.layers.len() - base.layers.len();
        assert_eq!(after.layers.len(), before.layers.len() + 1);
        assert_eq!(
            after.layers[after.layers.len() - own..],
            before.layers[base.layers.len()..]
        );
        stand.has_no_layer(&after.layers[after.layers.len() - own..]);
        let config = &after.config["config"];
        let now = Stand::digest(&stand.base("nonroot"));
        assert_eq!(
            config["Labels"]["org.opencontainers.image.base.digest"],
            json!(now)
        );
        assert_eq!(
            config["Labels"]["dev.slimbuild.identity"],
            labels["dev.slimbuild.identity"]
        );
        assert!(
            config["Env"]
                .as_array()
                .unwrap()
                .contains(&"FIXED=1".into())
        );
        for key in ["Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts"] {
            assert_eq!(config[key], before.config["config"][key], "{key}");
        }
        // The app's steps are the last ones of the history.
        let steps = |config: &Value| config["history"].as_array().unwrap().clone();
        let (old, new) = (steps(&before.config), steps(&after.config));
        let of_base = base.config["history"].as_array().unwrap().len();
        assert_eq!(new[new.len() - (old.len() - of_base)..], old[of_base..]);

        daemon.pull(&name);
        let container = Container::start(daemon, &name, 3000);
        assert!(container.get(3000, "/health").contains("80189d84db5f"));
        let files = container.files();
        let fixed = files.iter().find(|file| file.path == "etc/fixed").unwrap();
        assert_eq!(fixed.text(), "yes");
        drop(container);
        daemon.remove(&name);
    });
}

#[test]
fn many_images_get_a_base_that_is_read_once() {
    let test = "many_images_get_a_base_that_is_read_once";
    if !has_base(test) {
        return;
    }
    let Some(stand) = Stand::new(test) else {
        return;
    };
    let base = stand.distroless();
    stand.push_base(&base, "nonroot");
    let tree = servers(&[("a", ""), ("b", ""), ("c", "")]);
    for app in ["a", "b", "c"] {
        tree.write(
            &format!("apps/{app}/dist/main.js"),
            "require('node:http').createServer((_, answer) => answer.end('up')).listen(3000)",
        );
    }
    let names = ["a", "b", "c"].map(|app| stand.name(&format!("{app}:main")));
    let image = stand.name("{app}:main");
    let line = [
        "--all",
        "--prebuilt",
        "--push",
        "--skip-unchanged",
        "-t",
        &image,
    ];
    let from = ["--base", &stand.base("nonroot"), "--engine", "native"];
    let built = || stand.slimbuild(&tree, &[&line[..], &from].concat());
    built().bytes();
    let before = names.clone().map(|name| Stand::image(&name));

    stand.push_base(&newer(&base), "nonroot");
    let first = stand.rebase(&[&names[0], "--prove"]);
    assert_eq!(first["images"][0]["proved"], true, "{first:#}");
    let others = stand.rebase(&[&names[1], &names[2]]);
    for image in others["images"].as_array().unwrap() {
        assert_eq!(image["state"], "rebased");
        let notes = json!(["`--skip-unchanged` finds the new image"]);
        assert_eq!(image["notes"], notes);
    }
    // Both bases are known here, and the registry has the new layer: descriptions are all that is left.
    let bytes = |key: &str| others[key].as_u64().unwrap();
    assert!(
        bytes("received") < 60_000 && bytes("sent") < 40_000,
        "{others:#}"
    );
    let after = names.clone().map(|name| Stand::image(&name));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.layers.len(), before.layers.len() + 1);
    }

    // An image that is not built again is not the old one.
    let said = built();
    assert!(said.stderr.contains("unchanged"), "{}", said.stderr);
    assert_eq!(names.clone().map(|name| Stand::image(&name)), after);

    // The trial start finds what no comparison of files does.
    let mut wrong = newer(&base);
    wrong.add(layer(&[("etc/other", b"")]));
    let env = wrong.config["config"]["Env"].as_array_mut().unwrap();
    env.push("NODE_OPTIONS=--require=/nowhere.cjs".into());
    stand.push_base(&wrong, "nonroot");
    let refused = stand.refused(&[&names[0], "--prove"]);
    assert!(
        refused.starts_with("exit code 4\n") && refused.contains("/nowhere.cjs"),
        "{refused}"
    );
    assert_eq!(Stand::image(&names[0]), after[0]);
}

#[test]
fn arguments_that_name_no_image() {
    let tree = Tree::new(&[]);
    let digest = format!("shop.example.com/a@sha256:{}", "0a".repeat(32));
    let mut text = String::new();
    for line in [
        "rebase server:main",
        &format!("rebase {digest}"),
        &format!("rebase shop.example.com/a:1 --tag {digest}"),
        "rebase shop.example.com/a:1 shop.example.com/b:1 --tag shop.example.com/c:1",
        "rebase shop.example.com/a:1 --tag other.example.com/a:1",
        "rebase shop.example.com/a:1 shop.example.com/a:2 --tag 3",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let outcome = slimbuild_with(tree.root(), &words, &without_docker());
        let refusal = outcome.refusal(tree.root());
        let _ = write!(text, "$ slimbuild {line}\n{refusal}\n");
    }
    crate::support::golden::assert_golden("rebase-refused.txt", &text);
}
