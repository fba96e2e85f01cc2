//! Detects the kind of an app, and how it starts. One file per kind; each returns evidence or
//! nothing.
//!
//! Input: the app's manifest and the list of its files. Output: the kind with its evidence, and the
//! start command. Nothing is run.

pub mod delivery;
pub mod exports;
mod framework;
mod heeded;
pub mod loader;
mod mistaken;
pub mod native;
mod next;
mod nitro;
pub mod prisma;
pub mod program;
pub mod reads;
mod rendering;
pub mod script;
mod site;
pub mod start;
pub mod string_names;
pub mod subject;
#[cfg(test)]
mod tests;
pub mod tsc;
pub mod typescript;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::path::RepoPath;
use crate::workspace::manifest::ManifestError;
pub use delivery::{Bundle, Delivery, Site, WORKSPACE};
pub use framework::{Framework, builds_an_app};
use rendering::Rendered;
pub use start::Start;
use start::shell;
pub use subject::{Subject, WantedStart};

/// The kinds of app that can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AppKind {
    /// A program that node runs: a server, a worker, a command.
    Node,
    /// A Next.js app.
    Next,
    /// Files that any web server can serve.
    StaticSite,
    /// Pages that a framework renders on a server.
    ServerRendering,
}

impl AppKind {
    /// The name in messages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Next => "Next.js",
            Self::StaticSite => "static site",
            Self::ServerRendering => "server rendering",
        }
    }
}

/// Why an app cannot be detected, or not built yet.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The framework's build, as configured, writes nothing that can be served.
    #[error("cannot tell how `{app}` is to be served: {problem}")]
    Undecided {
        /// The app's directory.
        app: RepoPath,
        /// What is missing or contradictory.
        problem: String,
        /// What to write, and where.
        fix: String,
    },
    /// A framework makes a site, but a script starts a server.
    #[error("`{app}` may be a static site ({site}) or a program that node runs ({server})")]
    TwoKinds {
        /// The app's directory.
        app: RepoPath,
        /// The evidence for a site.
        site: String,
        /// The evidence for a server.
        server: String,
    },
    /// The user names a kind for which the app has no evidence.
    #[error("`{app}` is not of the kind `{}`: no framework that makes such an app builds it", .kind.label())]
    NotThatKind {
        /// The app's directory.
        app: RepoPath,
        /// The kind that was named.
        kind: AppKind,
    },
    /// Nothing shows how the app starts.
    #[error("cannot tell how `{app}` starts: {tried}")]
    NoStart {
        /// The app's directory.
        app: RepoPath,
        /// What was tried.
        tried: String,
        /// The file that is named as entry, if any.
        entry: Option<String>,
        /// What the `dev` script starts, if it alone starts a file.
        dev: Option<String>,
    },
    /// A file that the image would start, and that its node does not run.
    #[error("node cannot run `{app}`: {problem}")]
    TypeScript {
        /// The app's directory.
        app: RepoPath,
        /// The file, and what is with it.
        problem: String,
        /// What to write where.
        fix: String,
    },
    /// The start script does what no image can.
    #[error("cannot start `{app}` as it says: {problem}")]
    NotRun {
        /// The app's directory.
        app: RepoPath,
        /// What the script does.
        problem: String,
        /// What to write, and where.
        fix: String,
    },
    /// There is nothing to start, and no build that could make it.
    #[error(
        "`{manifest}` has no `build` script, and `{entry}` ({reason}) is not there without one"
    )]
    NoBuild {
        /// The app's directory.
        app: RepoPath,
        /// The app's manifest.
        manifest: String,
        /// The file to start.
        entry: String,
        /// What names it.
        reason: String,
    },
    /// A configuration file cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl DetectError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Undecided { fix, .. }
            | Self::NotRun { fix, .. }
            | Self::TypeScript { fix, .. } => Some(fix.clone()),
            Self::TwoKinds { app, .. } => Some(format!(
                "decide: `--kind static-site` or `--kind node`, or for good {} (or \"node\")",
                decides(app, "\"kind\": \"static-site\"")
            )),
            Self::NotThatKind { app, .. } => Some(format!(
                "leave `--kind` out, and `\"kind\"` of slimbuild.json, to see what is found; or say what node starts: `--kind node --entry dist/main.js`, or for good {}",
                decides(app, "\"kind\": \"node\", \"start\": \"dist/main.js\"")
            )),
            Self::NoStart { dev: Some(dev), .. } => Some(format!(
                "only the `dev` script starts it, by `{dev}`: if the image shall start so too, write `\"start\": \"{dev}\"` into the scripts; better is a `build` script that compiles it, and a `start` script for its output"
            )),
            Self::NoStart { app, .. } => Some(format!(
                "name the file that node starts with `--entry dist/main.js`, or for good {}, or in the `start` script as `node dist/main.js`",
                decides(app, "\"start\": \"dist/main.js\"")
            )),
            Self::NoBuild { app, .. } => Some(format!(
                "add a `build` script that writes the file, or name another one with `--entry FILE`, or for good {}",
                decides(app, "\"start\": \"FILE\"")
            )),
            Self::Manifest(error) => error.hint(),
        }
    }
}

