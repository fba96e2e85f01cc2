//! The values of keys: what is allowed for each, and the error otherwise.

use std::collections::BTreeMap;

use jsonc_parser::ast;

use super::reader::Node;
use super::{ALL_SCRIPTS, Base, ConfigError, Given, Healthcheck, Mirror, NodeArguments, Probe};
use crate::detect::script;
use crate::detect::script::node::command as node_command;
use crate::detect::script::words::is_variable;
use crate::files::glob::{self, Dialect};
use crate::model::image::ImageRef;
use crate::model::path::RepoPath;
use crate::model::span::Span;
use crate::model::tag::{Fact, TagError, TagTemplate};

/// Node's version; a number is a line: `22`.
pub(super) fn version(node: &Node<'_>) -> Result<String, ConfigError> {
    let what = "a version of node, as 22 or \"22.11.0\"";
    match node.value {
        // As a number, 22.10 would be 22.1.
        ast::Value::NumberLit(number) if !number.value.contains('.') => Ok(number.value.to_owned()),
        _ => node.string(what).map(str::to_owned),
    }
}

/// The name of an image.
pub(super) fn image(node: &Node<'_>) -> Result<ImageRef, ConfigError> {
    let text = node.string("the name of an image, as \"node:22-slim\"")?;
    text.parse()
        .map_err(|error: crate::model::image::ImageRefError| {
            node.error(format!("`{}`: {error}", node.path), None)
        })
}

/// The base of the result: a keyword, or the name of an image.
pub(super) fn base(node: &Node<'_>) -> Result<Base, ConfigError> {
    let text = node.string("auto, slim, distroless, alpine or the name of an image")?;
    text.parse()
        .map_err(|error: String| node.error(format!("`{}`: {error}", node.path), None))
}

/// Mirrors: one prefix for all registries, or one for each.
pub(super) fn registry_mirrors(node: &Node<'_>) -> Result<Vec<Given<Mirror>>, ConfigError> {
    let what = "a prefix, as \"registry.example.com/hub\", or an object of one for each registry";
    let mirror =
        |node: &Node<'_>, registry: Option<&str>, prefix: &str| match Mirror::new(registry, prefix)
        {
            Ok(mirror) => Ok(node.given(mirror)),
            Err(problem) => Err(node.error(format!("`{}`: {problem}", node.path), None)),
        };
    if let ast::Value::Object(_) = node.value {
        let mut found = Vec::new();
        for entry in node.entries(what)? {
            let value = entry.node();
            let prefix = value.string("a prefix, as \"registry.example.com/hub\"")?;
            found.push(mirror(&value, Some(entry.name), prefix)?);
        }
        return Ok(found);
    }
    Ok(vec![mirror(node, None, node.string(what)?)?])
}

/// Names to give to the image.
pub(super) fn tags(node: &Node<'_>) -> Result<Vec<TagTemplate>, ConfigError> {
    let what = "a list of names for the image, as [\"shop/server:1.2\"]";
    let items = node.items(what)?;
    if items.is_empty() {
        return Err(node.expected("a list with at least one name for the image"));
    }
    let tag = |item: Node<'_>| {
        let text = item.string("a name for the image, as \"shop/server:1.2\"")?;
        text.parse()
            .map_err(|error: TagError| item.error(format!("`{}`: {error}", item.path), None))
    };
    items.into_iter().map(tag).collect()
}

/// A registry, perhaps with the beginning of a path.
pub(super) fn registry(node: &Node<'_>) -> Result<String, ConfigError> {
    let what = "a registry, perhaps with a path, as \"ghcr.io/shop\"";
    let text = node.string(what)?;
    let sample: Result<ImageRef, _> = format!("{text}/x").parse();
    match sample {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(node.error(format!("`{}`: {error}", node.path), None)),
    }
}

/// The name of the image without a tag, with places for facts.
pub(super) fn image_pattern(node: &Node<'_>) -> Result<TagTemplate, ConfigError> {
    let what = "a name without a tag, as \"{registry}/{app}\"";
    let text = node.string(what)?;
    let pattern: TagTemplate = text
        .parse()
        .map_err(|error: TagError| node.error(format!("`{}`: {error}", node.path), None))?;
    if pattern.repository() != pattern {
        let hint = "tags belong into `tags`, as in \"{image}:{git.sha}\"";
        let problem = format!("`{}` has a tag", node.path);
        return Err(node.error(problem, Some(hint.to_owned())));
    }
    if pattern.needs(Fact::Image) {
        return Err(node.error(format!("`{}` stands for itself", node.path), None));
    }
    Ok(pattern)
}

