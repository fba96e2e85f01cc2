//! Which node and which pnpm: read from the workspace, with the place that decided.

use std::path::Path;

use nodejs_semver::{Range, Version};
use serde::Serialize;
use serde_json::Value;

use crate::lockfile::Lockfile;
use crate::lockfile::keys::Format;
use crate::manifest::package::Manifest;
use crate::path::RepoPath;
use crate::workspace::{Member, Workspace};

/// The argument that decides node's version.
const FLAG: &str = "--node";

/// Node lines with long-term support, the one that slimbuild prefers first.
const NODE_LTS: [u64; 4] = [24, 22, 20, 18];

/// The pnpm that slimbuild takes where nothing names one: the newest that writes the lockfile's format; for 9.0 one that reads settings in all
/// the places that pnpm 9 to 12 use.
fn default_pnpm(workspace: &Workspace) -> &'static str {
    match Lockfile::parse(&workspace.lockfile_text).map(|lockfile| lockfile.format()) {
        Ok(Format::V5) => "7.33.7",
        Ok(Format::V6) => "8.15.9",
        Ok(Format::V9) | Err(_) => "10.34.5",
    }
}

/// A value and the place or rule that decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision<T> {
    /// What was decided.
    pub value: T,
    /// Why, in words that a reader can follow up.
    pub reason: String,
}

impl<T> Decision<T> {
    /// Notes a value with its reason.
    pub fn new(value: T, reason: impl Into<String>) -> Self {
        Self {
            value,
            reason: reason.into(),
        }
    }
}

/// Why a version cannot be decided.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ToolchainError {
    /// The text is no version or range.
    #[error("`{file}` asks for node `{text}`, which is no version")]
    NotAVersion {
        /// Where it stands.
        file: String,
        /// As it is written.
        text: String,
    },
    /// No supported line of node fits.
    #[error("`{file}` asks for node `{text}`, which none of the lines {} fits", NODE_LTS.map(|line| line.to_string()).join(", "))]
    NoLine {
        /// Where it stands.
        file: String,
        /// As it is written.
        text: String,
    },
    /// The workspace is not pnpm's.
    #[error("`{file}` names `{text}` as the package manager: slimbuild builds pnpm workspaces")]
    NotPnpm {
        /// Where it stands.
        file: String,
        /// As it is written.
        text: String,
    },
    /// pnpm does not run on that node.
    #[error("pnpm {pnpm} needs node {needs} or newer, and node {node} was chosen ({reason})")]
    NodeTooOld {
        /// pnpm's version.
        pnpm: String,
        /// The oldest major that it runs on.
        needs: u64,
        /// Node's version.
        node: String,
        /// What chose it.
        reason: String,
    },
}

impl ToolchainError {
    /// Whether an argument, and no file, is wrong.
    pub fn is_argument(&self) -> bool {
        matches!(self, Self::NotAVersion { file, .. } | Self::NoLine { file, .. } if file == FLAG)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotAVersion { .. } | Self::NoLine { .. } => {
                Some("mend it, or choose with `--node VERSION`".to_owned())
            }
            Self::NotPnpm { .. } => None,
            Self::NodeTooOld { needs, .. } => Some(format!(
                "choose with `--node {needs}`, or write `{needs}` into `.nvmrc`"
            )),
        }
    }
}

/// Decides both, and checks that they go together. `given` is a place outside of the files that name versions (`--node`, a
/// configuration file), with the version of node that it names; it wins.
pub fn decide(
    workspace: &Workspace,
    app: &Member,
    given: Option<(&str, &str)>,
) -> Result<(Decision<String>, Decision<String>), ToolchainError> {
    let (node, pnpm) = (node(workspace, app, given)?, pnpm(workspace)?);
    check(&node, &pnpm)?;
    Ok((node, pnpm))
}

/// Decides node's version: `--node`, then version files and manifests, those of the app before the root's. A full version (`22.11.0`) is taken
/// exactly; anything else becomes the newest fitting line with long-term support, so that rebuilding brings security fixes.
fn node(
    workspace: &Workspace,
    app: &Member,
    given: Option<(&str, &str)>,
) -> Result<Decision<String>, ToolchainError> {
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
            if let Some(text) = first_line(&workspace.root.join(&file)) {
                return from_text(&file, &text);
            }
        }
    }
    let manifests = [&app.manifest, &workspace.root_member().manifest];
    for manifest in manifests {
        if let Some(version) = dev_engine(manifest, "runtime", "node") {
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
    Ok(Decision::new(
        NODE_LTS[0].to_string(),
        "nothing names a version: the newest line with long-term support",
    ))
}

fn first_line(path: &Path) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    let line = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .find(|line| !line.is_empty());
    line.map(str::to_owned)
}

/// `devEngines.runtime` or `.packageManager`: an object or a list of them.
fn dev_engine(manifest: &Manifest, kind: &str, name: &str) -> Option<String> {
    let engines = manifest.get("devEngines")?.get(kind)?;
    let all = engines
        .as_array()
        .map_or(std::slice::from_ref(engines), Vec::as_slice);
    let engine = all
        .iter()
        .find(|engine| engine.get("name").and_then(Value::as_str) == Some(name))?;
    engine.get("version")?.as_str().map(str::to_owned)
}

