use super::*;
use crate::lockfile::keys::package_key;
use crate::plan::config;
use crate::testing::at;

fn shop() -> Workspace {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/shop");
    Workspace::load(root.as_ref()).unwrap()
}

fn bill(workspace: &Workspace, app: &str, platform: &str) -> Bill {
    let survey = Survey::new(workspace).unwrap();
    let app = at(workspace, app);
    let options = config::load(workspace, app).unwrap();
    let machine = Machine {
        platform: &platform.parse().unwrap(),
        libc: "glibc",
    };
    Bill::new(&survey, app, &options, machine, &Licences::default()).unwrap()
}

#[test]
fn the_list_is_the_runtime_closure() {
    let workspace = shop();
    let survey = Survey::new(&workspace).unwrap();
    for (app, members) in [
        (
            "apps/server",
            &["apps/server", "packages/catalog", "packages/events"][..],
        ),
        ("apps/worker", &["apps/worker", "packages/events"]),
    ] {
        let bill = bill(&workspace, app, "linux/amd64");
        let own = bill.parts.iter().filter(|(_, part)| part.is_member);
        let own: Vec<&str> = own.map(|(reference, _)| &**reference).collect();
        assert_eq!(own, members);
        let at = at(&workspace, app);
        let options = config::load(&workspace, at).unwrap();
        let study = Study::new(&survey, at, &options).unwrap();
        let closure = study.dependencies().unwrap();
        let locked: BTreeSet<String> = closure
            .entries()
            .map(|(lockfile, key, _)| {
                let key = package_key(key);
                let (name, version) = name_and_version(lockfile.format(), key);
                purl::of(name, version).unwrap()
            })
            .collect();
        let foreign = bill.parts.iter().filter(|(_, part)| !part.is_member);
        let foreign: BTreeSet<String> = foreign.map(|(reference, _)| reference.clone()).collect();
        assert_eq!(foreign, locked);
        for part in bill.foreign() {
            let [(algorithm, digits)] = &part.hashes[..] else {
                panic!("{part:?}");
            };
            assert_eq!((*algorithm, digits.len()), ("SHA-512", 128), "{part:?}");
        }
    }
}

#[test]
fn every_need_is_a_part() {
    let workspace = shop();
    let bill = bill(&workspace, "apps/server", "linux/amd64");
    assert_eq!(bill.app, "apps/server");
    assert_eq!(bill.parts.len(), bill.needs.len());
    for (reference, needs) in &bill.needs {
        assert!(bill.parts.contains_key(reference), "{reference}");
        for need in needs {
            assert!(bill.parts.contains_key(need), "{need}");
        }
    }
    let needs = &bill.needs["apps/server"];
    assert!(needs.contains("packages/catalog"), "{needs:?}");
    assert!(
        needs
            .iter()
            .any(|need| need.starts_with("pkg:npm/fastify@"))
    );
    let needs = &bill.needs["packages/catalog"];
    assert!(needs.iter().any(|need| need.starts_with("pkg:npm/zod@")));
}

#[test]
fn packages_for_other_machines_are_not_listed() {
    let workspace = shop();
    let names = |platform: &str| -> BTreeSet<String> {
        let bill = bill(&workspace, "apps/web", platform);
        bill.foreign().map(|part| part.name.clone()).collect()
    };
    let (amd, arm) = (names("linux/amd64"), names("linux/arm64"));
    assert!(amd.contains("@next/swc-linux-x64-gnu"), "{amd:?}");
    assert!(arm.contains("@next/swc-linux-arm64-gnu"), "{arm:?}");
    for foreign in ["@next/swc-linux-x64-musl", "@next/swc-darwin-arm64"] {
        assert!(
            !amd.contains(foreign) && !arm.contains(foreign),
            "{foreign}"
        );
    }
    assert!(!arm.contains("@next/swc-linux-x64-gnu"));
}

#[test]
fn documents_repeat_to_the_byte() {
    let workspace = shop();
    let (one, two) = (
        bill(&workspace, "apps/server", "linux/amd64"),
        bill(&workspace, "apps/server", "linux/amd64"),
    );
    let document = cyclonedx::document(&one);
    assert_eq!(document.to_string(), cyclonedx::document(&two).to_string());
    assert_eq!(document["specVersion"], "1.6");
    assert_eq!(document["metadata"]["component"]["bom-ref"], "apps/server");
    assert_eq!(document["metadata"]["component"]["group"], "@shop");
    let components = document["components"].as_array().unwrap();
    assert_eq!(components.len() + 1, one.parts.len());
    let document = spdx::document(&one, None);
    assert_eq!(document.to_string(), spdx::document(&two, None).to_string());
    assert_eq!(document["creationInfo"]["created"], "1970-01-01T00:00:00Z");
    let packages = document["packages"].as_array().unwrap();
    let ids: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["SPDXID"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), one.parts.len());
    for relation in document["relationships"].as_array().unwrap() {
        let to = relation["relatedSpdxElement"].as_str().unwrap();
        assert!(ids.contains(to), "{to}");
    }
    let later = spdx::document(&one, Some(1_700_000_000));
    assert_eq!(later["creationInfo"]["created"], "2023-11-14T22:13:20Z");
}

#[test]
fn a_licence_is_an_expression_or_a_name() {
    let part = |licence: &str| Part {
        name: "a".to_owned(),
        version: Some("1.0.0".to_owned()),
        purl: None,
        is_member: false,
        hashes: Vec::new(),
        archive: None,
        licence: Some(licence.to_owned()),
    };
    for (licence, cyclonedx_has, spdx_has) in [
        ("MIT", serde_json::json!([{ "expression": "MIT" }]), "MIT"),
        (
            "SEE LICENSE IN x",
            serde_json::json!([{ "license": { "name": "SEE LICENSE IN x" } }]),
            "NOASSERTION",
        ),
    ] {
        let bill = Bill {
            app: "a".to_owned(),
            parts: [("a".to_owned(), part(licence))].into_iter().collect(),
            needs: BTreeMap::new(),
        };
        let document = cyclonedx::document(&bill);
        assert_eq!(document["metadata"]["component"]["licenses"], cyclonedx_has);
        let document = spdx::document(&bill, None);
        assert_eq!(document["packages"][0]["licenseDeclared"], spdx_has);
    }
}
