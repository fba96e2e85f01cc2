//! Bases of a few files, which lack one thing or another.

use serde_json::json;

use super::stand::{Base, Stand, library};
use crate::many::servers;
use crate::support::tree::Tree;

/// Machine code that needs a libc of 2.36, and libcs.
struct Code {
    module: Vec<u8>,
    libc: Vec<u8>,
    newer: Vec<u8>,
    older: Vec<u8>,
}

fn code() -> Code {
    let directory = crate::support::temporary();
    let at = directory.path();
    let text = "void f() {} void g() {} void h() {}";
    let libc = |file: &str, versions: &str| library(at, file, "libc.so.6", text, versions, &[]);
    let old = "GLIBC_2.9 { f; h; };";
    let known = "GLIBC_2.9 { f; h; }; GLIBC_2.36 { g; } GLIBC_2.9;";
    let new = "GLIBC_2.9 { f; }; GLIBC_2.36 { g; } GLIBC_2.9; GLIBC_2.41 { h; } GLIBC_2.36;";
    let base = libc("libc.so.6", known);
    let needs = "void g(); void x() { g(); }";
    Code {
        module: library(at, "x.node", "x", needs, "", &["libc.so.6"]),
        libc: base,
        newer: libc("newer.so", new),
        older: libc("older.so", old),
    }
}

/// A base with this node and this libc.
fn base(architecture: &str, node: &str, libc: &[u8], openssl: &str) -> Base {
    let node = format!("https://nodejs.org/download/release/v{node}/node-v{node}\0");
    let status = format!("Package: openssl\nVersion: {openssl}\n");
    let files = [
        ("nodejs/bin/node", node.as_bytes()),
        ("lib64/ld-linux-x86-64.so.2", b""),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", libc),
        ("etc/passwd", b"root:x:0:0::/:\n"),
        ("var/lib/dpkg/status.d/openssl", status.as_bytes()),
    ];
    Base::new(architecture, &files)
}

/// Pushes an app's image, with a module of machine code if it is given.
fn build(stand: &Stand, tree: &Tree, module: Option<&[u8]>, name: &str, more: &[&str]) {
    tree.write("apps/a/dist/main.js", "console.log(1)");
    let file = tree.root().join("apps/a/dist/x.node");
    match module {
        Some(module) => fs_err::write(file, module).unwrap(),
        None => drop(fs_err::remove_file(file)),
    }
    let base = stand.base("nonroot");
    let line = ["apps/a", "--prebuilt", "--no-verify", "--push", "-t", name];
    let from = ["--base", &base, "--engine", "native"];
    stand
        .slimbuild(tree, &[&line[..], &from, more].concat())
        .bytes();
}

