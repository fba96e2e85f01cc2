//! `slimbuild sbom` and `slimbuild licenses`: against what is in an image, what is installed, and the
//! formats' own checkers.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use slimbuild::Env;

use crate::images::contents::Contents;
use crate::native::native;
use crate::registry::registry;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::{built_server, reachable};
use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::schema::assert_valid;
use crate::support::tree::{Tree, shop};
use crate::support::unique;

fn document(tree: &std::path::Path, format: &str) -> Value {
    let text = slimbuild(tree, &["sbom", "apps/server", "--format", format]).text();
    serde_json::from_str(&text).unwrap()
}

/// The packages of npm that a list has, as `name@version`.
fn packages(list: &Value) -> BTreeSet<String> {
    let components = list["components"].as_array().unwrap().iter();
    let foreign = components.filter(|component| component["purl"].is_string());
    foreign
        .map(|component| {
            let text = |key: &str| component[key].as_str();
            let scope = text("group").map(|group| format!("{group}/"));
            let (name, version) = (text("name").unwrap(), text("version").unwrap());
            format!("{}{name}@{version}", scope.unwrap_or_default())
        })
        .collect()
}

#[test]
fn the_list_has_the_packages_of_the_image() {
    one_daemon("the_list_has_the_packages_of_the_image", |daemon| {
        for app in ["apps/server", "apps/worker"] {
            let tag = daemon.tag("bill");
            let arguments = [app, "-q", "-t", &tag.name, "--no-trial"];
            daemon.slimbuild(&shop(), &arguments).bytes();
            let text = slimbuild(&shop(), &["sbom", app]).text();
            let list: Value = serde_json::from_str(&text).unwrap();
            let inside = Contents::of(daemon, &tag.name).packages();
            assert_eq!(packages(&list), inside, "{app}");
        }
    });
}

