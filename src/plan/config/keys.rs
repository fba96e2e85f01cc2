//! The keys of the file: each is read into the options, or refused with its position.

use super::base;
use super::budget;
use super::licenses;
use super::reader::{Entry, Node};
use super::values;
use super::{ConfigError, PlanOptions};
use crate::detect::AppKind;
use crate::model::path::RepoPath;
use crate::model::tag::TagTemplate;

/// The keys that an app may have, in the order in which `slimbuild init` writes them.
pub const KEYS: [&str; 30] = [
    "kind",
    "node",
    "base",
    "buildBase",
    "registryMirror",
    "insecureRegistries",
    "entry",
    "start",
    "port",
    "env",
    "healthcheck",
    "include",
    "exclude",
    "publicEnvFiles",
    "writable",
    "wholeModules",
    "strip",
    "systemPackages",
    "tasks",
    "lifecycle",
    "buildArgs",
    "secrets",
    "labels",
    "ociLabels",
    "registry",
    "image",
    "tags",
    "budget",
    "licenses",
    "template",
];

/// The names of the kinds.
const KINDS: [(&str, AppKind); 4] = [
    ("node", AppKind::Node),
    ("next", AppKind::Next),
    ("static-site", AppKind::StaticSite),
    ("server-rendering", AppKind::ServerRendering),
];

/// What a set of keys applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All apps. `apps` is allowed.
    All,
    /// All apps, where there is one alone.
    Only,
    /// One app.
    One,
}

/// Reads the keys of an object; `dir` is the directory of its file. `apps` is left to the caller.
pub(super) fn read(
    node: &Node<'_>,
    dir: &RepoPath,
    scope: Scope,
) -> Result<PlanOptions, ConfigError> {
    let mut options = PlanOptions::default();
    let entries = node.entries("an object")?;
    for entry in &entries {
        if matches!(
            (entry.name, scope),
            (
                "image" | "tags" | "entry" | "start" | "writable",
                Scope::All
            )
        ) && !is_a_pattern(entry)
        {
            let problem = format!("`{}` cannot be the same for all apps", entry.path);
            let hint = if matches!(entry.name, "image" | "tags") {
                "write `{app}` in each name, or the names beside the app"
            } else {
                "write it beside the app, or below `apps`, as in `\"apps\": {\"apps/server\": {…}}`"
            };
            return Err(entry.error(problem, Some(hint.to_owned())));
        }
        match (entry.name, scope) {
            ("$schema", _) if node.path.is_empty() => {
                entry.node().string("the address of the schema")?;
            }
            ("apps", Scope::All | Scope::Only) => {}
            _ => key(entry, dir, scope, &mut options)?,
        }
    }
    if let Some(second) = entries
        .iter()
        .rfind(|entry| matches!(entry.name, "entry" | "start"))
        && entries
            .iter()
            .filter(|entry| matches!(entry.name, "entry" | "start"))
            .count()
            > 1
    {
        let hint = "`start` is node's arguments with the file among them: leave `entry` out";
        return Err(second.error(
            "`entry` and `start` say the same thing twice".to_owned(),
            Some(hint.to_owned()),
        ));
    }
    Ok(options)
}

fn key(
    entry: &Entry<'_>,
    dir: &RepoPath,
    scope: Scope,
    options: &mut PlanOptions,
) -> Result<(), ConfigError> {
    let node = &entry.node();
    match entry.name {
        "kind" => options.kind = Some(node.given(kind(node)?)),
        "node" => options.node = Some(node.given(values::version(node)?)),
        "base" => options.base = Some(node.given(values::base(node)?)),
        "buildBase" => options.build_base = Some(node.given(values::image(node)?)),
        "registryMirror" => options.registry_mirrors = values::registry_mirrors(node)?,
        "insecureRegistries" => options.insecure_registries = base::insecure_registries(node)?,
        "entry" => options.start = Some(node.given(values::entry(node)?)),
        "start" => options.start = Some(node.given(values::start(node)?)),
        "port" => options.port = Some(node.given(values::port(node)?)),
        "env" => options.env = values::env(node)?,
        "healthcheck" => options.healthcheck = Some(node.given(values::healthcheck(node)?)),
        "include" => options.include = values::globs(node, dir)?,
        "exclude" => options.exclude = values::globs(node, dir)?,
        "publicEnvFiles" => options.public_env_files = values::globs(node, dir)?,
        "writable" => options.writable = values::directories(node)?,
        "systemPackages" => {
            (options.build_packages, options.runtime_packages) = values::packages(node)?;
        }
        "tasks" => options.tasks = Some(node.given(values::tasks(node)?)),
        "lifecycle" => options.lifecycle = values::lifecycle(node)?,
        "buildArgs" => options.build_args = values::build_args(node)?,
        "secrets" => options.secrets = values::secrets(node)?,
        "labels" => options.labels = values::labels(node)?,
        "strip" => options.strip = Some(values::truth(node)?),
        "wholeModules" => options.whole_modules = Some(values::truth(node)?),
        "ociLabels" => options.oci_labels = Some(values::truth(node)?),
        "registry" => options.registry = Some(node.given(values::registry(node)?)),
        "image" => options.image = Some(node.given(values::image_pattern(node)?)),
        "tags" => options.tags = Some(node.given(values::tags(node)?)),
        "budget" => options.budget = Some(node.given(budget::budget(node)?)),
        "licenses" => options.licenses = Some(node.given(licenses::licenses(node)?)),
        "template" => options.template = Some(node.given(values::file(node, dir)?)),
        _ => {
            let mut known = KEYS.to_vec();
            if scope != Scope::One {
                known.push("apps");
            }
            return Err(entry.unknown(&known));
        }
    }
    Ok(())
}

fn kind(node: &Node<'_>) -> Result<AppKind, ConfigError> {
    let names = KINDS.map(|(name, _)| format!("\"{name}\"")).join(", ");
    let what = format!("one of {names}");
    let text = node.string(&what)?;
    let found = KINDS.iter().find(|(name, _)| *name == text);
    found
        .map(|(_, kind)| *kind)
        .ok_or_else(|| node.expected(&what))
}

/// Whether these are names that tell apps apart.
fn is_a_pattern(entry: &Entry<'_>) -> bool {
    let node = &entry.node();
    match entry.name {
        "tags" => {
            values::tags(node).is_ok_and(|tags| tags.iter().all(TagTemplate::tells_apps_apart))
        }
        // What is wrong with it is told where it is read.
        "image" => match values::image_pattern(node) {
            Ok(image) => image.tells_apps_apart(),
            Err(_) => true,
        },
        _ => false,
    }
}
