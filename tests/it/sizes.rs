//! What is in an image, and what differs between two: `slimbuild size` and `slimbuild diff`.

mod budget;
mod differences;
mod everywhere;
mod hostile;
mod layout;
mod page;

use serde_json::Value;

use crate::support::golden::assert_golden;
use crate::support::program::slimbuild;
use crate::support::schema::assert_valid;
use crate::support::tree::{Tree, shop};
use layout::{ImageOf, server};

/// Holds the sums of a document against the image: layers, kinds and packages.
pub(crate) fn assert_adds_up(document: &Value) {
    for part in ["layers", "kinds", "packages"] {
        let rows = document[part].as_array().unwrap();
        for size in ["unpacked", "compressed"] {
            if document[size].is_null() {
                continue;
            }
            let sum: u64 = rows.iter().map(|row| row[size].as_u64().unwrap()).sum();
            assert_eq!(sum, document[size].as_u64().unwrap(), "{part} {size}");
        }
    }
}

#[test]
fn an_image_adds_up_and_is_told_in_a_table() {
    let tree = Tree::new(&[]);
    let image = server();
    image.layout(&tree.root().join("image"));
    let text = slimbuild(tree.root(), &["size", "oci:image"]).text();
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert_golden("sizes/server.txt", &text);
    let json = slimbuild(tree.root(), &["size", "oci:image", "--json"]).text();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_valid("size", &json);
    assert_adds_up(&json);
    // The tars, as they were made.
    let unpacked: usize = image.tars().iter().map(Vec::len).sum();
    assert_eq!(json["unpacked"], unpacked);
    // The same image, whose layers nobody has compressed.
    image.saved(&tree.root().join("saved.tar"));
    let saved = slimbuild(tree.root(), &["size", "saved.tar", "--json"]).text();
    let mut saved: Value = serde_json::from_str(&saved).unwrap();
    assert_adds_up(&saved);
    assert!(saved["compressed"].is_null());
    assert_eq!(saved["id"], json["id"]);
    let unpacked_of = |document: &Value| -> Vec<(String, u64)> {
        let rows = document["packages"].as_array().unwrap().iter();
        rows.map(|row| (row["name"].to_string(), row["unpacked"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(unpacked_of(&saved), unpacked_of(&json));
    saved["image"].take();
    let text = slimbuild(tree.root(), &["size", "docker-archive:saved.tar"]).text();
    assert!(text.contains("is not known"), "{text}");
}

#[test]
fn the_workspace_explains_packages() {
    let tree = Tree::new(&[]);
    let image = ImageOf {
        layers: vec![vec![
            (
                "app/apps/server/package.json".into(),
                br#"{"name":"@shop/server"}"#.to_vec(),
            ),
            (
                "app/node_modules/.pnpm/fast-uri@3.1.9/node_modules/fast-uri/package.json".into(),
                br#"{"name":"fast-uri","version":"3.1.9"}"#.to_vec(),
            ),
        ]],
        ..ImageOf::default()
    };
    let path = tree.root().join("image");
    image.layout(&path);
    let image = format!("oci:{}", path.display());
    let why = slimbuild(&shop(), &["why", "apps/server", "fast-uri@3.1.9", "--json"]).text();
    let why: Value = serde_json::from_str(&why).unwrap();
    let line = ["size", "apps/server", "--image", &image, "--json"];
    let json: Value = serde_json::from_str(&slimbuild(&shop(), &line).text()).unwrap();
    assert_valid("size", &json);
    let rows = json["packages"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "fast-uri").unwrap();
    assert_eq!(row["chain"]["from"], "apps/server");
    assert_eq!(row["chain"], why["packages"][0]["runtime"]["chains"][0]);
    let app = rows.iter().find(|row| row["kind"] == "app").unwrap();
    assert_eq!(app["files"], 1);
}