/// The file that node starts.
pub(super) fn entry(node: &Node<'_>) -> Result<NodeArguments, ConfigError> {
    let what = "a file inside of the app, as \"dist/main.js\"";
    let path = RepoPath::new(node.string(what)?).map_err(|_| node.expected(what))?;
    if path.is_root() {
        return Err(node.expected(what));
    }
    Ok(NodeArguments {
        file: path.to_string(),
        ..NodeArguments::default()
    })
}

/// node's arguments, as one string like in a script or as a list of words. A leading `node` is
/// optional.
pub(super) fn start(node: &Node<'_>) -> Result<NodeArguments, ConfigError> {
    let what = "node's arguments, as \"--enable-source-maps dist/main.js\" or [\"dist/main.js\"]";
    let mut words: Vec<String> = if let ast::Value::Array(_) = node.value {
        let words = node.strings(what, "a list of words")?;
        words.into_iter().map(|word| word.value).collect()
    } else {
        let mut commands = script::parse(node.string(what)?);
        match (commands.pop(), commands.is_empty()) {
            (Some(command), true) if command.env.is_empty() => command.words,
            (Some(_), true) => {
                let problem = format!("`{}` sets a variable", node.path);
                return Err(node.error(problem, Some("write variables into `env`".to_owned())));
            }
            _ => {
                let problem = format!("`{}` is one command: no shell reads it", node.path);
                return Err(node.error(problem, Some("name what node starts; what has to run before belongs in the `build` script".to_owned())));
            }
        }
    };
    if words.first().is_some_and(|word| word == "node") {
        words.remove(0);
    }
    let Some((flags, file, args)) = node_command(&words) else {
        return Err(node.expected(what));
    };
    let names_a_file = file.contains(['.', '/']);
    match RepoPath::new(&file) {
        Ok(path) if !path.is_root() && names_a_file => Ok(NodeArguments {
            flags,
            file: path.to_string(),
            args,
        }),
        _ => Err(node.error(
            format!("`{}` starts `{file}`, which is no file of the app", node.path),
            Some("an image starts node alone, without a shell or a package manager: name node's arguments, as in \"dist/main.js\"".to_owned()),
        )),
    }
}

/// Whether something is done.
pub(super) fn truth(node: &Node<'_>) -> Result<bool, ConfigError> {
    match node.value {
        ast::Value::BooleanLit(truth) => Ok(truth.value),
        _ => Err(node.expected("true or false")),
    }
}

/// A port.
pub(super) fn port(node: &Node<'_>) -> Result<u16, ConfigError> {
    let what = "a port, from 1 to 65535";
    let number = node.number(1..=u32::from(u16::MAX), what)?;
    u16::try_from(number).map_err(|_| node.expected(what))
}

/// Variables by name.
pub(super) fn env(node: &Node<'_>) -> Result<BTreeMap<String, Given<String>>, ConfigError> {
    let mut found = BTreeMap::new();
    for entry in node.entries("an object of variables, as {\"LOG_LEVEL\": \"info\"}")? {
        if !is_variable(entry.name) {
            return Err(entry.error(format!("`{}` is no name of a variable", entry.name), None));
        }
        let value = entry.node();
        found.insert(entry.name.to_owned(), value.given(value.scalar()?));
    }
    Ok(found)
}

/// Build arguments: an object, or a list of names whose values come from the command line.
pub(super) fn build_args(
    node: &Node<'_>,
) -> Result<BTreeMap<String, Given<Option<String>>>, ConfigError> {
    if let ast::Value::Array(_) = node.value {
        let names = node.strings("a list of names", "a list of names")?;
        if let Some(wrong) = names.iter().find(|name| !is_variable(&name.value)) {
            return Err(node.error(format!("`{}` is no name of a variable", wrong.value), None));
        }
        return Ok(names
            .into_iter()
            .map(|name| (name.value.clone(), name.map(|_| None)))
            .collect());
    }
    let pairs = env(node)?.into_iter();
    Ok(pairs.map(|(name, value)| (name, value.map(Some))).collect())
}

