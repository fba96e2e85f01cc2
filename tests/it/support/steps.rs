//! The steps of a build, by what `--progress=json` says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::daemon::Daemon;

/// The instructions of a Dockerfile that a build came by, as progress names them: `[build-apps-server 3/3] pnpm …`.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) cached: BTreeSet<String>,
    pub(crate) ran: BTreeSet<String>,
}

/// Builds an app and notes its steps.
pub(crate) fn build(daemon: &Daemon, root: &Path, app: &str, tag: &str) -> Steps {
    let outcome = daemon.slimbuild(root, &[app, "-t", tag, "--progress", "json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    steps(&outcome.stderr)
}

pub(crate) fn steps(events: &str) -> Steps {
    let mut names: BTreeMap<u64, String> = BTreeMap::new();
    let mut steps = Steps::default();
    for line in events.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let kind = event["event"].as_str().expect(line);
        if kind == "step-known" && event["instruction"] == true {
            let name = event["name"].as_str().expect(line).to_owned();
            names.insert(event["step"].as_u64().expect(line), name);
        }
        let Some(name) = event["step"].as_u64().and_then(|step| names.get(&step)) else {
            continue;
        };
        match kind {
            "step-cached" => steps.cached.insert(name.clone()),
            "step-done" => steps.ran.insert(name.clone()),
            _ => continue,
        };
    }
    let cached = &steps.cached;
    // An image that a step starts from is looked up each time.
    steps
        .ran
        .retain(|name| !cached.contains(name) && !name.contains("] FROM "));
    steps
}

impl Steps {
    /// What ran, each as `stage: INSTRUCTION first words`.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.ran.iter().map(|name| short(name)).collect()
    }
}

/// `[deps 2/2] COPY build/ ./` is `deps: COPY build/ ./`; of steps that a template adds, the first words stay.
fn short(name: &str) -> String {
    let (place, words) = name
        .strip_prefix('[')
        .and_then(|name| name.split_once("] "))
        .unwrap_or(("", name));
    let stage = place.split(' ').next().unwrap_or_default();
    let instruction = words.split(' ').next().unwrap_or_default();
    let plain = words
        .split(' ')
        .skip(1)
        .filter(|word| !word.starts_with("--mount"));
    let most = match instruction {
        "RUN" => 2,
        _ => usize::MAX,
    };
    let rest: Vec<&str> = plain.take(most).collect();
    format!("{stage}: {instruction} {}", rest.join(" "))
}
