//! Names of images with facts in their places. A dry run with `--push` names an image that has no
//! registry, so nothing needs to be built to see a name.

use std::process::Command;

use slimbuild::Env;

use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::tree::Tree;

/// The name of the worker's image, or the refusal.
fn named(tree: &Tree, flags: &[&str], env: &[(&str, &str)]) -> Result<String, String> {
    let words = ["apps/worker", "--dry-run", "--push"];
    let words: Vec<&str> = words.iter().chain(flags).copied().collect();
    let outcome = slimbuild_with(tree.root(), &words, &env.iter().copied().collect::<Env>());
    let before = "error: `--push` cannot tell where to push `";
    let name = outcome.stderr.strip_prefix(before);
    let name = name
        .and_then(|rest| rest.split_once("`: "))
        .map(|(name, _)| name.to_owned());
    name.ok_or(outcome.stderr)
}

fn git(tree: &Tree, words: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=x", "-c", "user.email=x@example.com"])
        .args(words);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    assert!(
        git.current_dir(tree.root())
            .output()
            .unwrap()
            .status
            .success()
    );
}

#[test]
fn facts_are_filled_in() {
    let tree = Tree::shop();
    git(&tree, &["init", "--quiet", "--initial-branch=feature/A_b"]);
    git(&tree, &["add", "--all"]);
    git(&tree, &["commit", "--quiet", "-m", "x"]);
    let commit = tree.read(".git/refs/heads/feature/A_b");
    let commit = commit.trim();
    let hash = slimbuild(tree.root(), &["hash", "apps/worker"]).text();
    let hash = hash.trim().trim_start_matches("sha256:");
    let epoch = [("SOURCE_DATE_EPOCH", "1700000000")];
    for (template, name) in [
        ("{app}", "worker:latest"),
        ("{app}:{version}", "worker:1.0.0"),
        ("{app}:{git.sha}", &*format!("worker:{commit}")),
        ("{app}:{git.short}", &format!("worker:{}", &commit[..7])),
        ("{app}:{git.branch}", "worker:feature-A_b"),
        ("{app}:{date}", "worker:2023-11-14"),
        ("{app}:{hash}", &format!("worker:{hash}")),
    ] {
        let found = named(&tree, &["-t", template], &epoch);
        assert_eq!(found.as_deref(), Ok(name), "{template}");
    }
    // In slimbuild.json, for one app and for all.
    tree.write(
        "apps/worker/slimbuild.json",
        "{\"tags\": [\"{app}:{version}\"]}",
    );
    assert_eq!(named(&tree, &[], &[]).as_deref(), Ok("worker:1.0.0"));
    tree.write("slimbuild.json", "{\"tags\": [\"{app}:all\"]}");
    assert_eq!(named(&tree, &[], &[]).as_deref(), Ok("worker:1.0.0"));
    tree.remove("apps/worker/slimbuild.json");
    assert_eq!(named(&tree, &[], &[]).as_deref(), Ok("worker:all"));
    tree.write("slimbuild.json", "{\"tags\": [\"all\"]}");
    let refusal = named(&tree, &[], &[]).unwrap_err();
    assert!(
        refusal.contains("`tags` cannot be the same for all apps"),
        "{refusal}"
    );
    assert!(
        refusal.contains("hint: write `{app}` in each name"),
        "{refusal}"
    );
}

