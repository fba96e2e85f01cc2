//! The identity of an image: a digest over everything that reaches it.
//!
//! Input: a plan, the workspace's files, and what a build gives besides. Output: an [`Identity`],
//! which is equal on every machine, in every directory, for every user.
//!
//! Nothing is picked by hand, so nothing can be forgotten. With Docker, the identity covers what the
//! builder gets: the Dockerfile and every file of the context, slimbuild's own programs among them.
//! Without Docker it covers the whole plan and slimbuild's version instead of the Dockerfile. What
//! cannot change an image is taken out: comments, reasons, warnings, names of the image, the proof and the
//! trial start. Times, labels of the command line and the values of secrets are no part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::files::Kind;
use crate::files::tree::Tree;
use crate::model::digest::{Algorithm, Digest, Hasher};
use crate::model::image::Platform;
use crate::plan::{BaseFrom, BuildStep, Content, Contents, ContextEntry, Engine, Place, Plan};
use crate::render::context;
use crate::render::dockerfile;
use crate::system::threads;

/// The form of identities. It changes if equal inputs should get another identity.
const FORM: &str = "1";

/// How many files a thread takes at a time.
const SHARE: usize = 64;

/// The names of values in a plan that are words about a decision, at any depth.
const WORDS: [&str; 7] = [
    "reason", "why", "evidence", "warnings", "because", "of", "field",
];

/// The names of values at the top of a plan that no image depends on: its names, counts of the whole
/// workspace, and what other parts of the identity have.
const ASIDE: [&str; 11] = [
    "image",
    "ociLabels",
    "tags",
    "portReason",
    "workspacePackages",
    "workspaceMembers",
    "buildArgs",
    "steps",
    "context",
    "buildBase",
    "trial",
];

/// What a build gives besides the plan.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The platforms of the image. None stands for this machine's.
    pub platforms: Vec<Platform>,
    /// Values of build arguments that tasks read.
    pub arguments: BTreeMap<String, String>,
    /// The digest of a base on the disk, whose path is not part of the identity.
    pub disk_base: Option<Digest>,
}

/// A kind of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Files of the workspace.
    Files,
    /// What is kept of the lockfile.
    Lockfile,
    /// What an install reads of manifests.
    Manifests,
    /// The settings of an install.
    Settings,
    /// The tasks that run.
    Tasks,
    /// The images that stages start from.
    Bases,
    /// Values of build arguments.
    Arguments,
    /// The platforms.
    Platforms,
    /// All other decisions.
    Plan,
    /// slimbuild's own programs, and its version where it makes the image itself.
    Slimbuild,
}

/// Everything that reaches an image, as digests and short texts by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Identity {
    /// The inputs of each kind, by name.
    parts: BTreeMap<Part, BTreeMap<String, String>>,
}

impl Identity {
    /// Reads and hashes everything. A user's own template may fail.
    pub fn new(plan: &Plan, root: &Path, given: &Given) -> io::Result<Self> {
        let plan = &settled(plan);
        let mut parts: BTreeMap<Part, BTreeMap<String, String>> = BTreeMap::new();
        let mut add = |part: Part, name: String, value: String| {
            parts.entry(part).or_default().insert(name, value);
        };
        let tree = Tree::open(root)?;
        let context: Vec<&ContextEntry> = plan
            .context()
            .iter()
            .filter(|entry| reaches(entry))
            .collect();
        let digests = threads::map(&context, SHARE, |entry| digest(&tree, entry));
        for (entry, digest) in context.into_iter().zip(digests) {
            add(part(entry), entry.full_path(), digest?.to_string());
        }
        for step in plan.steps() {
            add(Part::Tasks, named(step), sha256(&task(step)?));
        }
        for (name, value) in &given.arguments {
            // The name is hashed too: equal values of two arguments do not show.
            let value = sha256(&format!("{name}={value}"));
            add(Part::Arguments, name.clone(), value);
        }
        add(Part::Platforms, "platforms".to_owned(), platforms(given));
        let base = &plan.runtime_base.value;
        let runtime = match &given.disk_base {
            Some(digest) if base.from == BaseFrom::Disk => digest.to_string(),
            _ => base.image.clone(),
        };
        add(Part::Bases, "runtime".to_owned(), runtime);
        if plan.engine == Engine::Docker {
            let build = plan.build_base.value.clone();
            add(Part::Bases, "build".to_owned(), build);
            let text = dockerfile::render(plan).map_err(io::Error::other)?;
            let own = plan.configured.template.is_some();
            let text = if own { text } else { instructions(&text) };
            add(Part::Plan, dockerfile::PATH.to_owned(), sha256(&text));
        } else {
            let text = decisions(plan)?.to_string();
            add(Part::Plan, "decisions".to_owned(), sha256(&text));
            let version = env!("CARGO_PKG_VERSION").to_owned();
            add(Part::Slimbuild, "version".to_owned(), version);
        }
        add(Part::Slimbuild, "form".to_owned(), FORM.to_owned());
        Ok(Self { parts })
    }

