//! How two images differ in how they are run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::image::oci::{Config, Described};

/// Where an image tells its base.
const BASE: [&str; 2] = [
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.base.digest",
];
/// Labels that differ with each commit, and mean nothing for how the image is run.
const PASSING: [&str; 3] = [
    "org.opencontainers.image.created",
    "org.opencontainers.image.revision",
    "dev.slimbuild.identity",
];

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// `environment`, `user`, `base`, …
    pub what: &'static str,
    /// The name of the variable or label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its value before; `null` if it was not set.
    pub old: Option<String>,
    /// Its value now; `null` if it is not set.
    pub new: Option<String>,
}

/// What differs between two images beside their files.
pub(super) fn settings(old: &Described, new: &Described) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut compare = |what: &'static str, old: Option<String>, new: Option<String>| {
        if old != new {
            let name = None;
            found.push(Setting {
                what,
                name,
                old,
                new,
            });
        }
    };
    compare(
        "platform",
        Some(old.platform.clone()),
        Some(new.platform.clone()),
    );
    compare("base", base(&old.config), base(&new.config));
    let (old, new) = (&old.config, &new.config);
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let list =
        |words: &Vec<String>| (!words.is_empty()).then(|| Value::from(words.clone()).to_string());
    compare("user", text(&old.user), text(&new.user));
    compare("entrypoint", list(&old.entrypoint), list(&new.entrypoint));
    compare("command", list(&old.cmd), list(&new.cmd));
    compare(
        "working directory",
        text(&old.working_dir),
        text(&new.working_dir),
    );
    compare(
        "stop signal",
        text(&old.stop_signal),
        text(&new.stop_signal),
    );
    let ports = |config: &Config| {
        let ports: Vec<&str> = config.exposed_ports.keys().map(String::as_str).collect();
        (!ports.is_empty()).then(|| ports.join(", "))
    };
    compare("ports", ports(old), ports(new));
    let variable = |pair: &String| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), value.to_owned())
    };
    let variables = |config: &Config| config.env.iter().map(variable).collect();
    named("environment", &variables(old), &variables(new), &mut found);
    let passes = |name: &String| PASSING.iter().chain(&BASE).any(|other| name == other);
    let labels = |config: &Config| {
        let labels = config.labels.iter().filter(|(name, _)| !passes(name));
        let owned = labels.map(|(name, value)| (name.clone(), value.clone()));
        owned.collect()
    };
    named("label", &labels(old), &labels(new), &mut found);
    let others = |config: &Config| {
        let others = config.other.iter().filter(|(_, value)| !value.is_null());
        let owned = others.map(|(name, value)| (name.clone(), value.to_string()));
        owned.collect()
    };
    named("setting", &others(old), &others(new), &mut found);
    found
}

/// The base, as labels tell it.
fn base(config: &Config) -> Option<String> {
    let [name, digest] = BASE.map(|label| config.labels.get(label));
    match (name, digest) {
        (Some(name), Some(digest)) if !name.contains('@') => Some(format!("{name}@{digest}")),
        (Some(name), _) => Some(name.clone()),
        (None, digest) => digest.cloned(),
    }
}

fn named(
    what: &'static str,
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    found: &mut Vec<Setting>,
) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (old, new) = (old.get(name), new.get(name));
        if old != new {
            found.push(Setting {
                what,
                name: Some(name.clone()),
                old: old.cloned(),
                new: new.cloned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn image(config: &str) -> Described {
        Described {
            platform: "linux/amd64".to_owned(),
            config: serde_json::from_str(config).unwrap(),
            layers: Vec::new(),
        }
    }

    #[test]
    fn what_is_set_otherwise_is_told() {
        let old = image(
            r#"{"User": "65532:65532", "Env": ["NODE_ENV=production", "A=1", "B=1"], "Cmd": ["dist/main.js"],
                "ExposedPorts": {"3000/tcp": {}}, "Labels": {"org.opencontainers.image.revision": "a", "team": "shop",
                "org.opencontainers.image.base.name": "node:22"}}"#,
        );
        let new = image(
            r#"{"Env": ["NODE_ENV=production", "A=2", "C=a=b"], "Cmd": ["dist/main.js", "-v"], "WorkingDir": "/app",
                "ExposedPorts": {"3000/tcp": {}, "9090/tcp": {}}, "Volumes": {"/data": {}},
                "Labels": {"org.opencontainers.image.revision": "b", "org.opencontainers.image.base.name": "node:24"}}"#,
        );
        let lines = settings(&old, &new).into_iter().map(|it| {
            let name = it.name.map(|name| format!(" {name}")).unwrap_or_default();
            format!("{}{name}: {:?} → {:?}", it.what, it.old, it.new)
        });
        assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
        base: Some("node:22") → Some("node:24")
        user: Some("65532:65532") → None
        command: Some("[\"dist/main.js\"]") → Some("[\"dist/main.js\",\"-v\"]")
        working directory: None → Some("/app")
        ports: Some("3000/tcp") → Some("3000/tcp, 9090/tcp")
        environment A: Some("1") → Some("2")
        environment B: Some("1") → None
        environment C: None → Some("a=b")
        label team: Some("shop") → None
        setting Volumes: None → Some("{\"/data\":{}}")
        "#);
        assert!(settings(&old, &old).is_empty());
    }
}
