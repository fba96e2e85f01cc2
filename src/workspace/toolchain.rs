//! Decides the versions of node and pnpm from the workspace, and records what decided.

mod decision;
pub mod dev_engines;

use std::ops::RangeInclusive;

use nodejs_semver::{Range, Version};
use serde_json::Value;

use crate::files::tree::{Limit, TreeError};
use crate::lockfile::keys::Format;
use crate::lockfile::{Lockfile, Text, v13};
use crate::model::path::RepoPath;
use crate::workspace::{Member, Workspace};

pub use decision::Decision;

/// The argument that sets node's version.
const FLAG: &str = "--node";

/// Node's LTS lines, in order of preference.
const NODE_LTS: [u64; 4] = [24, 22, 20, 18];

/// The pnpm version if nothing names one: the newest that writes the lockfile's format; for 9.0 one
/// that reads settings from all the places that pnpm 9 to 12 use.
fn default_pnpm(workspace: &Workspace) -> &'static str {
    let first = workspace.lockfiles.first();
    if first.is_some_and(Text::is_in_braces) {
        return v13::DEFAULT_PNPM;
    }
    let lockfile = first.map(|text| Lockfile::parse(text));
    match lockfile.map(|parsed| parsed.map(|lockfile| lockfile.format())) {
        Some(Ok(Format::V5)) => "7.33.7",
        Some(Ok(Format::V6)) => "8.15.9",
        Some(Ok(Format::V9) | Err(_)) | None => "10.34.5",
    }
}

/// Why no version can be decided.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// A file that may name a version cannot be read.
    #[error(transparent)]
    Unread(#[from] TreeError),
    /// The text is not a version or range.
    #[error("`{file}` asks for node `{text}`, which is no version")]
    NotAVersion {
        /// The file or argument that contains it.
        file: String,
        /// As written.
        text: String,
    },
    /// No supported node line matches.
    #[error("`{file}` asks for node `{text}`, which none of the lines {} fits", NODE_LTS.map(|line| line.to_string()).join(", "))]
    NoLine {
        /// The file or argument that contains it.
        file: String,
        /// As written.
        text: String,
    },
    /// The workspace does not use pnpm.
    #[error("`{file}` names `{text}` as the package manager: slimbuild builds pnpm workspaces")]
    NotPnpm {
        /// The file that says so.
        file: String,
        /// As written.
        text: String,
    },
    /// The pnpm version does not run on such an old node.
    #[error("pnpm {pnpm} needs node {}.{} or newer, and node {node} was chosen ({reason})", .needs.0, .needs.1)]
    NodeTooOld {
        /// pnpm's version.
        pnpm: String,
        /// The oldest node that it runs on: major and minor.
        needs: (u64, u64),
        /// Node's version.
        node: String,
        /// What decided node's version.
        reason: String,
    },
    /// The pnpm version does not run on such a new node.
    #[error("pnpm {pnpm} downloads nothing on node {} and newer, and node {node} was chosen ({reason})", .newest + 1)]
    NodeTooNew {
        /// pnpm's version.
        pnpm: String,
        /// The newest node major that it runs on.
        newest: u64,
        /// Node's version.
        node: String,
        /// What decided node's version.
        reason: String,
    },
}

impl ToolchainError {
    /// Whether an argument is wrong, not a file.
    pub fn is_argument(&self) -> bool {
        matches!(self, Self::NotAVersion { file, .. } | Self::NoLine { file, .. } if file == FLAG)
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unread(error) => error.hint(),
            Self::NotAVersion { .. } | Self::NoLine { .. } => {
                Some("mend it, or choose with `--node VERSION`".to_owned())
            }
            Self::NotPnpm { .. } => None,
            Self::NodeTooOld { needs, reason, .. } => {
                // An LTS line, which means its newest release.
                let fitting = NODE_LTS.into_iter().rfind(|line| *line >= needs.0);
                let line = fitting.unwrap_or(needs.0);
                Some(if reason.starts_with('`') {
                    format!("write `{line}` there, or choose with `--node {line}`")
                } else {
                    format!("choose with `--node {line}`, or write `{line}` into `.nvmrc`")
                })
            }
            Self::NodeTooNew { pnpm, .. } => {
                let mended = if pnpm.starts_with("8.") {
                    "8.15.9"
                } else {
                    "7.33.7"
                };
                Some(format!(
                    "name pnpm {mended} in `packageManager`, or choose an older node with `--node 18`"
                ))
            }
        }
    }
}