/// The configuration line that decides.
fn decides(app: &RepoPath, line: &str) -> String {
    if app.is_root() {
        return format!("with `\"apps\": {{\".\": {{{line}}}}}` in slimbuild.json");
    }
    format!("with `{line}` in {app}/slimbuild.json")
}

/// An app's kind and the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Detected {
    /// The kind.
    pub kind: AppKind,
    /// The framework, if one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub framework: Option<Framework>,
    /// The evidence.
    pub evidence: Vec<String>,
}

impl Detected {
    /// Kind and framework for messages.
    pub fn label(&self) -> String {
        match self.framework {
            Some(framework) if framework.label() != self.kind.label() => {
                format!("{}, {}", self.kind.label(), framework.label())
            }
            _ => self.kind.label().to_owned(),
        }
    }
}

/// Everything detected from an app's own files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    pub detected: Detected,
    /// What its image contains.
    pub delivery: Delivery,
    /// Variables for its build.
    pub build_env: BTreeMap<String, String>,
    /// The port that it listens on, if known.
    pub port: Option<u16>,
}

impl Detection {
    fn new(detected: Detected, delivery: Delivery) -> Self {
        let (build_env, port) = (BTreeMap::new(), None);
        Self {
            detected,
            delivery,
            build_env,
            port,
        }
    }
}

/// Detects an app's kind and what its image contains. Evidence for a framework wins over the
/// general case that node starts a file. If both a site and a server fit, the user decides
/// (`wanted`).
pub fn detect(subject: &Subject<'_>, wanted: Option<AppKind>) -> Result<Detection, DetectError> {
    let mut detection = find(subject, wanted)?;
    heeded::heed_script(subject, &mut detection)?;
    if let Delivery::Modules(start) = &mut detection.delivery {
        loader::note(subject, start);
    }
    Ok(detection)
}

fn find(subject: &Subject<'_>, wanted: Option<AppKind>) -> Result<Detection, DetectError> {
    let found = framework::detect(subject).filter(|_| wanted != Some(AppKind::Node));
    let found = found.or_else(|| framework::of_kind(subject, wanted?));
    let Some((framework, evidence)) = found else {
        return match wanted {
            None => match mistaken::no_server(subject) {
                Some(error) => Err(error),
                None => node(subject),
            },
            Some(AppKind::Node) => node(subject),
            Some(AppKind::StaticSite) => Ok(site::unknown(subject)),
            Some(kind) => Err(DetectError::NotThatKind {
                app: subject.member().dir.clone(),
                kind,
            }),
        };
    };
    if framework.kind() == AppKind::StaticSite
        && wanted != Some(AppKind::StaticSite)
        && let Some(server) = mistaken::server_of_site(subject, framework, &evidence)?
    {
        return Ok(server);
    }
    if framework.kind() == AppKind::StaticSite && wanted.is_none() {
        if let Some(server) = mistaken::prepared_site(subject, framework, &evidence)? {
            return Ok(server);
        }
        mistaken::check_no_server(subject, &evidence)?;
    }
    let detection = match framework.kind() {
        AppKind::Next => next::detect(subject, evidence)?,
        AppKind::StaticSite => site::detect(subject, framework, evidence)?,
        AppKind::ServerRendering | AppKind::Node => rendering::detect(Rendered {
            subject,
            framework,
            evidence,
            wanted,
        })?,
    };
    match wanted.filter(|wanted| *wanted != detection.detected.kind) {
        Some(kind) => Err(DetectError::NotThatKind {
            app: subject.member().dir.clone(),
            kind,
        }),
        None => Ok(detection),
    }
}

/// The general case: node starts a file.
fn node(subject: &Subject<'_>) -> Result<Detection, DetectError> {
    let scripts = start::START_SCRIPTS;
    let script = scripts
        .iter()
        .any(|name| subject.manifest().script(name).is_some());
    let evidence = if script {
        "it has a start script and no framework of another kind"
    } else {
        "no framework of another kind"
    };
    let detected = Detected {
        kind: AppKind::Node,
        framework: None,
        evidence: vec![evidence.to_owned()],
    };
    if let Some(start) = shell::started(subject, None)? {
        return Ok(Detection::new(detected, Delivery::Modules(start)));
    }
    let program = match subject.entry {
        Some(_) => None,
        None if loader::starts(subject) => None,
        None => program::started(subject)?,
    };
    let mut start = match program {
        Some(start) => start,
        None => start::start(subject).map_err(|error| nearly(subject, error))?,
    };
    start.command = start::is_command(subject.manifest(), &start);
    Ok(Detection::new(detected, Delivery::Modules(start)))
}

/// Adds what else is known to the error that nothing starts the app.
fn nearly(subject: &Subject<'_>, error: DetectError) -> DetectError {
    let DetectError::NoStart {
        app,
        tried,
        entry: None,
        ..
    } = error
    else {
        return error;
    };
    if let Some(error) = mistaken::other_language(subject) {
        return error;
    }
    let more = framework::nearly(subject).into_iter();
    let more = more.chain(start::of_dockerfile(subject));
    let tried = more.fold(tried, |tried, more| format!("{tried}; {more}"));
    DetectError::NoStart {
        app,
        tried,
        entry: None,
        dev: start::for_developers(subject),
    }
}