fn from_text(file: &str, text: &str) -> Result<Decision<String>, ToolchainError> {
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
        // A bare major is taken as it is, an odd or a new one too.
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
    // A line fits where one of its releases does, and the newest release is what its image tag gives.
    let fits = |line: &u64| {
        Version::parse(format!("{line}.999.999")).is_ok_and(|newest| range.satisfies(&newest))
    };
    if let Some(line) = NODE_LTS.iter().find(|line| fits(line)) {
        let reason =
            format!("`{text}` in {file}; the newest line with long-term support that fits");
        return Ok(Decision::new(line.to_string(), reason));
    }
    // A narrower range, as `20.12` or `~20.12.1`: an image is tagged by its minor version too.
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
    text.strip_prefix("pnpm@")?.split('+').next()
}

/// Decides pnpm's exact version: `packageManager`, `devEngines`, `engines`, else a default that reads the lockfile.
pub fn pnpm(workspace: &Workspace) -> Result<Decision<String>, ToolchainError> {
    let manifest = &workspace.root_member().manifest;
    let file = manifest.file();
    if let Some(text) = manifest.text("packageManager") {
        let not_pnpm = || ToolchainError::NotPnpm {
            file: file.to_owned(),
            text: text.to_owned(),
        };
        let version = text.strip_prefix("pnpm@").ok_or_else(not_pnpm)?;
        let version = version.split('+').next().unwrap_or_default();
        Version::parse(version).map_err(|_| not_pnpm())?;
        return Ok(Decision::new(
            version.to_owned(),
            format!("`packageManager` in {file}"),
        ));
    }
    let engine = dev_engine(manifest, "packageManager", "pnpm").map(|range| (range, "devEngines"));
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
        // npm resolves the range; the plan says so.
        return Ok(Decision::new(
            text.clone(),
            format!(
                "the range `{text}` in {file} ({place}); name an exact version by `packageManager`"
            ),
        ));
    }
    Ok(Decision::new(
        default_pnpm(workspace).to_owned(),
        format!("{file} has no `packageManager`: slimbuild's default"),
    ))
}

/// Checks that the pnpm runs on the node.
fn check(node: &Decision<String>, pnpm: &Decision<String>) -> Result<(), ToolchainError> {
    let major = |version: &str| {
        version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u64>().ok())
    };
    let needs = match major(&pnpm.value) {
        Some(11..) => 22,
        Some(9 | 10) => 18,
        _ => return Ok(()),
    };
    // pnpm 12 is a native program.
    if major(&pnpm.value).is_some_and(|pnpm| pnpm >= 12)
        || major(&node.value).is_none_or(|node| node >= needs)
    {
        return Ok(());
    }
    Err(ToolchainError::NodeTooOld {
        pnpm: pnpm.value.clone(),
        needs,
        node: node.value.clone(),
        reason: node.reason.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_names_a_pnpm_the_lockfile_does() {
        for (format, expected) in [("5.4", "7.33.7"), ("'6.0'", "8.15.9"), ("'9.0'", "10.34.5")] {
            let text = format!("lockfileVersion: {format}\n\nimporters:\n\n  .: {{}}\n");
            let (_dir, workspace) = crate::testing::workspace(&[("pnpm-lock.yaml", &text)]);
            assert_eq!(pnpm(&workspace).unwrap().value, expected);
            assert_eq!(named_pnpm(&workspace), None);
        }
    }

    #[test]
    fn versions_and_ranges() {
        let node = |text| {
            from_text(".nvmrc", text)
                .map(|decision| decision.value)
                .map_err(|error| error.to_string())
        };
        for (text, expected) in [
            ("22", "22"),
            ("v22.11.0", "22.11.0"),
            ("lts/*", "24"),
            ("lts/iron", "20"),
            (">=18", "24"),
            ("^20.9.0", "20"),
            ("20.x", "20"),
            (">=18 <23", "22"),
            ("23", "23"),
            ("20.12", "20.12"),
            ("~20.12.1", "20.12"),
        ] {
            assert_eq!(node(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(
            node("abc"),
            Err("`.nvmrc` asks for node `abc`, which is no version".to_owned())
        );
        assert_eq!(
            node("<16"),
            Err(
                "`.nvmrc` asks for node `<16`, which none of the lines 24, 22, 20, 18 fits"
                    .to_owned()
            )
        );
    }

    #[test]
    fn pnpm_needs_its_node() {
        let check = |node: &str, pnpm: &str| {
            check(
                &Decision::new(node.into(), "r"),
                &Decision::new(pnpm.into(), "r"),
            )
        };
        assert!(check("20", "11.3.0").is_err());
        assert!(check("22", "11.3.0").is_ok());
        assert!(check("20", "12.0.0").is_ok());
        assert!(check("20", "10.1.0").is_ok());
    }
}
