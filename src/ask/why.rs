//! Why an app has a package: the shortest dependency chains that lead to it.
//!
//! Input: the workspace, the app, and the package's name, with or without a version. Output: a
//! [`Why`]: for each version, the chains into the build closure and the runtime closure, or else
//! where it occurs in the workspace. Edges are the lockfile's own.

mod only_way;
mod route;

use std::collections::{BTreeMap, BTreeSet};

use nodejs_semver::Version;
use serde::Serialize;

use crate::ask::web::{COPIED, Edge, Node, Web};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::model::similar;
use crate::needs::survey::Survey;
use crate::plan::study::Study;
use crate::plan::{PlanError, config};
use crate::workspace::Workspace;
pub use route::{Chain, Route, RouteStep};
use route::{Counts, Part};

/// How many chains of equal length are shown.
const CHAINS: usize = 5;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Why {
    /// The app's directory.
    pub app: RepoPath,
    /// What the user asked for.
    pub query: String,
    /// Every version or member that the query may mean.
    pub packages: Vec<AskedPackage>,
}

/// One version of a package, or a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AskedPackage {
    /// `name@version`, or the member's directory.
    #[serde(rename = "package")]
    pub label: String,
    /// How it gets into the build closure, if it does.
    pub build: Option<Route>,
    /// How it gets into the runtime closure, if it does.
    pub runtime: Option<Route>,
    /// The packages whose optional peer it is, if it is left out of production because it is a tool
    /// that nothing else asks for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spared: Vec<String>,
    /// Where it occurs in the workspace, if it is in neither closure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Route>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// The app's closures cannot be determined.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The name is unknown.
    #[error("there is no package `{name}` in this workspace")]
    Unknown {
        /// As the user gave it.
        name: String,
        /// Similar names, best first.
        nearest: Vec<String>,
    },
    /// The name is known, the version is not.
    #[error("there is no `{query}` in this workspace")]
    OtherVersions {
        /// As the user gave it.
        query: String,
        /// The existing versions.
        found: Vec<String>,
    },
}

impl WhyError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.hint(),
            Self::Unknown { nearest, .. } if nearest.is_empty() => None,
            Self::Unknown { nearest, .. } => {
                Some(format!("did you mean `{}`?", nearest.join("`, `")))
            }
            Self::OtherVersions { found, .. } => Some(format!("there is {}", found.join(", "))),
        }
    }
}

impl Why {
    /// Searches for `query` (`name` or `name@version`; for a member also its directory) from the
    /// app at `app`.
    pub fn new(workspace: &Workspace, app: MemberId, query: &str) -> Result<Self, WhyError> {
        let mut found = Self::each(workspace, app, &[query])?;
        found.pop().unwrap_or_else(|| {
            Err(WhyError::Unknown {
                name: query.to_owned(),
                nearest: Vec::new(),
            })
        })
    }