/// Decides both versions, and checks that they work together. `given` is a source outside the
/// workspace's own version files (`--node`, a configuration file) with its version of node; it
/// takes precedence.
pub fn decide(
    workspace: &Workspace,
    app: &Member,
    given: Option<(&str, &str)>,
) -> Result<(Decision<String>, Decision<String>), ToolchainError> {
    let pnpm = pnpm(workspace)?;
    let lines = lines(&pnpm.value);
    let node = node(workspace, app, given, &lines)?;
    check(&node, &pnpm, &lines)?;
    Ok((node, pnpm))
}

/// Decides node's version: `--node`, then version files and manifests, the app's before the root's.
/// A full version (`22.11.0`) is used as is; anything else becomes the newest matching LTS line, so
/// that rebuilds bring security fixes. The choice is limited to `lines`.
fn node(
    workspace: &Workspace,
    app: &Member,
    given: Option<(&str, &str)>,
    lines: &RangeInclusive<u64>,
) -> Result<Decision<String>, ToolchainError> {
    let from_text = |file: &str, text: &str| from_text(file, text, lines);
    if let Some((place, text)) = given {
        return from_text(place, text);
    }
    let places = [&app.dir, &RepoPath::ROOT];
    for dir in places {
        for name in [".nvmrc", ".node-version"] {
            let file = if dir.is_root() {
                name.to_owned()
            } else {
                format!("{dir}/{name}")
            };
            if let Some(text) = first_line(workspace, &file)? {
                return from_text(&file, &text);
            }
        }
    }
    let manifests = [&app.manifest, &workspace.root_member().manifest];
    for manifest in manifests {
        if let Some(version) = dev_engines::version(manifest, "runtime", "node") {
            return from_text(&format!("{} (devEngines)", manifest.file()), &version);
        }
    }
    for manifest in manifests {
        if let Some(range) = manifest
            .get("engines")
            .and_then(|engines| engines.get("node"))
            .and_then(Value::as_str)
        {
            return from_text(&format!("{} (engines)", manifest.file()), range);
        }
    }
    let newest = newest(lines, |_| true).unwrap_or(NODE_LTS[0]);
    let mut reason = "nothing names a version: the newest line with long-term support".to_owned();
    if newest != NODE_LTS[0] {
        reason.push_str(RUNS_ON);
    }
    Ok(Decision::new(newest.to_string(), reason))
}

/// Ends the reason if pnpm limited the choice.
const RUNS_ON: &str = " that pnpm runs on";

/// The newest LTS line in `lines` that fits.
fn newest(lines: &RangeInclusive<u64>, fits: impl Fn(u64) -> bool) -> Option<u64> {
    let mut both = NODE_LTS.into_iter().filter(|line| lines.contains(line));
    both.find(|line| fits(*line))
}

fn first_line(workspace: &Workspace, file: &str) -> Result<Option<String>, TreeError> {
    let path = RepoPath::new(file).unwrap_or_default();
    let text = workspace.tree.read_text_optional(&path, Limit::Settings)?;
    let text = text.unwrap_or_default();
    let line = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .find(|line| !line.is_empty());
    Ok(line.map(str::to_owned))
}

