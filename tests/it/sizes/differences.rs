//! What differs between two images, as text, as Markdown and as JSON.

use serde_json::{Value, json};

use super::layout::{ImageOf, code, package, server};
use crate::support::golden::assert_golden;
use crate::support::program::slimbuild;
use crate::support::schema::assert_valid;
use crate::support::tree::Tree;

/// Compares two images in each format. Returns the JSON.
fn compared(old: &ImageOf, new: &ImageOf, golden: &str) -> Value {
    let tree = Tree::new(&[]);
    old.layout(&tree.root().join("old"));
    new.layout(&tree.root().join("new"));
    let diff = |more: &[&str]| {
        let line = [&["diff", "oci:old", "oci:new"], more].concat();
        slimbuild(tree.root(), &line).text()
    };
    let text = diff(&[]);
    assert!(
        text.lines().all(|line| line.chars().count() <= 110),
        "{text}"
    );
    assert_golden(&format!("sizes/{golden}.txt"), &text);
    assert_golden(&format!("sizes/{golden}.md"), &diff(&["--markdown"]));
    let json: Value = serde_json::from_str(&diff(&["--json"])).unwrap();
    assert_valid("diff", &json);
    for part in ["kinds", "packages"] {
        for size in ["unpacked", "compressed"] {
            let rows = json[part].as_array().unwrap().iter();
            let sum: i64 = rows.map(|row| row[size].as_i64().unwrap()).sum();
            // Rows of the same size before and now are left out, whose blobs may differ.
            if size == "unpacked" {
                assert_eq!(sum, json[size].as_i64().unwrap(), "{part}");
            }
        }
    }
    json
}

/// The package of this name in the difference.
fn row<'j>(json: &'j Value, name: &str) -> &'j Value {
    let mut rows = json["packages"].as_array().unwrap().iter();
    rows.find(|row| row["name"] == name).unwrap()
}

#[test]
fn a_dependency_added() {
    let mut new = server();
    new.layers[1].extend(package("zod", "3.24.1", 60_000));
    let json = compared(&server(), &new, "added");
    assert_eq!(
        (&row(&json, "zod")["state"], &json["equalLayers"]),
        (&json!("added"), &json!(2))
    );
}

#[test]
fn a_dependency_bumped() {
    let mut new = server();
    new.layers[1].retain(|(path, _)| !path.contains("/fastify@"));
    new.layers[1].extend(package("fastify", "5.3.0", 65_000));
    let json = compared(&server(), &new, "bumped");
    let row = row(&json, "fastify");
    assert_eq!(
        (&row["old"], &row["new"]),
        (&json!(["5.2.0"]), &json!(["5.3.0"]))
    );
}

#[test]
fn a_dependency_removed() {
    let mut new = server();
    new.layers[1].retain(|(path, _)| !path.contains("/ajv@6"));
    let json = compared(&server(), &new, "removed");
    // The other version stays.
    let row = row(&json, "ajv");
    assert_eq!(
        (&row["state"], &row["new"]),
        (&json!("version"), &json!(["8.17.1"]))
    );
}

#[test]
fn another_base() {
    let mut new = server();
    new.layers[0].retain(|(path, _)| !path.contains("dpkg") && !path.contains("libc.so"));
    new.layers[0].extend([
        (
            "usr/lib/x86_64-linux-gnu/libc.so.6".to_owned(),
            code(95_000),
        ),
        (
            "var/lib/dpkg/status.d/libc6".to_owned(),
            b"Package: libc6\nVersion: 2.41-3\n".to_vec(),
        ),
        (
            "var/lib/dpkg/status.d/libc6.md5sums".to_owned(),
            b"0  lib/x86_64-linux-gnu/libc.so.6\n0  lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n"
                .to_vec(),
        ),
    ]);
    new.config["Labels"]["org.opencontainers.image.base.name"] =
        json!("gcr.io/distroless/nodejs24-debian13:nonroot");
    let json = compared(&server(), &new, "base");
    assert_eq!(json["settings"][0]["what"], "base");
    assert_eq!(row(&json, "libc6")["new"], json!(["2.41-3"]));
}

#[test]
fn a_large_file_added() {
    let mut new = server();
    let model = "app/apps/server/dist/model.bin".to_owned();
    new.layers[2].push((model.clone(), code(400_000)));
    new.layers[2][3].1 = code(5_100);
    let json = compared(&server(), &new, "file");
    assert_eq!(
        json["files"][0],
        json!({ "path": model, "old": null, "new": 400_000 })
    );
    assert_eq!(json["files"][1]["old"], 5_000);
}

#[test]
fn another_environment() {
    let mut new = server();
    new.config["Env"] = json!(["PATH=/nodejs/bin", "NODE_ENV=development", "LOG=debug|`<b>"]);
    new.config["User"] = json!("");
    new.config["ExposedPorts"] = json!({ "3000/tcp": {}, "9090/tcp": {} });
    let json = compared(&server(), &new, "environment");
    assert_eq!(json["equalLayers"], 3);
    assert_eq!(json["unpacked"], 0);
}

#[test]
fn equal_images_do_not_differ() {
    let tree = Tree::new(&[]);
    server().layout(&tree.root().join("a"));
    let text = slimbuild(tree.root(), &["diff", "oci:a", "oci:a"]).text();
    assert!(text.ends_with("the images are equal\n"), "{text}");
}