    /// Searches for several packages: an answer for each query.
    pub fn each(
        workspace: &Workspace,
        app: MemberId,
        queries: &[&str],
    ) -> Result<Vec<Result<Self, WhyError>>, WhyError> {
        let survey = Survey::new(workspace).map_err(PlanError::from)?;
        let web = Web::new(workspace, &survey.lockfiles).map_err(PlanError::from)?;
        let meant: Vec<_> = queries.iter().map(|query| meant(&web, query)).collect();
        // A wrong question needs no study.
        if meant.iter().all(Result::is_err) {
            let errors = meant.into_iter().filter_map(Result::err);
            return Ok(errors.map(Err).collect());
        }
        let options = config::load(workspace, app).map_err(PlanError::from)?;
        let study = Study::new(&survey, app, &options)?;
        let runtime = study.dependencies()?;
        let place = |home: usize, key: &str| web.position(&Node::Entry(home, key.to_owned()));
        let spared: BTreeSet<(usize, usize)> = runtime
            .spared()
            .filter_map(|one| Some((place(one.home, one.of)?, place(one.home, one.peer)?)))
            .collect();
        let in_runtime = |from: usize, edge: &Edge| match (&web.nodes[from], edge.field) {
            (Node::Member(at), Some(field)) => runtime.keeps_in(*at, field, &edge.alias),
            (Node::Entry(..), _) => !spared.contains(&(from, edge.to)),
            _ => false,
        };
        let all = |_: usize, _: &Edge| true;
        let part = |starts: Vec<usize>, counts: Counts<'_>, targets: &BTreeSet<usize>| {
            let part = Part {
                web: &web,
                starts,
                counts,
            };
            part.route(targets, CHAINS)
        };
        // Every build can use the root project's tools, but they say least about the app.
        let starts: Vec<usize> = [app]
            .into_iter()
            .chain(study.needed.named.keys().copied())
            .chain(Some(MemberId::ROOT).filter(|root| *root != app))
            .map(Web::member)
            .collect();
        let package = |(package, targets): (String, BTreeSet<usize>)| {
            let build = part(starts.clone(), &all, &targets);
            // The root project is included if it provides the program that starts the app.
            let mut members = runtime.members.keys().copied();
            let root = members.find(|at| at.is_root() && !app.is_root());
            let starts = [app].into_iter().chain(root).map(Web::member);
            let runtime = part(starts.collect(), &in_runtime, &targets);
            let others = workspace.members.ids().map(Web::member);
            let others = others.filter(|at| !targets.contains(at));
            let elsewhere = if build.is_none() && runtime.is_none() {
                part(others.collect(), &all, &targets)
            } else {
                None
            };
            let of = spared.iter().filter(|(_, peer)| targets.contains(peer));
            let of: BTreeSet<&String> = of.map(|(of, _)| &web.labels[*of]).collect();
            AskedPackage {
                label: package,
                build,
                spared: of
                    .into_iter()
                    .filter(|_| runtime.is_none())
                    .cloned()
                    .collect(),
                runtime,
                elsewhere,
            }
        };
        let answer = |(query, meant): (&&str, Result<Vec<_>, WhyError>)| {
            Ok(Self {
                app: workspace.members[app].dir.clone(),
                query: (*query).to_owned(),
                packages: meant?.into_iter().map(package).collect(),
            })
        };
        Ok(queries.iter().zip(meant).map(answer).collect())
    }
}

/// The labels that a query may mean, with their nodes, sorted by name and then by version.
fn meant(web: &Web, query: &str) -> Result<Vec<(String, BTreeSet<usize>)>, WhyError> {
    let trimmed = query.trim_end_matches('/').trim_start_matches("./");
    let mut by_label: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    let mut of_name: BTreeSet<&str> = BTreeSet::new();
    // The `@` of a scope does not start a version.
    let name = match query.char_indices().skip(1).find(|(_, sign)| *sign == '@') {
        Some((at, _)) => &query[..at],
        None => query,
    };
    let aliased = aliased(web, query);
    for (at, label) in web.labels.iter().enumerate() {
        let own = web.names[at].as_deref();
        // A member counts once, whether it is linked or copied.
        let label = label.strip_suffix(COPIED).unwrap_or(label);
        if own == Some(name) {
            of_name.insert(label);
        }
        if own == Some(query) || label == query || label == trimmed || aliased.contains(&at) {
            by_label.entry(label).or_default().insert(at);
        }
    }
    if by_label.is_empty() {
        let query = query.to_owned();
        if of_name.is_empty() {
            let nearest = nearest(web, name);
            return Err(WhyError::Unknown {
                name: query,
                nearest,
            });
        }
        let mut found: Vec<String> = of_name.into_iter().map(str::to_owned).collect();
        found.sort_by_cached_key(|label| by_version(label));
        return Err(WhyError::OtherVersions { query, found });
    }
    let mut meant: Vec<(String, BTreeSet<usize>)> = by_label
        .into_iter()
        .map(|(label, nodes)| (label.to_owned(), nodes))
        .collect();
    meant.sort_by_cached_key(|(label, _)| by_version(label));
    Ok(meant)
}

/// Sorts `a@9.0.0` before `a@10.0.0`.
fn by_version(label: &str) -> (String, Option<Version>) {
    let (name, version) = label.rsplit_once('@').unwrap_or((label, ""));
    (name.to_owned(), Version::parse(version).ok())
}

/// Nodes that are imported by this name but have another one: `npm:` aliases.
fn aliased(web: &Web, name: &str) -> BTreeSet<usize> {
    web.edges
        .iter()
        .flatten()
        .filter(|edge| edge.alias == name)
        .map(|edge| edge.to)
        .collect()
}

/// Up to three similar names.
fn nearest(web: &Web, name: &str) -> Vec<String> {
    let names: BTreeSet<&str> = web.names.iter().flatten().map(String::as_str).collect();
    similar::nearest(name, names, 3)
}

#[cfg(test)]
mod tests;