#[test]
fn a_list_without_installed_packages_says_what_it_lacks() {
    let tree = Tree::shop();
    let outcome = slimbuild(tree.root(), &["sbom", "apps/server"]);
    assert!(
        outcome
            .stderr
            .starts_with("warning: the list has no licences: ")
    );
    let file = slimbuild(tree.root(), &["sbom", "apps/server", "-o", "bom.json"]);
    assert_eq!(
        (file.code, &file.stdout[..]),
        (0, &b""[..]),
        "{}",
        file.stderr
    );
    assert_eq!(tree.read("bom.json").into_bytes(), outcome.bytes());
    let refused = slimbuild(tree.root(), &["licenses", "apps/server"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
}

#[test]
fn licences_come_from_what_is_installed() {
    if let Err(why) = reachable() {
        return skipped(&why, "licences_come_from_what_is_installed");
    }
    let tree = built_server();
    let ask = |arguments: &[&str]| slimbuild(tree.root(), arguments);
    let list = ask(&["sbom", "apps/server"]);
    assert_eq!(list.stderr, "");
    let list: Value = serde_json::from_str(&list.text()).unwrap();
    let components = list["components"].as_array().unwrap().iter();
    let foreign = components.filter(|component| component["purl"].is_string());
    let mut named = BTreeSet::new();
    for component in foreign {
        let licence = component["licenses"][0]["expression"].as_str();
        named.insert(licence.unwrap_or_else(|| panic!("{component}")).to_owned());
    }
    assert!(named.contains("MIT"), "{named:?}");
    let all = Vec::from_iter(named).join(",");
    ask(&["licenses", "apps/server", "--allow", &all]).text();
    let refused = ask(&["licenses", "apps/server", "--allow", "ISC"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("(MIT)"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("(ISC)"), "{}", refused.stderr);
    let notice = ask(&["licenses", "apps/server", "--texts"]).text();
    assert!(notice.contains("\nLicence: MIT\n"), "{notice}");
    assert!(notice.contains("Permission is hereby granted"), "{notice}");
}

/// The server's image, made without Docker, in a registry and in a file.
#[test]
fn the_list_stands_beside_the_image_with_the_systems_packages() {
    let test = "the_list_stands_beside_the_image_with_the_systems_packages";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let Some(registry) = registry("LAB_REGISTRY", "127.0.0.1:5000", test) else {
        return;
    };
    let tree = Tree::shop();
    let repository = format!("slimbuild-it/bill-{}", unique());
    let name = format!("{registry}/{repository}:1");
    let line = ["apps/server", "--no-verify", "-q", "-t", &name];
    native(
        tree.root(),
        &[&line[..], &["-o", "x.tar", "--push"]].concat(),
    )
    .bytes();
    let cache = tree.root().join("cache");
    let sbom = |more: &[&str]| {
        let own = [
            "sbom",
            "apps/server",
            "--cache-dir",
            cache.to_str().unwrap(),
        ];
        slimbuild_with(tree.root(), &[&own, more].concat(), &Env::of_process())
    };
    let place = format!("docker://{name}");
    let text = sbom(&["--image", &place]).text();
    // The same image elsewhere, and the same image again.
    assert_eq!(sbom(&["--image", "x.tar"]).text(), text);
    let list: Value = serde_json::from_str(&text).unwrap();
    let purls: Vec<&str> = list["components"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|component| component["purl"].as_str())
        .collect();
    for start in ["pkg:deb/debian/libc6@2.", "pkg:npm/fastify@"] {
        let found = purls.iter().filter(|purl| purl.starts_with(start)).count();
        assert_eq!(found, 1, "{start}: {purls:?}");
    }
    assert!(
        purls
            .iter()
            .all(|purl| !purl.starts_with("pkg:deb/") || purl.ends_with("?distro=debian-12"))
    );
    let spdx = sbom(&["--image", "x.tar", "--format", "spdx"]).text();
    assert!(spdx.contains("pkg:deb/debian/libc6@2."));

    let skopeo = |place: &str| -> Value {
        let words = ["inspect", "--raw", "--tls-verify=false", place];
        let output = Command::new("skopeo").args(words).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{place}: {error}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let of_image = |what: &str| {
        let words = ["inspect", "--tls-verify=false", "--format", what, &place];
        let output = Command::new("skopeo").args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let image = of_image("{{.Digest}}");
    let reference = sbom(&["--image", &place, "--attach"]).text();
    assert_eq!(sbom(&["--image", &place, "--attach"]).text(), reference);
    let attached = skopeo(&format!("docker://{}", reference.trim()));
    let kind = "application/vnd.cyclonedx+json";
    assert_eq!(attached["artifactType"], kind);
    assert_eq!(attached["subject"]["digest"], image.as_str());
    let curl = |path: &str| {
        let url = format!("http://{registry}/v2/{repository}/{path}");
        let output = Command::new("curl").args(["-sfL", &url]).output().unwrap();
        output.status.success().then_some(output.stdout)
    };
    let blob = attached["layers"][0]["digest"].as_str().unwrap();
    let document = curl(&format!("blobs/{blob}")).unwrap();
    assert_eq!(String::from_utf8(document).unwrap(), text);
    // A registry that lists no referrers has a tag with the list.
    let list = match curl(&format!("referrers/{image}")) {
        Some(list) => serde_json::from_slice(&list).unwrap(),
        None => skopeo(&format!(
            "docker://{registry}/{repository}:{}",
            image.replace(':', "-")
        )),
    };
    let entries = list["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{list:#}");
    assert_eq!(entries[0]["artifactType"], kind);
    assert!(
        reference
            .trim()
            .ends_with(entries[0]["digest"].as_str().unwrap())
    );
    // A list of another format stands beside it.
    sbom(&["--image", &place, "--attach", "--format", "spdx"]).text();
    if curl(&format!("referrers/{image}")).is_none() {
        let tag = image.replace(':', "-");
        let list = skopeo(&format!("docker://{registry}/{repository}:{tag}"));
        assert_eq!(list["manifests"].as_array().unwrap().len(), 2);
    }
}

/// Prints what is wrong with the two documents, by the libraries of the formats.
const CHECK: &str = r"
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
cyclonedx, spdx = sys.argv[1:]
wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(cyclonedx).read())
if wrong:
    print(wrong)
for message in validate_full_spdx_document(parse_file(spdx)):
    print(message.validation_message, message.context)
";

#[test]
#[ignore = "it installs two libraries from PyPI: `just test-sbom`"]
fn the_documents_are_valid_by_the_libraries_of_their_formats() {
    let tree = built_server();
    for format in ["cyclonedx", "spdx"] {
        let file = tree.root().join(format!("{format}.json"));
        let document = document(tree.root(), format);
        fs_err::write(file, document.to_string()).unwrap();
    }
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(tree.root())
            .output()
            .unwrap();
        let both = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&both).into_owned();
        assert!(output.status.success(), "{program}: {text}");
        text
    };
    run("python3", &["-m", "venv", "python"]);
    let libraries = [
        "cyclonedx-python-lib[json-validation]==11.12.0",
        "spdx-tools",
    ];
    let install = ["-m", "pip", "install", "--quiet"];
    run("python/bin/python", &[&install[..], &libraries].concat());
    let said = run(
        "python/bin/python",
        &["-c", CHECK, "cyclonedx.json", "spdx.json"],
    );
    assert_eq!(said, "");
}

#[test]
fn the_time_of_spdx_is_that_of_the_environment() {
    let env: Env = [("SOURCE_DATE_EPOCH", "1700000000")].into_iter().collect();
    let arguments = ["sbom", "apps/server", "--format", "spdx"];
    let text = slimbuild_with(&shop(), &arguments, &env).text();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["creationInfo"]["created"], "2023-11-14T22:13:20Z");
}

/// The sample with a manifest for each package that the server ships: all are MIT but one.
fn licensed() -> Tree {
    let tree = Tree::shop();
    let list = document(tree.root(), "cyclonedx");
    for package in packages(&list) {
        let (name, version) = package.rsplit_once('@').unwrap();
        let licence = if name == "ajv" { "GPL-3.0-only" } else { "MIT" };
        let manifest =
            format!(r#"{{"name": "{name}", "version": "{version}", "license": "{licence}"}}"#);
        let folder = package.replace('/', "+");
        let path = format!("node_modules/.pnpm/{folder}/node_modules/{name}/package.json");
        tree.write(&path, &manifest);
    }
    tree
}

#[test]
fn a_policy_names_each_package_with_its_chain() {
    let tree = licensed();
    let ask = |more: &[&str]| {
        let words = [&["licenses", "apps/server", "--json"], more].concat();
        slimbuild(tree.root(), &words)
    };
    let policy = |text: &str| tree.write("slimbuild.json", &format!(r#"{{"licenses": {text}}}"#));
    assert_eq!(ask(&[]).code, 0);
    policy(r#"{"allow": ["MIT"]}"#);
    let refused = ask(&[]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    insta::assert_snapshot!(refused.stderr, @"
    error: apps/server has 1 package whose licence is not allowed (`licenses` in slimbuild.json):
      ajv@8.20.0 (GPL-3.0-only): apps/server → (dependencies) ajv@8.20.0

    hint: replace the package; or allow its licence, or name it below `licenses.exceptions` with the reason
    ");
    assert_valid(
        "licenses",
        &serde_json::from_slice(&refused.stdout).unwrap(),
    );
    policy(r#"{"deny": ["GPL-*"]}"#);
    assert_eq!(ask(&[]).code, 5);
    // Flags win over the lists, not over the exceptions.
    assert_eq!(ask(&["--deny", "ISC"]).code, 0);
    assert_eq!(ask(&["--allow", "MIT,GPL-3.0-only"]).code, 0);
    policy(r#"{"allow": ["MIT"], "exceptions": {"ajv": "bought"}}"#);
    assert_eq!(ask(&[]).code, 0);
    assert_eq!(ask(&["--allow", "MIT"]).code, 0);
    // The app's own policy adds to that of all.
    policy(r#"{"allow": ["MIT"]}"#);
    let own = r#"{"licenses": {"allow": ["GPL-3.0-only"]}}"#;
    tree.write("apps/server/slimbuild.json", own);
    assert_eq!(ask(&[]).code, 0);
}

#[test]
fn what_is_no_policy_is_refused() {
    let tree = Tree::shop();
    let refused = |text: &str| {
        tree.write("slimbuild.json", &format!(r#"{{"licenses": {text}}}"#));
        slimbuild(tree.root(), &["licenses", "apps/server"]).refusal(tree.root())
    };
    insta::assert_snapshot!(refused(r#"{"allowed": ["MIT"]}"#), @"
    exit code 1
    error: `slimbuild.json`, line 1, column 15: there is no key `licenses.allowed`

    hint: did you mean `allow`?
    ");
    insta::assert_snapshot!(refused(r#"{"allow": "MIT"}"#), @r#"
    exit code 1
    error: `slimbuild.json`, line 1, column 24: `licenses.allow` must be a list of licences, as ["MIT", "BSD-*"], and is `"MIT"`
    "#);
    insta::assert_snapshot!(refused(r#"{"allow": []}"#), @"
    exit code 1
    error: `slimbuild.json`, line 1, column 24: `licenses.allow` must be a list of at least one licence, and is `[]`
    ");
    insta::assert_snapshot!(refused(r#"{"exceptions": ["ajv"]}"#), @r#"
    exit code 1
    error: `slimbuild.json`, line 1, column 29: `licenses.exceptions` must be an object with a key for each package ("name" or "name@1.2.3") and the reason, and is `["ajv"]`
    "#);
    insta::assert_snapshot!(refused(r#"{"exceptions": {"ajv": ""}}"#), @r#"
    exit code 1
    error: `slimbuild.json`, line 1, column 37: `licenses.exceptions.ajv` must be the reason, and is `""`
    "#);
    insta::assert_snapshot!(refused("{}"), @"
    exit code 1
    error: `slimbuild.json`, line 1, column 14: `licenses` must be an object with `allow`, `deny` and `exceptions`, and is `{}`
    ");
}

#[test]
fn a_build_obeys_the_policy_before_it_begins() {
    one_daemon("a_build_obeys_the_policy_before_it_begins", |daemon| {
        let tree = licensed();
        tree.write("slimbuild.json", r#"{"licenses": {"deny": ["GPL-*"]}}"#);
        let tag = daemon.tag("licences");
        let build = |apps: &[&str]| {
            let words = [
                apps,
                &["--no-trial", "--progress", "plain", "-t", &tag.name],
            ]
            .concat();
            daemon.slimbuild(tree.root(), &words)
        };
        let refused = build(&["apps/server"]);
        assert_eq!(refused.code, 5, "{}", refused.stderr);
        assert!(refused.stderr.contains("ajv@"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("[internal]"), "{}", refused.stderr);
        // Where nothing is installed, Docker's build cannot tell.
        fs_err::remove_dir_all(tree.root().join("node_modules")).unwrap();
        let unknown = build(&["apps/server"]);
        assert_eq!(unknown.code, 1, "{}", unknown.stderr);
        assert!(
            unknown.stderr.contains(
                "the licences of apps/server cannot be checked (`licenses` in slimbuild.json)"
            ),
            "{}",
            unknown.stderr
        );
    });
}
