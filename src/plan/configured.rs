//! What the user's configuration adds to an image: variables, labels, a health check, system
//! packages, names, a template.

use std::collections::BTreeMap;

use serde::Serialize;

use super::base::Bases;
use super::{Decision, NodeCommand, PlanOptions, RuntimeBase};
use crate::detect::Delivery;
use crate::files::tree::Limit;
use crate::model::image::ImageRef;
use crate::model::path::RepoPath;
use crate::needs::tasks;
use crate::plan::PlanError;
use crate::plan::config::{ConfigError, Given, GivenBy, Healthcheck, Probe, Timing};
use crate::workspace::Workspace;

/// The port of a static site.
pub(super) const SITE_PORT: u16 = 8080;

/// What the user adds to an image, each value with its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Configured {
    /// The image's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Decision<Vec<String>>>,
    /// What decided the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_reason: Option<String>,
    /// Variables of the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Decision<String>>,
    /// Labels of the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Decision<String>>,
    /// Whether labels tell where the image comes from.
    #[serde(skip_serializing_if = "bool::clone")]
    pub oci_labels: bool,
    /// Docker's health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Decision<HealthcheckPlan>>,
    /// Writable directories of the app.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<Decision<String>>,
    /// Packages that the build stages get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_packages: Option<SystemPackages>,
    /// Packages that the image gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_packages: Option<SystemPackages>,
    /// Build arguments; one without a value takes it from the environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, Decision<Option<String>>>,
    /// The template of the Dockerfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

/// A health check as the Dockerfile has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HealthcheckPlan {
    /// The command; `None` disables the base's health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// When it runs.
    #[serde(flatten)]
    pub timing: Timing,
}

/// Packages of a base's distribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SystemPackages {
    /// The package manager.
    pub manager: PackageManager,
    /// Their names.
    pub names: Vec<String>,
    /// What requires them.
    pub reason: String,
}

/// A distribution's package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PackageManager {
    /// Debian's.
    Apt,
    /// Alpine's.
    Apk,
}

/// A user's template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Template {
    /// Its path.
    pub path: RepoPath,
    /// What names it.
    pub reason: String,
    #[serde(skip)]
    pub text: String,
}

impl Configured {
    /// Decides about it. `port` is the port that the app is known to listen on.
    pub(super) fn new(
        workspace: &Workspace,
        options: &PlanOptions,
        bases: &Bases,
        delivery: &Delivery,
        port: Option<u16>,
    ) -> Result<Self, PlanError> {
        let base = &bases.runtime.value;
        let mut env = decisions(&options.env);
        if let (Some(port), None, Some(_)) = (&options.port, env.get("PORT"), delivery.start()) {
            let port = Decision::new(port.value.to_string(), port.source.to_string());
            env.insert("PORT".to_owned(), port);
        }
        Ok(Self {
            tags: tags(options),
            port_reason: options.port.as_ref().map(|port| port.source.to_string()),
            env,
            labels: decisions(&options.labels),
            oci_labels: options.oci_labels != Some(false),
            healthcheck: match &options.healthcheck {
                Some(check) => Some(healthcheck(check, base, delivery, port)?),
                None => None,
            },
            writable: writable(options, delivery),
            build_packages: packages(&options.build_packages, &bases.build.value),
            runtime_packages: packages(&options.runtime_packages, &base.image),
            build_args: build_args(options),
            template: match &options.template {
                Some(template) => Some(self::template(workspace, template)?),
                None => None,
            },
        })
    }
}

/// The names of the image, if files say something about them.
fn tags(options: &PlanOptions) -> Option<Decision<Vec<String>>> {
    if let Some(tags) = &options.tags {
        let names = tags.value.iter().map(ToString::to_string).collect();
        return Some(Decision::new(names, tags.source.to_string()));
    }
    let image = options.image_pattern()?;
    Some(Decision::new(
        vec![image.value.to_string()],
        image.source.to_string(),
    ))
}

fn decisions(given: &BTreeMap<String, Given<String>>) -> BTreeMap<String, Decision<String>> {
    let decision = |(name, given): (&String, &Given<String>)| {
        let decision = Decision::new(given.value.clone(), given.source.to_string());
        (name.clone(), decision)
    };
    given.iter().map(decision).collect()
}

/// The build arguments from files. The command adds those of the command line.
fn build_args(options: &PlanOptions) -> BTreeMap<String, Decision<Option<String>>> {
    let of_files = |(name, given): (&String, &Given<Option<String>>)| match &given.source {
        GivenBy::Flag(_) => None,
        source @ GivenBy::Key { .. } => {
            let decision = Decision::new(given.value.clone(), source.to_string());
            Some((name.clone(), decision))
        }
    };
    options.build_args.iter().filter_map(of_files).collect()
}

/// The image's port: the user's, `PORT` in the user's variables, or the app's own.
pub(super) fn port(options: &PlanOptions, own: Option<u16>) -> Option<u16> {
    let variable = || options.env.get("PORT")?.value.parse().ok();
    let given = options.port.as_ref().map(|port| port.value);
    given.or_else(variable).or(own)
}

/// The directory that a start script writes to before it starts a server.
fn written(delivery: &Delivery) -> Option<&str> {
    delivery.start()?.shell.as_ref()?.writes.as_deref()
}