fn from_text(
    file: &str,
    text: &str,
    lines: &RangeInclusive<u64>,
) -> Result<Decision<String>, ToolchainError> {
    let wanted = text.trim().trim_start_matches(['v', 'V']);
    if let Ok(exact) = Version::parse(wanted) {
        return Ok(Decision::new(
            exact.to_string(),
            format!("`{text}` in {file}"),
        ));
    }
    let line = match wanted.to_lowercase().as_str() {
        "lts/*" | "lts" | "node" | "latest" | "current" | "stable" => Some(NODE_LTS[0]),
        "lts/hydrogen" => Some(18),
        "lts/iron" => Some(20),
        "lts/jod" => Some(22),
        "lts/krypton" => Some(24),
        // A bare major is used as is, even an odd or a new one.
        bare => bare.parse().ok(),
    };
    if let Some(line) = line {
        return Ok(Decision::new(
            line.to_string(),
            format!("`{text}` in {file}"),
        ));
    }
    let not_a_version = || ToolchainError::NotAVersion {
        file: file.to_owned(),
        text: text.to_owned(),
    };
    let range = Range::parse(wanted).map_err(|_| not_a_version())?;
    // A line fits if one of its releases does; its image tag gives the newest release.
    let fits = |line: u64| {
        Version::parse(format!("{line}.999.999")).is_ok_and(|newest| range.satisfies(&newest))
    };
    let any = NODE_LTS.into_iter().find(|line| fits(*line));
    if let Some(line) = newest(lines, fits).or(any) {
        let mut reason =
            format!("`{text}` in {file}; the newest line with long-term support that fits");
        if Some(line) != any {
            reason.push_str(" and");
            reason.push_str(RUNS_ON);
        }
        return Ok(Decision::new(line.to_string(), reason));
    }
    // A narrower range such as `20.12` or `~20.12.1`: images are tagged by minor version too.
    let minor = range
        .min_version()
        .filter(|version| NODE_LTS.contains(&version.major()));
    let fits = |major: u64, minor: u64| {
        Version::parse(format!("{major}.{minor}.999")).is_ok_and(|newest| range.satisfies(&newest))
    };
    match minor.filter(|version| fits(version.major(), version.minor())) {
        Some(version) => {
            let tag = format!("{}.{}", version.major(), version.minor());
            Ok(Decision::new(tag, format!("`{text}` in {file}")))
        }
        None => Err(ToolchainError::NoLine {
            file: file.to_owned(),
            text: text.to_owned(),
        }),
    }
}

/// The exact version of pnpm that the workspace pins.
pub fn named_pnpm(workspace: &Workspace) -> Option<&str> {
    let text = workspace.root_member().manifest.text("packageManager")?;
    asked_pnpm(text).filter(|version| Version::parse(version).is_ok())
}

/// What `packageManager` asks for, without a checksum, if it is pnpm: `pnpm@9`, or `pnpm` alone.
fn asked_pnpm(text: &str) -> Option<&str> {
    let (name, version) = text.split_once('@').unwrap_or((text, ""));
    (name == "pnpm").then(|| version.split('+').next().unwrap_or_default())
}

/// Decides pnpm's exact version: `packageManager`, `devEngines`, `engines`, else a default that can
/// read the lockfile.
pub fn pnpm(workspace: &Workspace) -> Result<Decision<String>, ToolchainError> {
    let manifest = &workspace.root_member().manifest;
    let file = manifest.file();
    let mut default = format!("{file} has no `packageManager`: slimbuild's default");
    let mut named = None;
    if let Some(text) = manifest.text("packageManager") {
        let version = asked_pnpm(text).ok_or_else(|| ToolchainError::NotPnpm {
            file: file.to_owned(),
            text: text.to_owned(),
        })?;
        if Version::parse(version).is_ok() {
            return Ok(Decision::new(
                version.to_owned(),
                format!("`packageManager` in {file}"),
            ));
        }
        default = format!("`{text}` in {file} names no version: slimbuild's default");
        // pnpm 9 and later ignore what is no exact version; actions of CI read it as a range.
        let is_range = !version.is_empty() && Range::parse(version).is_ok();
        named = is_range.then(|| (version.to_owned(), "packageManager"));
    }
    let engine = named.or_else(|| {
        let range = dev_engines::version(manifest, "packageManager", "pnpm")?;
        Some((range, "devEngines"))
    });
    let engine = engine.or_else(|| {
        let range = manifest.get("engines")?.get("pnpm")?.as_str()?;
        Some((range.to_owned(), "engines"))
    });
    if let Some((text, place)) = engine {
        if Version::parse(&text).is_ok() {
            return Ok(Decision::new(
                text.clone(),
                format!("`{text}` in {file} ({place})"),
            ));
        }
        let default = default_pnpm(workspace);
        let version = Version::parse(default).ok();
        let fits = Range::parse(&text)
            .is_ok_and(|range| version.is_some_and(|version| range.satisfies(&version)));
        if fits {
            let reason = format!(
                "fits `{text}` in {file} ({place}); name an exact version by `packageManager`"
            );
            return Ok(Decision::new(default.to_owned(), reason));
        }
        // npm resolves the range, and the plan says so.
        return Ok(Decision::new(
            text.clone(),
            format!(
                "the range `{text}` in {file} ({place}); name an exact version by `packageManager`"
            ),
        ));
    }
    Ok(Decision::new(default_pnpm(workspace).to_owned(), default))
}

