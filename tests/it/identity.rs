//! The identity of an image: `slimbuild hash`. It is equal wherever the same tree lies, and differs
//! where anything differs that reaches the image.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;
use slimbuild::Env;
use walkdir::WalkDir;

use crate::support::daemon::each_daemon;
use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::steps;
use crate::support::tree::{Order, Tree};

/// The identity of an app with these flags.
fn identity(tree: &Tree, app: &str, flags: &[&str]) -> String {
    let words: Vec<&str> = ["hash", app].iter().chain(flags).copied().collect();
    let text = slimbuild(tree.root(), &words).text();
    let digest = text.trim_end();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{text}"
    );
    digest.to_owned()
}

const APPS: [&str; 4] = ["apps/server", "apps/site", "apps/web", "apps/worker"];

const NATIVE: &[&str] = &["--engine", "native"];

/// The identities of all apps for both engines.
fn all(tree: &Tree) -> BTreeMap<(&'static str, bool), String> {
    let mut found = BTreeMap::new();
    for app in APPS {
        for native in [false, true] {
            let flags = if native { NATIVE } else { &[] };
            found.insert((app, native), identity(tree, app, flags));
        }
    }
    found
}

fn chmod(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_same_tree_has_the_same_identity_everywhere() {
    let tree = Tree::shop();
    let expected = all(&tree);
    let mut distinct: Vec<&String> = expected.values().collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 8, "apps and engines differ");

    // Another directory, written in another order.
    let other = Tree::shop_in(Order::Backwards);
    assert_eq!(all(&other), expected);

    // Under a strict umask and under none.
    for (file, directory) in [(0o600, 0o700), (0o666, 0o777)] {
        for entry in WalkDir::new(other.root()) {
            let entry = entry.unwrap();
            let mode = if entry.file_type().is_dir() {
                directory
            } else {
                file
            };
            chmod(entry.path(), mode);
        }
        assert_eq!(all(&other), expected, "{file:o}");
    }

    // With what lies about in a directory where somebody works.
    other.write("node_modules/.modules.yaml", "x");
    other.write("apps/server/node_modules/fastify/package.json", "{}");
    other.write("apps/server/dist/main.js", "x");
    other.write("apps/web/.next/BUILD_ID", "x");
    other.write("apps/web/.env.local", "SECRET=1");
    other.write("apps/server/.turbo/log", "x");
    other.write("apps/server/server.oci.tar", "x");
    other.write(".git/HEAD", "ref: refs/heads/feature\n");
    other.write("apps/server/slimbuild.json", "{\"tags\": [\"a/b:1\"]}");
    other.write("apps/worker/README.md", "x");
    assert_eq!(all(&other), expected);

    // From inside of the app, and by its name.
    let inside = slimbuild(&other.root().join("apps/web/app"), &["hash"]).text();
    assert_eq!(inside.trim_end(), expected[&("apps/web", false)]);
    assert_eq!(
        identity(&other, "@shop/web", &[]),
        expected[&("apps/web", false)]
    );

    // Through a symlink.
    let link = Tree::new(&[]);
    symlink(other.root(), link.root().join("link")).unwrap();
    let linked = slimbuild(&link.root().join("link"), &["hash", "apps/web"]).text();
    assert_eq!(linked.trim_end(), expected[&("apps/web", false)]);

    // The environment of a machine.
    let env: Env = [
        ("HOME", "/nowhere"),
        ("USER", "somebody"),
        ("HTTP_PROXY", "http://proxy:1"),
        ("SOURCE_DATE_EPOCH", "1700000000"),
        ("DOCKER_HOST", "tcp://nowhere:1"),
        ("CI", "true"),
    ]
    .into_iter()
    .collect();
    let there = slimbuild_with(other.root(), &["hash", "apps/web"], &env).text();
    assert_eq!(there.trim_end(), expected[&("apps/web", false)]);
}

/// A change that must show, and the kind of input that it changes.
struct Change {
    name: &'static str,
    app: &'static str,
    edit: fn(&Tree),
    flags: &'static [&'static str],
    kind: &'static str,
}

fn nothing(_: &Tree) {}