/// Whether the image has directories that the app writes to.
pub(super) fn is_writable(options: &PlanOptions, delivery: &Delivery) -> bool {
    !writable(options, delivery).is_empty()
}

/// The app's writable directories, without duplicates.
fn writable(options: &PlanOptions, delivery: &Delivery) -> Vec<Decision<String>> {
    if delivery.start().is_none() {
        return Vec::new();
    }
    let mut found: Vec<Decision<String>> = Vec::new();
    if let Some(dir) = written(delivery) {
        let reason = "the start script writes there before it serves the files";
        found.push(Decision::new(dir.to_owned(), reason));
    }
    for given in &options.writable {
        if found.iter().all(|one| one.value != given.value) {
            found.push(Decision::new(given.value.clone(), given.source.to_string()));
        }
    }
    found
}

/// These packages, their package manager and sources.
fn packages(given: &[Given<String>], base: &str) -> Option<SystemPackages> {
    if given.is_empty() {
        return None;
    }
    let mut names: Vec<String> = given.iter().map(|name| name.value.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let alpine = base.parse().is_ok_and(|base: ImageRef| base.is_alpine());
    Some(SystemPackages {
        manager: if alpine {
            PackageManager::Apk
        } else {
            PackageManager::Apt
        },
        names,
        reason: sources(given),
    })
}

/// The sources of a list, without duplicates.
pub(super) fn sources(given: &[Given<String>]) -> String {
    let mut places: Vec<String> = given.iter().map(|one| one.source.to_string()).collect();
    places.dedup();
    places.join(", ")
}

/// The health check as a command that works in the image: distroless has only node.
fn healthcheck(
    given: &Given<Option<Healthcheck>>,
    base: &RuntimeBase,
    delivery: &Delivery,
    port: Option<u16>,
) -> Result<Decision<HealthcheckPlan>, ConfigError> {
    let source = &given.source;
    let Some(check) = &given.value else {
        let none = HealthcheckPlan {
            command: None,
            timing: Timing::default(),
        };
        return Ok(Decision::new(none, source.to_string()));
    };
    let node = base.node.map_or("node", NodeCommand::program);
    let command = match (&check.probe, delivery) {
        (Probe::Path(path), Delivery::Site(_)) => {
            // nginx's own image has curl, those on Alpine have wget.
            let url = format!("http://127.0.0.1:{}{path}", port.unwrap_or(SITE_PORT));
            let script =
                format!("curl -fso /dev/null '{url}' || wget -qO /dev/null '{url}' || exit 1");
            ["sh", "-c", &script].map(str::to_owned).to_vec()
        }
        (Probe::Path(path), _) => {
            let Some(port) = port else {
                let problem = "nothing says on which port the app listens";
                return Err(ConfigError::unfit(source, problem, "add `\"port\": 3000`"));
            };
            let script = format!(
                "fetch('http://127.0.0.1:'+(process.env.PORT||{port})+'{path}').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"
            );
            vec![node.to_owned(), "-e".to_owned(), script]
        }
        (Probe::Command(words), Delivery::Site(_)) => words.clone(),
        (Probe::Command(words), _) => {
            let first = words.first().filter(|word| *word == "node");
            let program = first.map_or(words[0].as_str(), |_| node);
            [&[program.to_owned()], &words[1..]].concat()
        }
    };
    let plan = HealthcheckPlan {
        command: Some(command),
        timing: check.timing,
    };
    Ok(Decision::new(plan, source.to_string()))
}

fn template(workspace: &Workspace, given: &Given<RepoPath>) -> Result<Template, PlanError> {
    let path = given.value.clone();
    let text = workspace.tree.read_text(&path, Limit::Settings);
    let text = text.map_err(|error| PlanError::named(&given.source.to_string(), &path, error))?;
    Ok(Template {
        path,
        reason: given.source.to_string(),
        text,
    })
}

/// Warnings for the user.
pub(super) fn warnings(options: &PlanOptions, delivery: &Delivery) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, given) in &options.env {
        if tasks::looks_secret(name) && !given.value.is_empty() {
            warnings.push(format!(
                "`{name}` ({}) looks like a secret, and whoever gets the image can read it: leave it out, and set it when the container starts",
                given.source
            ));
        }
    }
    let unused = |source: &GivenBy, why: &str| format!("{source} has no effect: {why}");
    match delivery {
        Delivery::Site(_) => {
            if let Some(start) = &options.start {
                warnings.push(unused(
                    &start.source,
                    "nginx hands out the site, and no node runs",
                ));
            }
            if let Some(given) = options.writable.first() {
                warnings.push(unused(
                    &given.source,
                    "nginx hands out the site, and writes nothing there",
                ));
            }
            if let Some(given) = options.env.values().next() {
                warnings.push(unused(&given.source, "no program of a static site reads variables; what its build reads are `buildArgs`"));
            }
        }
        Delivery::Bundle(bundle) => {
            if let Some(start) = options
                .start
                .as_ref()
                .filter(|start| start.value.file != bundle.start.entry)
            {
                warnings.push(unused(
                    &start.source,
                    &format!("{} starts", bundle.start.reason),
                ));
            }
        }
        Delivery::Modules(_) => {}
    }
    warnings
}
