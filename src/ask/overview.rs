//! The graph of a workspace: its members and their dependencies on each other.
//!
//! Input: the workspace, and an app to restrict it to that app's closures. Output: an [`Overview`],
//! members and edges in a fixed order, which any notation can be written from.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Because;
use crate::needs::survey::Survey;
use crate::plan::PlanError;
use crate::plan::config;
use crate::plan::study::Study;
use crate::workspace::Workspace;

/// Members and edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Overview {
    /// The app whose closures these are; `None` for the whole workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<RepoPath>,
    /// The root project first, the others by directory.
    pub members: Vec<Member>,
    /// Sorted by the dependent, then by the dependency.
    pub edges: Vec<DrawnEdge>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Member {
    /// Its directory.
    pub dir: RepoPath,
    /// Its name, or its directory if it has none.
    pub name: String,
    /// How it belongs to the app.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
}

/// How a member belongs to an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MemberRole {
    /// Why the build needs it.
    #[serde(flatten)]
    pub because: Because,
    /// Whether the app needs it at run time.
    pub runtime: bool,
}

/// A dependency of one member on another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DrawnEdge {
    /// The position of the dependent.
    #[serde(skip)]
    pub from_at: usize,
    /// The position of the dependency.
    #[serde(skip)]
    pub to_at: usize,
    /// The dependent.
    pub from: RepoPath,
    /// The dependency.
    pub to: RepoPath,
    /// The manifest's map: `dependencies`. If several contain it, the strongest.
    pub kind: &'static str,
}

impl Overview {
    /// The whole workspace, or the part that the app at `app` needs.
    pub fn new(workspace: &Workspace, app: Option<MemberId>) -> Result<Self, PlanError> {
        let survey = Survey::new(workspace)?;
        let mut positions: Vec<MemberId> = workspace.members.ids().collect();
        let mut roles = BTreeMap::new();
        if let Some(app) = app {
            let options = config::load(workspace, app)?;
            let study = Study::new(&survey, app, &options)?;
            let (build, runtime) = (study.build()?, study.dependencies()?);
            positions = build.members.keys().copied().collect();
            for (at, because) in build.members {
                let runtime = runtime.members.contains_key(&at);
                roles.insert(at, MemberRole { because, runtime });
            }
        }
        let members = positions.iter().map(|&at| Member {
            dir: workspace.members[at].dir.clone(),
            name: workspace.members[at].label(),
            role: roles.remove(&at),
        });
        let members: Vec<Member> = members.collect();
        let mut edges = Vec::new();
        for (from_at, &from) in positions.iter().enumerate() {
            for (to, edge) in survey.graph.dependencies(from) {
                let Ok(to_at) = positions.binary_search(&to) else {
                    continue;
                };
                edges.push(DrawnEdge {
                    from_at,
                    to_at,
                    from: members[from_at].dir.clone(),
                    to: members[to_at].dir.clone(),
                    kind: edge.field.key(),
                });
            }
        }
        let app = app.map(|at| workspace.members[at].dir.clone());
        Ok(Self {
            app,
            members,
            edges,
        })
    }

    /// The edges that leave a member.
    pub fn dependencies(&self, at: usize) -> impl Iterator<Item = &DrawnEdge> {
        self.edges.iter().filter(move |edge| edge.from_at == at)
    }
}
