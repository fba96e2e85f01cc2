//! How the image is run: the last lines of a Dockerfile, or an image's configuration.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{HealthcheckPlan, NodeCommand, Plan, WORKSPACE};
use crate::detect::{Delivery, Start};

/// The path of node in images with only node.
const NODE: &str = "/nodejs/bin/node";

/// The port of a site.
const SITE_PORT: u16 = super::configured::SITE_PORT;

/// How an image is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// Variables, in the order in which they are set.
    pub env: Vec<(String, String)>,
    /// The entry point; `None` to use the base's.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments.
    pub command: Vec<String>,
    /// Where it is started.
    pub directory: String,
    /// The port that it listens on, if known.
    pub port: Option<u16>,
    /// The user's writable directories, from the root.
    pub writable: Vec<String>,
    /// Numeric `user:group` the container runs as.
    pub user: String,
    /// The signal that stops the container, if not SIGTERM.
    pub stop_signal: Option<&'static str>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Docker's health check.
    pub healthcheck: Option<HealthcheckPlan>,
}

/// The node options of the image: slimbuild.json's win over those of the app's start.
pub(super) fn node_options<'p>(
    configured: Option<&'p str>,
    delivery: &'p Delivery,
) -> Option<&'p str> {
    let of_start = || delivery.start()?.env.get("NODE_OPTIONS");
    configured.or_else(|| of_start().map(String::as_str))
}

impl Plan {
    /// The node options of the image. The proof runs without them; the trial start uses them.
    pub fn node_options(&self) -> Option<&str> {
        let configured = self.configured.env.get("NODE_OPTIONS");
        node_options(configured.map(|set| &*set.value), &self.delivery)
    }

    /// Where the app is in the image.
    pub fn home(&self) -> String {
        if self.app.dir.is_root() {
            WORKSPACE.to_owned()
        } else {
            format!("{WORKSPACE}/{}", self.app.dir)
        }
    }

    /// How the image is run.
    pub fn runs(&self) -> Runs {
        let mut env: Vec<(String, String)> = Vec::new();
        let configured = self.configured.env.iter();
        let configured = configured.map(|(name, value)| (name, &value.value));
        let start = self.delivery.start();
        if let Some(start) = start {
            env.push(("NODE_ENV".to_owned(), "production".to_owned()));
            let own = start.env.iter();
            env.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        }
        env.extend(configured.map(|(name, value)| (name.clone(), value.clone())));
        let labels = self.configured.labels.iter();
        let labels = labels.map(|(name, value)| (name.clone(), value.value.clone()));
        let words = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        let node = self.runtime_base.value.node;
        let (entrypoint, command) = match start {
            None => (Some(words(&["nginx"])), words(&["-g", "daemon off;"])),
            // Of a command, all is the entry point: what is written behind the image's name are arguments.
            Some(start) if start.command => {
                let node = node
                    .filter(|node| node.is_entrypoint())
                    .map(|_| NODE.to_owned());
                let all = node.into_iter().chain(self.command(start));
                (Some(all.collect()), Vec::new())
            }
            Some(start) => {
                let copied = node == Some(NodeCommand::Copied);
                (copied.then(|| words(&[NODE])), self.command(start))
            }
        };
        let is_site = matches!(self.delivery, Delivery::Site(_));
        Runs {
            env,
            entrypoint,
            command,
            directory: if is_site { String::new() } else { self.home() },
            port: if is_site {
                Some(self.port.unwrap_or(SITE_PORT))
            } else {
                self.port
            },
            writable: self.writable(),
            user: self.runtime_base.value.user.clone(),
            stop_signal: is_site.then_some("SIGQUIT"),
            labels: labels.collect(),
            healthcheck: self
                .configured
                .healthcheck
                .as_ref()
                .map(|check| check.value.clone()),
        }
    }

    /// Directories of the app that it may write to, from the image's root.
    fn writable(&self) -> Vec<String> {
        let app = &self.app.dir;
        let directories = self.configured.writable.iter();
        let paths = directories.filter_map(|dir| app.join(&dir.value).ok());
        paths.map(|path| format!("/app/{path}")).collect()
    }

    fn command(&self, start: &Start) -> Vec<String> {
        if let Some(line) = start.line() {
            return ["sh", "-c", &line.text(self.signals)]
                .map(str::to_owned)
                .into();
        }
        let node = self.runtime_base.value.node;
        let program = node
            .filter(|node| !node.is_entrypoint())
            .map(NodeCommand::program);
        // A command is called in any directory: `docker run -v "$PWD:/work" -w /work`.
        let file = if start.command {
            format!("{}/{}", self.home(), start.entry)
        } else {
            start.entry.clone()
        };
        let words = start
            .node_args
            .iter()
            .chain([&file])
            .chain(&start.args)
            .map(String::as_str);
        let all = program.into_iter().chain(self.signals).chain(words);
        all.map(str::to_owned).collect()
    }
}

impl Start {
    /// The node flags that affect which entry of a package is used.
    pub fn conditions(&self) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = self.node_args.iter();
        while let Some(word) = rest.next() {
            if word == "-C" || word == "--conditions" {
                found.push(word.as_str());
                found.extend(rest.next().map(String::as_str));
            } else if word.starts_with("--conditions=") {
                found.push(word);
            }
        }
        found
    }
}