#[rustfmt::skip]
const CHANGES: &[Change] = &[
    Change { name: "content", app: "apps/worker", edit: |t| t.append("apps/worker/src/main.js", " "), flags: &[], kind: "files" },
    Change { name: "mode", app: "apps/worker", edit: |t| chmod(&t.root().join("apps/worker/src/main.js"), 0o755), flags: &[], kind: "files" },
    Change { name: "name", app: "apps/web", edit: |t| fs_err::rename(t.root().join("apps/web/public/robots.txt"), t.root().join("apps/web/public/robots2.txt")).unwrap(), flags: &[], kind: "files" },
    Change { name: "an empty file", app: "apps/worker", edit: |t| t.write("apps/worker/src/empty", ""), flags: &[], kind: "files" },
    Change { name: "a symlink", app: "apps/worker", edit: |t| symlink("main.js", t.root().join("apps/worker/src/link")).unwrap(), flags: &[], kind: "files" },
    Change { name: "an included file", app: "apps/worker", edit: |t| t.write("notes.txt", "x"), flags: &["--include", "notes.txt"], kind: "files" },
    Change { name: "an excluded file", app: "apps/web", edit: nothing, flags: &["--exclude", "apps/web/public/**"], kind: "files" },
    Change { name: "a library's content", app: "apps/server", edit: |t| t.append("packages/catalog/src/index.ts", " "), flags: &[], kind: "files" },
    Change { name: "a package", app: "apps/worker", edit: |t| t.replace("pnpm-lock.yaml", "\n  croner@10.0.1:\n    resolution: {integrity: sha512-", "\n  croner@10.0.1:\n    resolution: {integrity: sha512-AAAA"), flags: &[], kind: "lockfile" },
    Change { name: "a setting", app: "apps/worker", edit: |t| t.append("pnpm-workspace.yaml", "fetchRetries: 5\n"), flags: &[], kind: "settings" },
    Change { name: "pnpm", app: "apps/worker", edit: |t| t.replace("package.json", "pnpm@10.34.8", "pnpm@10.34.7"), flags: &[], kind: "plan" },
    Change { name: "node", app: "apps/worker", edit: nothing, flags: &["--node", "20"], kind: "bases" },
    Change { name: "base", app: "apps/worker", edit: nothing, flags: &["--base", "alpine"], kind: "bases" },
    Change { name: "a pinned base", app: "apps/worker", edit: nothing, flags: &["--base", "node:22@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"], kind: "bases" },
    Change { name: "build base", app: "apps/server", edit: nothing, flags: &["--build-base", "node:22"], kind: "bases" },
    Change { name: "mirror", app: "apps/server", edit: nothing, flags: &["--registry-mirror", "mirror.example.com"], kind: "bases" },
    Change { name: "platform", app: "apps/worker", edit: nothing, flags: &["--platform", "linux/riscv64"], kind: "platforms" },
    Change { name: "two platforms", app: "apps/worker", edit: nothing, flags: &["--platform", "linux/amd64,linux/arm64"], kind: "platforms" },
    Change { name: "task", app: "apps/server", edit: |t| t.replace("turbo.json", "\"test\": {", "\"@shop/server#build\": {\"dependsOn\": [\"^build\", \"test\"]},\n\"test\": {"), flags: &[], kind: "tasks" },
    Change { name: "entry", app: "apps/worker", edit: nothing, flags: &["--entry", "src/main.js"], kind: "" },
    Change { name: "no proof", app: "apps/worker", edit: nothing, flags: &["--no-verify"], kind: "" },
    Change { name: "whole modules", app: "apps/worker", edit: nothing, flags: &["--whole-modules"], kind: "plan" },
    Change { name: "environment", app: "apps/worker", edit: |t| t.write("slimbuild.json", "{\"env\": {\"reason\": \"a\"}}"), flags: &[], kind: "plan" },
    Change { name: "label", app: "apps/worker", edit: |t| t.write("slimbuild.json", "{\"labels\": {\"why\": \"a\"}}"), flags: &[], kind: "plan" },
    Change { name: "port", app: "apps/worker", edit: |t| t.write("slimbuild.json", "{\"port\": 4000}"), flags: &[], kind: "plan" },
    Change { name: "health check", app: "apps/worker", edit: |t| t.write("slimbuild.json", "{\"port\": 4000, \"healthcheck\": \"/health\"}"), flags: &[], kind: "plan" },
    Change { name: "writable", app: "apps/worker", edit: |t| t.write("apps/worker/slimbuild.json", "{\"writable\": [\"data\"]}"), flags: &[], kind: "plan" },
    Change { name: "a secret's name", app: "apps/server", edit: nothing, flags: &["--secret", "id=TOKEN"], kind: "plan" },
    Change { name: "a declared build argument", app: "apps/server", edit: |t| t.replace("turbo.json", "\"build\": {", "\"build\": {\"env\": [\"MODE\"],"), flags: &["--build-arg", "MODE=a"], kind: "arguments" },
];