/// Labels by name.
pub(super) fn labels(node: &Node<'_>) -> Result<BTreeMap<String, Given<String>>, ConfigError> {
    let mut found = BTreeMap::new();
    for entry in
        node.entries("an object of labels, as {\"org.opencontainers.image.vendor\": \"…\"}")?
    {
        let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
        if entry.name.is_empty() || !entry.name.chars().all(legal) {
            let problem = format!(
                "`{}` is no name of a label: letters, digits, `.`, `_`, `-` and `/`",
                entry.name
            );
            return Err(entry.error(problem, None));
        }
        let value = entry.node();
        found.insert(entry.name.to_owned(), value.given(value.scalar()?));
    }
    Ok(found)
}

/// The health check: a path, an object, or off.
pub(super) fn healthcheck(node: &Node<'_>) -> Result<Option<Healthcheck>, ConfigError> {
    let what = "a path as \"/health\", false, or an object with `path` or `command`";
    match node.value {
        ast::Value::BooleanLit(truth) if !truth.value => return Ok(None),
        ast::Value::StringLit(_) => {
            return Ok(Some(Healthcheck {
                probe: Probe::Path(path(node, what)?),
                ..Healthcheck::default()
            }));
        }
        _ => {}
    }
    let mut found = Healthcheck::default();
    let mut probes = 0;
    for entry in node.entries(what)? {
        let value = entry.node();
        match entry.name {
            "path" => {
                probes += 1;
                found.probe = Probe::Path(path(&value, "a path, as \"/health\"")?);
            }
            "command" => {
                probes += 1;
                let what = "a list of words, as [\"node\", \"health.js\"]";
                let words = value.strings(what, what)?;
                if words.is_empty() {
                    return Err(value.expected(what));
                }
                found.probe = Probe::Command(words.into_iter().map(|word| word.value).collect());
            }
            "interval" => found.timing.interval = Some(duration(&value)?),
            "timeout" => found.timing.timeout = Some(duration(&value)?),
            "startPeriod" => found.timing.start_period = Some(duration(&value)?),
            "retries" => {
                found.timing.retries = Some(value.number(1..=100, "a number from 1 to 100")?);
            }
            _ => {
                return Err(entry.unknown(&[
                    "path",
                    "command",
                    "interval",
                    "timeout",
                    "startPeriod",
                    "retries",
                ]));
            }
        }
    }
    if probes == 1 {
        Ok(Some(found))
    } else {
        Err(node.error(
            format!("`{}` needs either `path` or `command`", node.path),
            None,
        ))
    }
}

fn path(node: &Node<'_>, what: &str) -> Result<String, ConfigError> {
    let text = node.string(what)?;
    let legal = |letter: char| letter.is_ascii_graphic() && !"'\"\\`".contains(letter);
    if text.starts_with('/') && text.chars().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(node.expected(what))
    }
}

/// A duration as Docker writes it.
fn duration(node: &Node<'_>) -> Result<Span, ConfigError> {
    let what = "a duration, as \"30s\" or \"1m30s\"";
    node.string(what)?.parse().map_err(|_| node.expected(what))
}

/// Globs, converted from the file's directory to the workspace's root.
pub(super) fn globs(node: &Node<'_>, dir: &RepoPath) -> Result<Vec<String>, ConfigError> {
    let what = "a list of globs, as [\"config/**\"]";
    let mut found = Vec::new();
    for item in node.items(what)? {
        let glob = item.string(what)?;
        if let Err(error) = glob::parse(glob, Dialect::default()) {
            let shown: String = glob.chars().take(100).collect();
            let problem = format!(
                "`{}`: `{shown}` is not a glob: {}",
                node.path,
                error.words()
            );
            return Err(item.error(problem, None));
        }
        let mut base = Some(dir.clone());
        let mut rest = glob.trim_start_matches("./");
        while let (Some(below), Some(dir)) = (rest.strip_prefix("../"), &base) {
            rest = below;
            base = dir.parent();
        }
        let Some(base) = base
            .filter(|_| !rest.starts_with(['/', '!']) && !rest.split('/').any(|part| part == ".."))
        else {
            let problem = format!("`{}`: `{glob}` leads out of the workspace", node.path);
            let hint = format!("globs are relative to the directory of `{}`", node.file);
            return Err(item.error(problem, Some(hint)));
        };
        found.push(if base.is_root() {
            rest.to_owned()
        } else {
            format!("{}/{rest}", globset::escape(base.as_str()))
        });
    }
    Ok(found)
}

