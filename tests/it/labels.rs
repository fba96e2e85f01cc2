//! The labels that tell where an image comes from.

use std::collections::BTreeMap;

use serde_json::Value;
use slimbuild::Env;

use crate::affected::{commit, git};
use crate::base::cache;
use crate::faults::has_base;
use crate::many::servers;
use crate::support::archive::entries;
use crate::support::daemon::one_daemon;
use crate::support::program::slimbuild_with;
use crate::support::steps;
use crate::support::tree::Tree;

const PREFIX: &str = "org.opencontainers.image.";

/// The labels of an image that is made without Docker, without their prefix.
fn labels(tree: &Tree, more: &[&str], env: &[(&str, &str)]) -> BTreeMap<String, String> {
    let cache = cache();
    let own = ["apps/a", "--engine", "native", "--prebuilt", "--no-verify"];
    let to = ["-o", "x.tar", "--cache-dir", cache.to_str().unwrap()];
    let process = Env::of_process();
    let mut variables = vec![("PATH", process.get("PATH").unwrap().to_owned())];
    variables.extend(env.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let env: Env = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    slimbuild_with(tree.root(), &[&own[..], &to, more].concat(), &env).text();
    let archive = fs_err::read(tree.root().join("x.tar")).unwrap();
    let archive = entries(&archive);
    let read = |path: &str| -> Value {
        let entry = archive.iter().find(|entry| entry.path == path).unwrap();
        serde_json::from_slice(&entry.content).unwrap()
    };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        read(&format!("blobs/{}", digest.replace(':', "/")))
    };
    let manifest = blob(&read("index.json")["manifests"][0]);
    let config = blob(&manifest["config"]);
    let labels = config["config"]["Labels"].as_object().cloned();
    let labels = labels.unwrap_or_default().into_iter();
    let text = |value: Value| value.as_str().unwrap().to_owned();
    labels
        .map(|(name, value)| (name.replace(PREFIX, ""), text(value)))
        .collect()
}

/// An app in a repository of git.
fn repository() -> Tree {
    let tree = servers(&[("a", "")]);
    tree.write("apps/a/dist/main.js", "console.log(1)");
    tree.replace(
        "apps/a/package.json",
        r#""name""#,
        r#""version": "1.2.3", "name""#,
    );
    git(tree.root(), &["init", "--quiet"]);
    commit(tree.root(), "first");
    tree
}

fn of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(own).collect()
}

#[test]
fn labels_tell_where_an_image_comes_from() {
    if !has_base("labels_tell_where_an_image_comes_from") {
        return;
    }
    let tree = repository();
    let revision = git(tree.root(), &["rev-parse", "HEAD"]);
    let mut expected = of(&[
        ("title", "a"),
        ("version", "1.2.3"),
        ("revision", &revision),
    ]);
    let mut found = labels(&tree, &[], &[]);
    // Seconds of the commit: it was made just now.
    let created = found.remove("created").unwrap();
    assert!(
        created.starts_with("20") && created.ends_with('Z'),
        "{created}"
    );
    assert_eq!(found, expected);

    // No password of the remote is in any of them.
    let remote = "https://user:s3cr3t-t0ken@git.example.com/acme/shop.git";
    git(tree.root(), &["remote", "add", "origin", remote]);
    expected.insert(
        "source".to_owned(),
        "https://git.example.com/acme/shop".to_owned(),
    );
    expected.insert("created".to_owned(), "2023-11-14T22:13:20Z".to_owned());
    let epoch = [("SOURCE_DATE_EPOCH", "1700000000")];
    assert_eq!(labels(&tree, &[], &epoch), expected);
    let archive = fs_err::read(tree.root().join("x.tar")).unwrap();
    let secret = b"s3cr3t";
    assert!(!archive.windows(secret.len()).any(|part| part == secret));

    // A change that is not committed is no reason to fail.
    tree.append("apps/a/build.js", "// changed");
    assert_eq!(labels(&tree, &[], &epoch), expected);

    // The user's own win.
    tree.write(
        "slimbuild.json",
        r#"{"labels": {"org.opencontainers.image.title": "Mine"}}"#,
    );
    expected.insert("title".to_owned(), "Mine".to_owned());
    expected.insert("source".to_owned(), "elsewhere".to_owned());
    let own = "org.opencontainers.image.source=elsewhere";
    assert_eq!(labels(&tree, &["--label", own], &epoch), expected);

    // Without them, only those are left.
    let mine = of(&[("title", "Mine")]);
    assert_eq!(labels(&tree, &["--no-oci-labels"], &epoch), mine);
    tree.write("slimbuild.json", r#"{"ociLabels": false}"#);
    assert_eq!(labels(&tree, &[], &epoch), of(&[]));
}

#[test]
fn without_git_package_json_and_the_pipeline_tell_it() {
    if !has_base("without_git_package_json_and_the_pipeline_tell_it") {
        return;
    }
    let tree = servers(&[("a", "")]);
    tree.write("apps/a/dist/main.js", "console.log(1)");
    assert_eq!(labels(&tree, &[], &[]), of(&[("title", "a")]));
    let sha = "0123456789012345678901234567890123456789";
    let github = [
        ("GITHUB_SHA", sha),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/shop"),
    ];
    let mut expected = of(&[
        ("title", "a"),
        ("revision", sha),
        ("source", "https://github.com/acme/shop"),
    ]);
    assert_eq!(labels(&tree, &[], &github), expected);
    tree.replace(
        "package.json",
        "{",
        r#"{"repository": {"url": "git+https://x:s3cr3t@git.example.com/acme/all.git"}, "#,
    );
    let source = "https://git.example.com/acme/all";
    expected.insert("source".to_owned(), source.to_owned());
    assert_eq!(labels(&tree, &[], &github), expected);
}

#[test]
fn another_commit_builds_nothing_anew() {
    one_daemon("another_commit_builds_nothing_anew", |daemon| {
        let tree = Tree::shop();
        git(tree.root(), &["init", "--quiet"]);
        commit(tree.root(), "first");
        let tag = daemon.tag("labels");
        let built = || {
            let steps = steps::build(daemon, tree.root(), "apps/worker", &tag.name);
            let image = daemon.image(&tag.name);
            let labels = image.config.unwrap().labels.unwrap();
            let layers = image.root_fs.unwrap().layers.unwrap();
            (labels, layers, steps)
        };
        let (first, layers, _) = built();
        commit(tree.root(), "second");
        let (second, same, steps) = built();
        assert_eq!(steps.ran(), [""; 0]);
        assert_eq!(layers, same);
        let label = |of: usize, name: &str| {
            let labels = [&first, &second][of];
            labels.get(&format!("{PREFIX}{name}")).cloned()
        };
        let revision = git(tree.root(), &["rev-parse", "HEAD"]);
        assert_eq!(label(1, "revision"), Some(revision));
        assert_ne!(label(0, "revision"), label(1, "revision"));
        for name in ["title", "base.name", "created"] {
            assert!(label(1, name).is_some(), "{name}");
        }
        let identity = "dev.slimbuild.identity";
        assert_eq!(first[identity], second[identity]);
    });
}