#[test]
fn a_fact_that_is_not_known_is_told() {
    let tree = Tree::shop();
    for (template, why) in [
        (
            "{app}:{git.sha}",
            "the workspace is in no git repository with a commit",
        ),
        (
            "{app}:{git.branch}",
            "no branch is checked out, and no pipeline names one",
        ),
    ] {
        let refusal = named(&tree, &["-t", template], &[]).unwrap_err();
        assert!(
            refusal.contains(&format!("is not known: {why}\n")),
            "{refusal}"
        );
    }
    // A pipeline knows them where only the files are.
    let env = [("GITHUB_SHA", "0123456789"), ("GITHUB_REF_NAME", "x/y")];
    let found = named(&tree, &["-t", "{app}:{git.short}-{git.branch}"], &env);
    assert_eq!(found.as_deref(), Ok("worker:0123456-x-y"));
    tree.replace("apps/worker/package.json", "\"version\": \"1.0.0\",", "");
    let refusal = named(&tree, &["-t", "{app}:{version}"], &[]).unwrap_err();
    assert!(
        refusal.contains("the app's package.json has no `version`"),
        "{refusal}"
    );
    let refusal = named(&tree, &["-t", "{app}:{commit}"], &[]).unwrap_err();
    assert!(
        refusal.contains(
            "`{commit}` stands for nothing; there are {registry}, {image}, {app}, {name}"
        ),
        "{refusal}"
    );
}

/// The repositories that an app's image would be pushed to.
fn repositories(tree: &Tree, app: &str, flags: &[&str]) -> Result<Vec<String>, String> {
    let words = [app, "--dry-run", "--push", "--skip-unchanged"];
    let outcome = slimbuild(tree.root(), &[&words, flags].concat());
    let (_, names) = outcome
        .stderr
        .split_once("it would not be built if ")
        .ok_or(outcome.stderr.clone())?;
    let names = names.trim_end().trim_end_matches(" is there");
    let repository = |name: &str| {
        let (repository, key) = name.rsplit_once(':').unwrap();
        assert!(key.starts_with("slimbuild-") && key.len() == 42, "{name}");
        repository.to_owned()
    };
    Ok(names.split(" and ").map(repository).collect())
}

#[test]
fn the_registry_and_the_image_hold_for_all_apps() {
    let tree = Tree::shop();
    let worker = |flags: &[&str]| repositories(&tree, "apps/worker", flags);
    tree.write("slimbuild.json", r#"{"registry": "ghcr.io/shop"}"#);
    assert_eq!(worker(&[]).unwrap(), ["ghcr.io/shop/worker"]);
    tree.write(
        "slimbuild.json",
        r#"{"registry": "ghcr.io/shop", "image": "{registry}/live/{name}"}"#,
    );
    assert_eq!(worker(&[]).unwrap(), ["ghcr.io/shop/live/shop/worker"]);
    let named = worker(&["-t", "{image}:1", "-t", "{registry}/{app}:2"]);
    let expected = ["ghcr.io/shop/live/shop/worker", "ghcr.io/shop/worker"];
    assert_eq!(named.unwrap(), expected);
    // Names of a file, and an app with a registry of its own.
    tree.write(
        "slimbuild.json",
        r#"{"registry": "ghcr.io/shop", "tags": ["{image}:{version}", "docker.io/shop/{app}"]}"#,
    );
    let expected = ["ghcr.io/shop/worker", "docker.io/shop/worker"];
    assert_eq!(worker(&[]).unwrap(), expected);
    tree.write(
        "apps/worker/slimbuild.json",
        r#"{"registry": "127.0.0.1:5000"}"#,
    );
    let expected = ["127.0.0.1:5000/worker", "docker.io/shop/worker"];
    assert_eq!(worker(&[]).unwrap(), expected);

    for (file, problem) in [
        (
            r#"{"image": "{registry}/{app}"}"#,
            "`{registry}` in the image's name is not known: slimbuild.json has no `registry`",
        ),
        (
            r#"{"image": "a/b"}"#,
            "`image` cannot be the same for all apps",
        ),
        (r#"{"image": "{app}:1"}"#, "`image` has a tag"),
        (r#"{"image": "{image}/{app}"}"#, "`image` stands for itself"),
        (
            r#"{"registry": "ghcr.io/Shop"}"#,
            "`registry`: `ghcr.io/Shop/x` is not an image name",
        ),
        (r#"{"registry": "https://ghcr.io"}"#, "`registry`: "),
    ] {
        let tree = Tree::shop();
        tree.write("slimbuild.json", file);
        let said = repositories(&tree, "apps/worker", &[]).unwrap_err();
        assert!(said.contains(problem), "{file}: {said}");
    }
}