    /// The digest over all parts.
    pub fn digest(&self) -> Digest {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Digest::of(&text)
    }

    /// The names of inputs that differ from another identity's. What only repeats another difference
    /// is left out: a Dockerfile has the tasks and the bases too.
    pub fn changed_since(&self, earlier: &Self) -> BTreeMap<Part, BTreeSet<String>> {
        let kinds: BTreeSet<Part> = [self, earlier]
            .into_iter()
            .flat_map(|identity| identity.parts.keys().copied())
            .collect();
        let none = BTreeMap::new();
        let mut changed: BTreeMap<Part, BTreeSet<String>> = BTreeMap::new();
        for kind in kinds {
            let now = self.parts.get(&kind).unwrap_or(&none);
            let then = earlier.parts.get(&kind).unwrap_or(&none);
            let names = now.keys().chain(then.keys());
            let names = names.filter(|name| now.get(*name) != then.get(*name));
            let names: BTreeSet<String> = names.map(|name| shown(kind, name)).collect();
            if !names.is_empty() {
                changed.insert(kind, names);
            }
        }
        let repeats = [Part::Tasks, Part::Bases]
            .iter()
            .any(|kind| changed.contains_key(kind));
        if let Some(plan) = changed.get_mut(&Part::Plan).filter(|_| repeats) {
            plan.remove(dockerfile::PATH);
            if plan.is_empty() {
                changed.remove(&Part::Plan);
            }
        }
        changed
    }
}

/// Whether a file of the context may reach the image: the proof leaves nothing there.
fn reaches(entry: &ContextEntry) -> bool {
    entry.place != Place::Verify
}

/// The plan without the proof, without what depends on the engine's version, and without how a
/// platform was named.
fn settled(plan: &Plan) -> Plan {
    Plan {
        verify: false,
        trial: false,
        portable: false,
        bound: None,
        ..plan.clone()
    }
}

/// Where an entry of the context belongs.
fn part(entry: &ContextEntry) -> Part {
    let name = entry.path.file_name().unwrap_or_default();
    let installs = matches!(entry.place, Place::Build | Place::Prod);
    match (&entry.content, entry.place) {
        (Content::Source { .. } | Content::Packed { .. }, _) => Part::Files,
        (_, Place::Trim | Place::Own) => Part::Slimbuild,
        _ if installs && name == "pnpm-lock.yaml" => Part::Lockfile,
        _ if installs && name.starts_with("package.") => Part::Manifests,
        _ if installs && matches!(name, "pnpm-workspace.yaml" | ".npmrc") => Part::Settings,
        _ => Part::Plan,
    }
}