#[test]
fn every_input_of_an_image_shows() {
    let tree = Tree::shop();
    let expected = all(&tree);
    let mut wrong = Vec::new();
    for change in CHANGES {
        let changed = Tree::shop();
        (change.edit)(&changed);
        for native in [false, true] {
            let only_docker = ["base", "a pinned base"];
            let mut flags = change.flags.to_vec();
            if native && only_docker.contains(&change.name) {
                continue;
            }
            if native {
                flags.extend(NATIVE);
            }
            let now = identity(&changed, change.app, &flags);
            let same = now == expected[&(change.app, native)];
            // Without Docker, only a base by name is an image.
            let wants_same = match change.name {
                // It starts the same file as the `start` script; a proof leaves nothing in an image.
                "entry" | "no proof" => true,
                "build base" => native,
                _ => false,
            };
            if same != wants_same {
                wrong.push(format!("{} (native: {native}): same: {same}", change.name));
            }
            let by_version = native && change.name == "node";
            if by_version || change.kind.is_empty() {
                continue;
            }
            let kinds = kinds(&tree, &changed, change.app, &flags, native);
            if !wants_same && !kinds.contains(&change.kind.to_owned()) {
                wrong.push(format!("{} (native: {native}): {kinds:?}", change.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The kinds of inputs that differ.
fn kinds(before: &Tree, now: &Tree, app: &str, flags: &[&str], native: bool) -> Vec<String> {
    let parts = |tree: &Tree, flags: &[&str]| {
        let words: Vec<&str> = ["hash", app, "--json"]
            .iter()
            .chain(flags)
            .copied()
            .collect();
        let document: Value = serde_json::from_str(&slimbuild(tree.root(), &words).text()).unwrap();
        document["apps"][0]["parts"].as_object().unwrap().clone()
    };
    let plain = if native { NATIVE } else { &[] };
    let (before, now) = (parts(before, plain), parts(now, flags));
    let all = before.keys().chain(now.keys());
    let mut found: Vec<String> = all
        .filter(|key| before.get(*key) != now.get(*key))
        .cloned()
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn what_no_image_depends_on_does_not_show() {
    let tree = Tree::shop();
    let secret: Env = [("TOKEN", "one")].into_iter().collect();
    let other: Env = [("TOKEN", "two")].into_iter().collect();
    let hash = |tree: &Tree, flags: &[&str], env: &Env| {
        let words: Vec<&str> = ["hash", "apps/server"]
            .iter()
            .chain(flags)
            .copied()
            .collect();
        slimbuild_with(tree.root(), &words, env).text()
    };
    // The value of a secret.
    let flags = ["--secret", "id=TOKEN"];
    assert_eq!(hash(&tree, &flags, &secret), hash(&tree, &flags, &other));
    // A build argument that no task reads, and the address of a proxy.
    let plain = identity(&tree, "apps/server", &[]);
    for flags in [
        &["--build-arg", "NOBODY=reads"][..],
        &["--build-arg", "HTTP_PROXY=http://proxy:1"],
        &["--no-trial"],
        &["--platform", &host_platform()],
        &["--insecure-registry", "localhost:5000"],
    ] {
        assert_eq!(identity(&tree, "apps/server", flags), plain, "{flags:?}");
    }
    // The value of one that is read shows, but only as a digest.
    tree.replace(
        "turbo.json",
        "\"build\": {",
        "\"build\": {\"env\": [\"MODE\"],",
    );
    let flags = |value: &str| format!("--build-arg=MODE={value}");
    let one = identity(&tree, "apps/server", &[&flags("production")]);
    assert_ne!(one, identity(&tree, "apps/server", &[&flags("staging")]));
    let words = ["hash", "apps/server", "--json", &flags("production")];
    let json = slimbuild(tree.root(), &words).text();
    assert!(json.contains("\"arguments\""), "{json}");
    assert!(!json.contains("production"), "{json}");
    assert!(!json.contains(tree.root().to_str().unwrap()), "{json}");
}

fn host_platform() -> String {
    let processor = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    format!("linux/{processor}")
}

#[test]
fn several_apps_are_hashed_at_once() {
    let tree = Tree::shop();
    let lines = APPS.map(|app| format!("{}  {app}\n", identity(&tree, app, &[])));
    let expected = lines.concat();
    let words: Vec<&str> = ["hash"].iter().chain(&APPS).copied().collect();
    assert_eq!(slimbuild(tree.root(), &words).text(), expected);
    assert_eq!(slimbuild(tree.root(), &["hash", "--all"]).text(), expected);
    let twice = slimbuild(tree.root(), &["hash", "apps/web", "@shop/web"]).text();
    assert_eq!(twice.lines().count(), 1);
    let outcome = slimbuild(tree.root(), &["hash", "apps/web", "nope"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    tree.replace("apps/worker/package.json", "^10.0.1", "^11.0.0");
    let outcome = slimbuild(tree.root(), &["hash", "--all"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .starts_with("error: apps/worker cannot be planned\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_base_on_the_disk_counts_by_its_content() {
    let tree = Tree::shop();
    let base = |digit: &str| {
        let config = format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{{\"Env\":[\"A={digit}\"]}},\"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[]}}}}"
        );
        let put = |bytes: &str, dir: &Tree| {
            let digest = slimbuild::internals::Digest::of(bytes.as_bytes());
            dir.write(&format!("blobs/sha256/{}", digest.hex()), bytes);
            digest
        };
        let dir = Tree::new(&[("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}")]);
        let of_config = put(&config, &dir);
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"{of_config}\",\"size\":{}}},\"layers\":[]}}",
            config.len()
        );
        let of_manifest = put(&manifest, &dir);
        dir.write("index.json", &format!("{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{of_manifest}\",\"size\":{}}}]}}", manifest.len()));
        dir
    };
    let hash = |dir: &Tree| {
        let base = format!("oci:{}", dir.root().display());
        identity(&tree, "apps/worker", &["--base", &base])
    };
    let (one, same, other) = (base("1"), base("1"), base("2"));
    assert_eq!(hash(&one), hash(&same));
    assert_ne!(hash(&one), hash(&other));
    // One that lies in the app is no file of the app, as in a build.
    let expected = hash(&one);
    for file in one.files() {
        let text = one.read(file.to_str().unwrap());
        let path = format!("apps/worker/base/{}", file.display());
        tree.write(&path, &text);
    }
    let flags = ["--base", "oci:apps/worker/base"];
    assert_eq!(identity(&tree, "apps/worker", &flags), expected);
    tree.write("slimbuild.json", r#"{"base": "oci:apps/worker/base"}"#);
    assert_eq!(identity(&tree, "apps/worker", &[]), expected);
}

#[test]
fn images_have_their_identity_and_no_layer_depends_on_it() {
    each_daemon(
        "images_have_their_identity_and_no_layer_depends_on_it",
        |daemon| {
            let tree = Tree::shop();
            let tag = daemon.tag("identity");
            let build = |tree: &Tree| {
                steps::build(daemon, tree.root(), "apps/worker", &tag.name);
                let image = daemon.image(&tag.name);
                let labels = image.config.unwrap().labels.unwrap();
                let layers = image.root_fs.unwrap().layers.unwrap();
                (labels["dev.slimbuild.identity"].clone(), layers)
            };
            let (first, layers) = build(&tree);
            assert_eq!(first, identity(&tree, "apps/worker", &[]));
            // Another identity by what is only in the configuration.
            tree.write("slimbuild.json", "{\"labels\": {\"a\": \"b\"}}");
            let (second, same) = build(&tree);
            assert_eq!(second, identity(&tree, "apps/worker", &[]));
            assert_ne!(second, first);
            assert_eq!(same, layers);
            let again = steps::build(daemon, tree.root(), "apps/worker", &tag.name);
            assert_eq!(again.ran(), [""; 0]);
        },
    );
}