/// The version of a pnpm for rules that depend on it. A range is resolved by npm, so its newest
/// matching major counts as that major's last release.
fn release(pnpm: &str) -> Option<(u64, u64, u64)> {
    if let Ok(version) = Version::parse(pnpm) {
        return Some((version.major(), version.minor(), version.patch()));
    }
    let range = Range::parse(pnpm).ok()?;
    let mut majors = (6..=NEWEST_PNPM).rev();
    let last = |major: &u64| Version::parse(format!("{major}.999.999"));
    let major = majors.find(|major| last(major).is_ok_and(|last| range.satisfies(&last)))?;
    Some((major, 999, 999))
}

/// The newest pnpm major that the rules know.
const NEWEST_PNPM: u64 = 12;

/// The oldest node (major, minor) that a pnpm runs on, from `engines` of its package.json.
fn oldest(pnpm: &str) -> (u64, u64) {
    match release(pnpm) {
        Some((12.., ..)) => (18, 0),
        Some((11, ..)) => (22, 13),
        Some((9 | 10, ..)) => (18, 12),
        Some((8, ..)) => (16, 14),
        Some((7, 0..=1, _) | (7, 2, 0)) => (14, 19),
        Some((7, ..)) => (14, 6),
        Some((6, ..)) => (12, 17),
        Some(_) | None => (0, 0),
    }
}

/// The node majors that a pnpm runs on.
///
/// Before 7.32.2 and 8.3.1, requests fail on node 20 and later (`ERR_INVALID_THIS`, pnpm's issue
/// 6424; tried with the real ones): such a pnpm starts but downloads nothing.
fn lines(pnpm: &str) -> RangeInclusive<u64> {
    let newest = match release(pnpm) {
        Some(number) if number < (7, 32, 2) || ((8, 0, 0)..(8, 3, 1)).contains(&number) => 19,
        _ => u64::MAX,
    };
    oldest(pnpm).0..=newest
}

/// Checks that pnpm runs on this node, one of `lines`. A line (`22`) means its newest release.
fn check(
    node: &Decision<String>,
    pnpm: &Decision<String>,
    lines: &RangeInclusive<u64>,
) -> Result<(), ToolchainError> {
    let mut numbers = node.value.split('.').map(str::parse::<u64>);
    let Some(Ok(major)) = numbers.next() else {
        return Ok(());
    };
    let minor = match numbers.next() {
        Some(Ok(minor)) => minor,
        _ => u64::MAX,
    };
    let needs = oldest(&pnpm.value);
    let (pnpm, node, reason) = (pnpm.value.clone(), node.value.clone(), node.reason.clone());
    if (major, minor) < needs {
        return Err(ToolchainError::NodeTooOld {
            pnpm,
            needs,
            node,
            reason,
        });
    }
    if major > *lines.end() {
        return Err(ToolchainError::NodeTooNew {
            pnpm,
            newest: *lines.end(),
            node,
            reason,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