#[test]
fn a_base_that_lacks_something_is_refused_to_those_who_need_it() {
    let test = "a_base_that_lacks_something_is_refused_to_those_who_need_it";
    let Some(stand) = Stand::new(test) else {
        return;
    };
    let code = code();
    let tree = servers(&[("a", "")]);
    let (plain, native) = (stand.name("plain:1"), stand.name("native:1"));
    stand.push_base(&base("amd64", "22.1.0", &code.libc, "3.0.1"), "nonroot");
    stand.push_base(&base("amd64", "22.1.0", &code.libc, "3.0.1"), "first");
    build(&stand, &tree, None, &plain, &[]);
    build(&stand, &tree, Some(&code.module), &native, &[]);

    // Newer is fine for both, under another tag. Nothing of the apps was read.
    stand.push_base(&base("amd64", "22.2.0", &code.newer, "3.0.2"), "nonroot");
    let done = stand.rebase(&[&plain, &native, "--tag", "2"]);
    let states: Vec<_> = done["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["state"])
        .collect();
    assert_eq!(states, ["rebased", "rebased"]);
    assert_eq!(
        done["bases"][0]["node"],
        json!({ "name": "node", "old": "22.1.0", "new": "22.2.0" })
    );
    let own = Stand::image(&native).layers[1..].to_vec();
    stand.has_no_layer(&own);
    assert_eq!(Stand::image(&stand.name("native:2")).layers[1..], own);

    // Older: the app's own code decides.
    stand.push_base(&base("amd64", "22.1.0", &code.older, "2.9"), "old");
    let old = stand.base("old");
    let (exit, done) = stand.some_refused(&[&plain, &native, "--base", &old]);
    assert_eq!(exit, 4);
    assert_eq!(done["images"][0]["state"], "rebased");
    let note = "the app needs nothing of what the new base lacks: GLIBC_2.36 of libc.so.6";
    assert_eq!(done["images"][0]["notes"], json!([note]));
    assert_eq!(done["images"][1]["state"], "failed");
    let refused = stand.refused(&[&native, "--base", &old]);
    insta::assert_snapshot!(refused, @"
    exit code 4
    error: `HOME/native:1` is left as it is: a needs GLIBC_2.36 of libc.so.6, and the base's is older: it has GLIBC_2.9 (`app/apps/a/dist/x.node`)

    hint: name a base that is as new as the old one, or build the image on this base
    ");
    assert_eq!(
        stand.refused(&[&native, "--base", &old, "--prove"]),
        refused
    );

    // Another node, another C library, another way to start.
    stand.push_base(&base("amd64", "24.1.0", &code.libc, "3.0.1"), "24");
    insta::assert_snapshot!(stand.refused(&[&native, "--base", &stand.base("24")]), @r#"
    exit code 4
    error: `HOME/native:1` is left as it is: the new base has node 24.1.0, and the old one 22.1.0: another major version has another interface for compiled modules

    hint: build the image on that base (`slimbuild APP --base REF`), or name a base that is closer to the old one
    "#);
    let mut other = base("amd64", "22.1.0", &code.libc, "3.0.3");
    other.config["config"]["Entrypoint"] = json!(["/entry.sh"]);
    stand.push_base(&other, "entry");
    insta::assert_snapshot!(stand.refused(&[&native, "--base", &stand.base("entry")]), @r#"
    exit code 4
    error: `HOME/native:1` is left as it is: its entry point is the base's, and the new base has another: ["/entry.sh"], not ["/nodejs/bin/node"]

    hint: build the image again: the build takes the new base
    "#);

    // An image that nobody knows, one without a word about its base, and one whose base is another.
    insta::assert_snapshot!(stand.refused(&[&stand.base("24")]), @r#"
    exit code 4
    error: `HOME/distroless/nodejs22-debian12:24` is left as it is: slimbuild has not made it

    hint: build the image with slimbuild, or ask those who build it for a new one
    "#);
    let silent = stand.name("silent:1");
    build(&stand, &tree, None, &silent, &["--no-oci-labels"]);
    insta::assert_snapshot!(stand.refused(&[&silent]), @r#"
    exit code 4
    error: `HOME/silent:1` is left as it is: it does not say which base it has

    hint: name the new base and the old one: `--base NAME:TAG --old-base NAME@sha256:…`; the base that slimbuild makes itself, and Alpine without npm, are no layers of a registry: build such an image again
    "#);
    let line = [&native, "--old-base", &stand.base("24"), "--base", &old];
    insta::assert_snapshot!(stand.refused(&line), @r#"
    exit code 4
    error: `HOME/native:1` is left as it is: its first layers are not those of the base that it is said to have

    hint: name the base that it was built on, with `--old-base NAME@sha256:…`, or build the image again
    "#);
    // It can be said.
    let first = stand.base("first");
    stand.push_base(&base("amd64", "22.3.0", &code.newer, "3.0.4"), "next");
    let next = stand.base("next");
    let done = stand.rebase(&[&silent, "--old-base", &first, "--base", &next]);
    assert_eq!(done["images"][0]["state"], "rebased");
    let labels = &Stand::image(&silent).config["config"]["Labels"];
    assert!(labels.is_null(), "{labels}");
}

#[test]
fn each_platform_gets_its_own_base() {
    let test = "each_platform_gets_its_own_base";
    let Some(stand) = Stand::new(test) else {
        return;
    };
    let code = code();
    let index = |tag: &str, node: &str, architectures: &[&str]| {
        let mut parts = Vec::new();
        for architecture in architectures {
            let part = stand.base(&format!("{tag}-{architecture}"));
            Stand::push(&base(architecture, node, &code.libc, "3"), &part);
            parts.push(part);
        }
        let name = stand.base(tag);
        let parts = parts.iter().map(String::as_str);
        let words: Vec<&str> = ["index", "-q", &name].into_iter().chain(parts).collect();
        let outcome = crate::support::program::slimbuild(std::path::Path::new("/"), &words);
        outcome.bytes();
    };
    index("nonroot", "22.1.0", &["amd64", "arm64"]);
    let tree = servers(&[("a", "")]);
    let parts = ["amd64", "arm64"].map(|architecture| {
        let name = stand.name(&format!("a:{architecture}"));
        build(
            &stand,
            &tree,
            None,
            &name,
            &["--platform", &format!("linux/{architecture}")],
        );
        name
    });
    let name = stand.name("a:1");
    let words = ["index", "-q", &name, &parts[0], &parts[1]];
    crate::support::program::slimbuild(tree.root(), &words).bytes();

    index("nonroot", "22.2.0", &["amd64"]);
    insta::assert_snapshot!(stand.refused(&[&name]), @"
    exit code 4
    error: `HOME/a:1` is left as it is: `HOME/distroless/nodejs22-debian12:nonroot` has no image for linux/arm64

    hint: name a base that is there for all platforms of the image
    ");
    index("nonroot", "22.2.0", &["amd64", "arm64"]);
    let done = stand.rebase(&[&name]);
    assert_eq!(
        done["images"][0]["platforms"],
        json!(["linux/amd64", "linux/arm64"])
    );
    assert_eq!(done["images"][0]["state"], "rebased");
    assert_eq!(done["images"][0]["digest"], json!(Stand::digest(&name)));
    assert_eq!(done["bases"].as_array().unwrap().len(), 2);
    // skopeo reads all of it, and checks every digest.
    Stand::reads(&name);
    let again = stand.rebase(&[&name]);
    assert_eq!(again["images"][0]["state"], "unchanged");
}

#[test]
fn another_registry_gets_the_layers_of_the_base() {
    let test = "another_registry_gets_the_layers_of_the_base";
    let Some(stand) = Stand::new(test) else {
        return;
    };
    let Some(name) = stand.elsewhere(test, "a:1") else {
        return;
    };
    let code = code();
    let tree = servers(&[("a", "")]);
    stand.push_base(&base("amd64", "22.1.0", &code.libc, "3.0.1"), "nonroot");
    stand.log_in(&name);
    build(&stand, &tree, None, &name, &[]);
    let newer = base("amd64", "22.2.0", &code.newer, "3.0.2");
    stand.push_base(&newer, "nonroot");
    let done = stand.rebase(&[&name]);
    assert_eq!(done["images"][0]["state"], "rebased");
    let layer = newer.layers[0].0.len() as u64;
    assert!(done["sent"].as_u64().unwrap() > layer, "{done:#}");
    assert_eq!(stand.rebase(&[&name])["images"][0]["state"], "unchanged");
    // Nothing is written, so nothing is said of a new name but that.
    let tagged = stand.rebase(&[&name, "--tag", "later"]);
    assert_eq!(tagged["images"][0]["name"], *name);
    let notes = tagged["images"][0]["notes"].to_string();
    assert!(notes.contains(":later` was not made"), "{notes}");
    // One who may not write changes nothing.
    stand.log_in("elsewhere.example.com/");
    let refused = stand.refused(&[&name]);
    assert!(
        refused.contains("answers 401") && refused.contains("docker login"),
        "{refused}"
    );
}
