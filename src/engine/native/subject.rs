//! What is tried of an image: from the plan that it was made by, or from the image itself.

use std::collections::BTreeMap;

use serde_json::json;

use super::namespace;
use crate::image::layer::Layer;
use crate::image::oci::Config;
use crate::plan::{Content, PROOF_FLAGS, PROOF_PROGRAMS, Place, Plan};

/// What is tried of an image, and how.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Whether all that the app loads is looked for.
    pub verify: bool,
    /// Whether the app is started.
    pub trial: bool,
    /// The node program in the image; a site has none.
    pub node: Option<String>,
    /// Arguments of node for the proof.
    pub flags: Vec<String>,
    /// The proof's files by name.
    pub programs: BTreeMap<String, String>,
    /// Whether the image sets `NODE_OPTIONS` for the app.
    pub has_node_options: bool,
    /// Directories that the app may write to.
    pub writable: Vec<String>,
}

impl Subject {
    /// Of an image that was made by a plan, with these layers.
    pub fn of(plan: &Plan, layers: &[Layer]) -> Self {
        let programs = plan
            .context()
            .iter()
            .filter_map(|entry| match &entry.content {
                Content::Made { text, .. } if entry.place == Place::Verify => {
                    Some((entry.path.as_str().to_owned(), text.to_string()))
                }
                _ => None,
            });
        let node = plan.runtime_base.value.node;
        Self {
            verify: plan.verify,
            trial: plan.trial,
            node: node.map(|node| node.program().to_owned()),
            flags: plan.proof_flags().map(str::to_owned).collect(),
            programs: programs.collect(),
            has_node_options: plan.node_options().is_some(),
            writable: namespace::writable(layers),
        }
    }
}

/// Where slimbuild puts the workspace in an image.
const HOME: &str = "/app";

/// Node's options with a value of their own, which is no file to start.
const WITH_VALUE: [&str; 8] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "-C",
    "--conditions",
    "--env-file",
];

impl Subject {
    /// Of an image that slimbuild has made before, whose plan is not known. It is as its
    /// configuration says. `None` if that names nothing to try.
    pub fn of_image(config: &Config) -> Option<Self> {
        let words: Vec<String> = [&config.entrypoint[..], &config.cmd[..]].concat();
        let mut subject = Self {
            verify: true,
            trial: true,
            node: None,
            flags: PROOF_FLAGS.map(str::to_owned).into(),
            programs: BTreeMap::new(),
            has_node_options: false,
            // Who owns a directory is not known here.
            writable: vec![HOME.trim_matches('/').to_owned()],
        };
        if words.first().is_some_and(|word| word == "nginx") {
            return Some(subject);
        }
        let app = config.working_dir.strip_prefix(HOME)?.trim_matches('/');
        let is_node = |word: &String| word.rsplit('/').next() == Some("node");
        let shell = words.iter().position(|word| word == "sh");
        let node = words.iter().position(is_node);
        let options = config
            .env
            .iter()
            .find_map(|set| set.strip_prefix("NODE_OPTIONS="));
        let (start, entry) = match (node, shell) {
            (Some(at), _) => {
                let start = words[at + 1..].to_vec();
                let entry = entry(&start)?;
                (start, Some(entry))
            }
            (None, Some(at)) => (words[at..].to_vec(), None),
            (None, None) => return None,
        };
        subject.node = Some(node.map_or_else(|| "node".to_owned(), |at| words[at].clone()));
        subject.verify = entry.is_some();
        subject.has_node_options = options.is_some();
        let args: Vec<&String> = start.iter().take(entry.unwrap_or_default()).collect();
        let conditions = args.iter().filter(|arg| arg.starts_with("--conditions="));
        subject.flags.extend(conditions.map(|arg| (*arg).clone()));
        // The argument for signals is slimbuild's own.
        let args = args.iter().filter(|arg| !arg.starts_with("--import=data:"));
        let image = json!({
            "holds": "modules",
            "app": if app.is_empty() { "." } else { app },
            "entry": entry.map(|at| &start[at]),
            "nodeArgs": args.collect::<Vec<_>>(),
            "nodeOptions": options,
            "start": start,
            "shell": entry.is_none(),
            "removed": [],
            "hooked": false,
            "sources": [],
            "named": [],
        });
        let programs = PROOF_PROGRAMS.map(|(name, text)| (name.to_owned(), text.to_owned()));
        subject.programs = programs.into();
        let image = ("image.json".to_owned(), image.to_string());
        subject.programs.extend([image]);
        Some(subject)
    }
}

/// The position of the file among the words after `node`.
fn entry(words: &[String]) -> Option<usize> {
    let mut before = "";
    for (at, word) in words.iter().enumerate() {
        if !word.starts_with('-') && !WITH_VALUE.contains(&before) {
            return Some(at);
        }
        before = word;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn subject(entrypoint: &[&str], cmd: &[&str]) -> Option<(Subject, Value)> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let subject = Subject::of_image(&Config {
            entrypoint: words(entrypoint),
            cmd: words(cmd),
            working_dir: "/app/apps/server".to_owned(),
            env: words(&["NODE_OPTIONS=--enable-source-maps"]),
            ..Config::default()
        })?;
        let image = subject
            .programs
            .get("image.json")
            .cloned()
            .unwrap_or_default();
        Some((subject, serde_json::from_str(&image).unwrap_or_default()))
    }

    #[test]
    fn an_image_tells_what_it_starts() {
        let signals = "--import=data:text/javascript,x";
        let line = [
            signals,
            "--conditions=a",
            "-r",
            "./x.cjs",
            "dist/main.js",
            "--port",
        ];
        let (node, image) = subject(&["/nodejs/bin/node"], &line).unwrap();
        assert_eq!(node.node.as_deref(), Some("/nodejs/bin/node"));
        assert_eq!(node.flags.last().unwrap(), "--conditions=a");
        assert_eq!(image["entry"], "dist/main.js");
        assert_eq!(image["app"], "apps/server");
        assert_eq!(
            image["nodeArgs"],
            json!(["--conditions=a", "-r", "./x.cjs"])
        );
        assert_eq!(image["start"], json!(line));
        assert!(node.has_node_options && node.verify);

        let entry = ["docker-entrypoint.sh"];
        let (node, image) = subject(&entry, &["node", "main.js"]).unwrap();
        assert_eq!(
            (node.node.as_deref(), &image["start"]),
            (Some("node"), &json!(["main.js"]))
        );

        let (shell, image) = subject(&[], &["sh", "-c", "a && node b"]).unwrap();
        assert!(!shell.verify && image["shell"] == true);
        let (site, _) = subject(&["nginx"], &["-g", "daemon off;"]).unwrap();
        assert!(site.node.is_none());
        assert!(subject(&["/bin/server"], &[]).is_none());
        assert!(subject(&["node"], &["--version"]).is_none());
    }
}
