//! The budget of an image, in `slimbuild size` and in builds.

use insta::assert_snapshot;

use super::layout::{package, server};
use crate::registry::registry;
use crate::support::daemon::each_daemon;
use crate::support::program::{Outcome, slimbuild};
use crate::support::tree::Tree;
use crate::support::unique;

/// The sizes of the app's image in a workspace with a budget.
fn size(tree: &Tree, budget: &str, more: &[&str]) -> Outcome {
    tree.write(
        "apps/server/slimbuild.json",
        &format!(r#"{{ "budget": {budget} }}"#),
    );
    let line = ["size", "apps/server", "--image", "oci:image", "--json"];
    slimbuild(tree.root(), &[&line, more].concat())
}

#[test]
fn an_image_above_its_budget_has_an_exit_code_of_its_own() {
    let tree = Tree::shop();
    server().layout(&tree.root().join("image"));
    let mut small = server();
    small.layers[1].retain(|(path, _)| !path.contains("/ajv@8"));
    small.layers[0].retain(|(path, _)| !path.contains("libc"));
    small.layout(&tree.root().join("small"));
    let mut large = server();
    large.layers[1].extend(package("zod", "3.24.1", 60_000));
    large.layout(&tree.root().join("large"));
    let warning = |outcome: Outcome| {
        assert!(
            outcome.stdout.starts_with(b"{"),
            "the sizes are printed all the same"
        );
        let told = outcome.stderr.split_once("error: ");
        format!(
            "exit code {}\n{}",
            outcome.code,
            told.map_or("", |(_, told)| told)
        )
    };
    assert_snapshot!(warning(size(&tree, "\"584.191 kB\"", &[])), @"
    exit code 5
    the image of apps/server has 584.19 kB, which is 1 B more than its budget of 584.19 kB (`budget` in apps/server/slimbuild.json)

    hint: most is in fastify@5.2.0 (60.04 kB), @img/sharp-linuxmusl-x64@0.33.5 (40.08 kB) and ajv@8.17.1 (30.03 kB); the rest stands above
    ");
    assert_snapshot!(warning(size(&tree, "\"0.5 MB\"", &[])), @"
    exit code 5
    the image of apps/server has 584.19 kB, which is 84.19 kB more than its budget of 500.00 kB (`budget` in apps/server/slimbuild.json)

    hint: most is in fastify@5.2.0 (60.04 kB), @img/sharp-linuxmusl-x64@0.33.5 (40.08 kB) and ajv@8.17.1 (30.03 kB); the rest stands above
    ");
    let growth = r#"{ "size": "1 MB", "growth": "1 kB" }"#;
    assert_snapshot!(warning(size(&tree, growth, &["--against", "oci:small"])), @"
    exit code 5
    the image of apps/server has grown by 124.42 kB, and may by 1.00 kB (`budget` in apps/server/slimbuild.json): oci:small against oci:image

    hint: most of it is in libc6 (+99.11 kB) and ajv (+30.03 kB)
    ");
    assert_snapshot!(warning(size(&tree, growth, &["--against", "oci:large"])), @"exit code 0");
}

#[test]
fn what_is_no_budget_is_refused() {
    let tree = Tree::shop();
    let refused = |budget: &str| size(&tree, budget, &[]).refusal(tree.root());
    assert_snapshot!(refused("220"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 13: `budget` must be a size, as "220 MB", or an object with `size` and `growth`, and is `220`
    "#);
    assert_snapshot!(refused("\"220 parsecs\""), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 13: `budget` must be a size, as "220 MB", or an object with `size` and `growth`, and is `"220 parsecs"`
    "#);
    assert_snapshot!(refused("{}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 13: `budget` must be a size, as "220 MB", or an object with `size` and `growth`, and is `{}`
    "#);
    assert_snapshot!(refused(r#"{ "size": "1 MB", "grow": "1 MB" }"#), @"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 31: there is no key `budget.grow`

    hint: did you mean `growth`?
    ");
}

const MAIN: &str = "require('node:http').createServer((_, answer) => answer.end()).listen(3000);";

/// A server whose build writes it, with a budget.
fn api(budget: &str) -> Tree {
    let tree = crate::trial::server(MAIN);
    let build = format!(
        "const fs = require('node:fs'); fs.mkdirSync('dist', {{ recursive: true }}); fs.writeFileSync('dist/main.js', {MAIN:?});"
    );
    tree.write("apps/api/build.js", &build);
    allow(&tree, budget);
    tree
}

fn allow(tree: &Tree, budget: &str) {
    tree.write("slimbuild.json", &format!(r#"{{ "budget": "{budget}" }}"#));
}

/// Whether a registry has this tag.
fn is_pushed(tree: &Tree, name: &str) -> bool {
    let looked = slimbuild(tree.root(), &["size", &format!("docker://{name}")]);
    looked.code == 0
}

#[test]
fn what_a_daemon_makes_gets_no_name_above_its_budget() {
    let test = "what_a_daemon_makes_gets_no_name_above_its_budget";
    let Some(registry) = registry("LAB_REGISTRY", "127.0.0.1:5000", test) else {
        return;
    };
    each_daemon(test, |daemon| {
        let tree = api("1 MB");
        let name = format!("{registry}/slimbuild-it/budget-{}:1", unique());
        let build = |more: &[&str]| {
            let words = [&["apps/api", "--no-trial", "-t", &name], more].concat();
            daemon.slimbuild(tree.root(), &words)
        };
        let there = || daemon.wait(daemon.client.inspect_image(&name)).is_ok();
        let over = build(&["--push"]);
        assert_eq!(over.code, 5, "{}", over.stderr);
        assert!(
            over.stderr.contains("more than its budget of 1.00 MB"),
            "{}",
            over.stderr
        );
        assert!(!there() && !is_pushed(&tree, &name), "{}", over.stderr);
        // The hint names the image that is there.
        let (_, rest) = over.stderr.split_once("`slimbuild size ").unwrap();
        let image = rest.split('`').next().unwrap();
        daemon.slimbuild(tree.root(), &["size", image]).bytes();
        allow(&tree, "2 GB");
        build(&["--push"]).bytes();
        assert!(there() && is_pushed(&tree, &name));
        // One that is there already keeps to it too.
        build(&["--skip-unchanged"]).bytes();
        allow(&tree, "1 MB");
        let unchanged = build(&["--skip-unchanged"]);
        assert_eq!(unchanged.code, 5, "{}", unchanged.stderr);
        daemon.remove(&name);
    });
}