/// The digest of what an entry holds, of its kind and of its mode.
fn digest(tree: &Tree, entry: &ContextEntry) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mode = |executable: bool| if executable { "755\0" } else { "644\0" };
    match &entry.content {
        Content::Made { text, executable } => {
            hasher.update(mode(*executable).as_bytes());
            hasher.update(text.as_bytes());
        }
        Content::Packed { bytes } => {
            hasher.update(mode(false).as_bytes());
            hasher.update(bytes);
        }
        Content::Source {
            path,
            kind: Kind::Regular { executable },
            size,
        } => {
            hasher.update(mode(*executable).as_bytes());
            io::copy(&mut context::open(tree, path, *size)?, &mut hasher)?;
        }
        Content::Source {
            kind: Kind::Symlink { target },
            ..
        } => {
            hasher.update(b"link\0");
            hasher.update(target.as_bytes());
        }
    }
    Ok(hasher.finish())
}

/// A Dockerfile without the lines that only explain. No value in it has a line break, so no line of
/// anything else begins like these.
fn instructions(text: &str) -> String {
    let lines = text.lines().map(str::trim_end);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// The plan as JSON without words, and what its JSON does not show.
fn decisions(plan: &Plan) -> io::Result<Value> {
    let mut plan = plan.clone();
    // Its files are hashed by content.
    match &mut plan.contents {
        Contents::Built(recipe) => recipe.context.clear(),
        Contents::Finished(finished) => finished.context.clear(),
    }
    let mut map = values(&plan)?;
    for name in ASIDE {
        map.remove(name);
    }
    if let Some(base) = map
        .get_mut("runtimeBase")
        .and_then(|base| base.get_mut("value"))
        && let Some(base) = base.as_object_mut()
    {
        base.remove("image");
    }
    let packages = plan.image_packages.iter();
    let packages = packages.map(|package| format!("{package:?}"));
    map.insert("imagePackages".to_owned(), packages.collect());
    // Whole: a variable or a label may have the name of a word.
    let runs = serde_json::to_value(plan.runs()).map_err(io::Error::other)?;
    map.insert("runs".to_owned(), runs);
    Ok(sorted(map))
}

/// A step's place in the workspace and its scripts: `apps/server: build`.
fn named(step: &BuildStep) -> String {
    let scripts: Vec<&str> = step.tasks.iter().map(|task| &*task.script).collect();
    format!("{}: {}", step.dir, scripts.join(", "))
}

/// A step as text. Its variables are whole: one may have the name of a word.
fn task(step: &BuildStep) -> io::Result<String> {
    let env = serde_json::to_value(&step.env).map_err(io::Error::other)?;
    let mut map = values(step)?;
    map.insert("env".to_owned(), env);
    Ok(sorted(map).to_string())
}

/// An object whose order does not depend on what was removed from it.
fn sorted(map: serde_json::Map<String, Value>) -> Value {
    let mut value = Value::Object(map);
    value.sort_all_objects();
    value
}

/// A value's JSON without words.
fn values(value: &impl Serialize) -> io::Result<serde_json::Map<String, Value>> {
    let mut value = serde_json::to_value(value).map_err(io::Error::other)?;
    remove_words(&mut value);
    match value {
        Value::Object(map) => Ok(map),
        other => Err(io::Error::other(format!("{other} is no object"))),
    }
}

fn remove_words(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for name in WORDS {
                map.remove(name);
            }
            map.values_mut().for_each(remove_words);
        }
        Value::Array(all) => all.iter_mut().for_each(remove_words),
        _ => {}
    }
}

fn platforms(given: &Given) -> String {
    if given.platforms.is_empty() {
        return Platform::host().to_string();
    }
    let all: BTreeSet<String> = given.platforms.iter().map(ToString::to_string).collect();
    all.into_iter().collect::<Vec<_>>().join(",")
}

/// A name as the user knows it: files by their paths in the workspace.
fn shown(part: Part, name: &str) -> String {
    match part {
        Part::Files | Part::Lockfile | Part::Manifests | Part::Settings => {
            let path = name.split_once('/');
            path.map_or(name, |(_, path)| path).to_owned()
        }
        _ => name.to_owned(),
    }
}

fn sha256(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}
