//! The page with a map: small enough, and used in Chromium where there is one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use slimbuild::Env;

use super::layout::{ImageOf, code, package, server};
use crate::support::daemon::{quick, skipped};
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, repository};

/// Chromium, under the names that it has.
fn chromium() -> Option<PathBuf> {
    let env = Env::of_process();
    let directories = env.get("PATH")?.split(':').map(Path::new);
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut all = directories.flat_map(|dir| names.map(|name| dir.join(name)));
    all.find(|path| path.is_file())
}

#[test]
fn a_page_of_1500_packages_is_small_and_loads_nothing() {
    let tree = Tree::new(&[]);
    let mut image = server();
    for at in 0..1500 {
        image.layers[1].extend(package(
            &format!("@scope{at}/package-{at}"),
            "1.0.0",
            400 + at,
        ));
        let place = format!(
            "app/node_modules/.pnpm/@scope{at}+package-{at}@1.0.0/node_modules/@scope{at}/package-{at}"
        );
        for file in 0..12 {
            image.layers[1].push((
                format!("{place}/dist/esm/a/longer/way/module-{file}.js"),
                code(60 + file),
            ));
        }
    }
    image.layout(&tree.root().join("image"));
    slimbuild(tree.root(), &["size", "oci:image", "--html", "a.html"]).text();
    let page = tree.read("a.html");
    assert!(page.len() <= 1_500_000, "{}", page.len());
    let data = data(&page);
    let layers = data[0]["layers"].as_array().unwrap();
    assert!(layers[1]["packages"].as_array().unwrap().len() > 1500);
    // Each level adds up to the one above.
    let sum = |rows: &Value| -> u64 {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["u"].as_u64().unwrap())
            .sum()
    };
    assert_eq!(sum(&data[0]["layers"]), data[0]["u"].as_u64().unwrap());
    for layer in layers {
        assert_eq!(sum(&layer["packages"]), layer["u"].as_u64().unwrap());
        for package in layer["packages"].as_array().unwrap() {
            let files = package["files"].as_array().unwrap().iter();
            let told: u64 = files.map(|file| file[1].as_u64().unwrap()).sum();
            let rest = package["rest"][1].as_u64().unwrap_or_default();
            let inside = package["u"].as_u64().unwrap();
            assert!(
                told + rest == inside || package["kind"] == "archive",
                "{package:#}"
            );
        }
    }
    // Nothing is asked of the network.
    assert!(!page.contains("http:") && !page.contains("https:"));
}

/// The data on a page.
fn data(page: &str) -> Value {
    let (_, rest) = page
        .split_once(r#"<script type="application/json" id="data">"#)
        .unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn names_in_an_image_do_not_end_the_script() {
    let tree = Tree::new(&[]);
    let image = ImageOf {
        layers: vec![vec![(
            "app/</script><script>alert(1)</script>".to_owned(),
            b"x".to_vec(),
        )]],
        ..ImageOf::default()
    };
    image.layout(&tree.root().join("image"));
    slimbuild(tree.root(), &["size", "oci:image", "--html", "a.html"]).text();
    let page = tree.read("a.html");
    assert_eq!(page.matches("<script").count(), 2);
    assert!(data(&page).to_string().contains("alert(1)"));
}

#[test]
fn a_page_is_used_by_mouse_keyboard_and_search() {
    let test = "a_page_is_used_by_mouse_keyboard_and_search";
    if quick() {
        return skipped("SLIMBUILD_QUICK=1", test);
    }
    let Some(chromium) = chromium() else {
        return skipped("no Chromium", test);
    };
    let tree = Tree::new(&[]);
    server().layout(&tree.root().join("image"));
    let mut old = server();
    old.layers[1].truncate(4);
    old.layout(&tree.root().join("old"));
    let line = [
        "size",
        "oci:image",
        "--html",
        "a.html",
        "--against",
        "oci:old",
    ];
    slimbuild(tree.root(), &line).text();
    let output = Command::new("node")
        .arg("--experimental-websocket")
        .arg(repository().join("tests/it/sizes/page.mjs"))
        .arg(chromium)
        .args([tree.root().join("a.html"), tree.root().to_path_buf()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["trouble"].as_array().unwrap().len(), 0, "{seen:#}");
    let steps = |name: &str| seen[name]["path"].as_array().unwrap().len();
    assert_eq!(
        ["start", "layer", "next", "package", "back"].map(steps),
        [1, 2, 2, 3, 2],
        "{seen:#}"
    );
    assert_eq!(seen["start"]["parts"], 3);
    assert_eq!(seen["start"]["views"], 2);
    for name in ["start", "layer", "package", "phone"] {
        let covered = seen[name]["covered"].as_f64().unwrap();
        assert!((0.99..1.01).contains(&covered), "{name}: {covered}");
        assert_eq!(seen[name]["wide"], true, "{name} scrolls sideways");
    }
    // What is focused is told below, and going out leads back to where one went in.
    assert_ne!(seen["next"]["focused"], seen["layer"]["focused"]);
    assert_eq!(seen["back"]["focused"], seen["next"]["focused"]);
    let found = seen["found"].as_array().unwrap();
    assert!(
        found
            .iter()
            .any(|row| row.as_str().unwrap().contains("ajv@8.17.1")),
        "{found:?}"
    );
    assert!(
        seen["chosen"]["focused"].as_str().unwrap().contains("ajv@"),
        "{seen:#}"
    );
    assert!(seen["phone"]["font"].as_f64().unwrap() >= 14.0);
    if let Some(directory) = Env::of_process().get("SLIMBUILD_SHOTS") {
        for entry in fs_err::read_dir(tree.root()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "png") {
                fs_err::copy(&path, Path::new(directory).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}