/// Directories of the app; `.` is the app's own.
pub(super) fn directories(node: &Node<'_>) -> Result<Vec<Given<String>>, ConfigError> {
    let what = "a list of directories of the app, as [\"uploads\"]";
    let directory = |item: Node<'_>| {
        let text = item.string(what)?;
        let path = RepoPath::new(text.trim_end_matches('/')).map_err(|_| item.expected(what))?;
        Ok(item.given(path.to_string()))
    };
    node.items(what)?.into_iter().map(directory).collect()
}

/// Names, each with its place.
type Names = Vec<Given<String>>;

/// System packages: what builds need, and what the image needs.
pub(super) fn packages(node: &Node<'_>) -> Result<(Names, Names), ConfigError> {
    let what = "an object with `build` and `runtime`, as {\"runtime\": [\"ffmpeg\"]}";
    let (mut build, mut runtime) = (Vec::new(), Vec::new());
    for entry in node.entries(what)? {
        let list = match entry.name {
            "build" => &mut build,
            "runtime" => &mut runtime,
            _ => return Err(entry.unknown(&["build", "runtime"])),
        };
        let what = "a list of packages of the base's distribution, as [\"ffmpeg\"]";
        for item in entry.node().items(what)? {
            let name = item.string(what)?;
            let legal = |letter: char| letter.is_ascii_alphanumeric() || "+-.=:~_".contains(letter);
            if name.starts_with('-') || !name.chars().all(legal) {
                let problem = format!("`{}`: `{name}` is no name of a package", entry.path);
                return Err(item.error(problem, None));
            }
            list.push(item.given(name.to_owned()));
        }
    }
    Ok((build, runtime))
}

/// The scripts that build the app.
pub(super) fn tasks(node: &Node<'_>) -> Result<Vec<String>, ConfigError> {
    let what = "a list of scripts of the app's package.json, as [\"generate\", \"build\"]";
    let names = node.strings(what, what)?;
    Ok(names.into_iter().map(|name| name.value).collect())
}

/// Which lifecycle scripts run: all, none, or by name.
pub(super) fn lifecycle(node: &Node<'_>) -> Result<BTreeMap<String, Given<bool>>, ConfigError> {
    let what = "true, false, or an object of scripts, as {\"@shop/ui#prepare\": false}";
    if let ast::Value::BooleanLit(all) = node.value {
        return Ok(BTreeMap::from([(
            ALL_SCRIPTS.to_owned(),
            node.given(all.value),
        )]));
    }
    let mut found = BTreeMap::new();
    for entry in node.entries(what)? {
        let value = entry.node();
        let runs = truth(&value)?;
        if !entry.name.contains('#') {
            let problem = format!("`{}` names no script of a package", entry.path);
            let hint =
                "write PACKAGE#SCRIPT, as \"@shop/ui#prepare\"; the root's are \"//#postinstall\"";
            return Err(entry.error(problem, Some(hint.to_owned())));
        }
        found.insert(entry.name.to_owned(), value.given(runs));
    }
    Ok(found)
}

/// A file, relative to the directory of the configuration file.
pub(super) fn file(node: &Node<'_>, dir: &RepoPath) -> Result<RepoPath, ConfigError> {
    let what = "a file of the workspace, as \"Dockerfile.j2\"";
    let path = dir
        .join(node.string(what)?)
        .map_err(|_| node.expected(what))?;
    if path.is_root() {
        return Err(node.expected(what));
    }
    Ok(path)
}

/// Names of secrets. Steps get each as a variable.
pub(super) fn secrets(node: &Node<'_>) -> Result<Names, ConfigError> {
    let what = "a list of names, as [\"NPM_TOKEN\"]";
    let names = node.strings(what, what)?;
    match names.iter().find(|name| !is_variable(&name.value)) {
        Some(wrong) => {
            let problem = format!(
                "`{}`: `{}` is no name of a variable",
                node.path, wrong.value
            );
            let hint =
                "secrets are named here; their values come from the environment, or from --secret";
            Err(node.error(problem, Some(hint.to_owned())))
        }
        None => Ok(names),
    }
}
