//! The build steps of a plan.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Reason;
use crate::model::path::RepoPath;

/// How many packages a stage takes one by one. Where it needs more, others gather them: an image and every stage that it is made of can have no
/// more than some 125 layers, those of the base included.
pub const MOST: usize = 25;

/// Tasks of one package that run one after the other: a stage of the Dockerfile. A package has several where a task of another one must run
/// between two of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildStep {
    /// The package's directory.
    pub dir: RepoPath,
    /// Its name.
    pub name: String,
    /// The stage's name.
    pub stage: String,
    /// Stages that gather for this one, and for later ones: each stands before the one that needs it first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gathers: Vec<Gather>,
    /// What runs, in order.
    pub tasks: Vec<TaskPlan>,
    /// Variables that it runs with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Stages that gather sources which it needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Directories of the context whose contents are copied, with the place they go to.
    pub copies: Vec<Copy>,
    /// Stages whose outputs it needs, and stages that gather such outputs.
    pub needs: Vec<String>,
    /// Of these, the ones of the same package: their outputs count as its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub continues: Vec<String>,
    /// The package's name, where pnpm does not link it but copies it when it installs, before it is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied: Option<String>,
    /// What must be there afterwards: a file, or a directory where a slash ends it.
    pub writes: Option<String>,
    /// Whether the image gets the package; of other packages it gets generated modules alone.
    pub in_image: bool,
}

/// A stage that gathers what several steps need: where each step named all that it needs, a plan would grow with the square of its packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gather {
    /// The stage's name.
    pub stage: String,
    /// Directories of the context whose contents are copied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Copy>,
    /// Stages whose outputs it holds, and stages that gather.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskPlan {
    /// The script.
    pub script: String,
    /// Why it runs.
    #[serde(flatten)]
    pub because: Reason,
    /// The names of the variables that it may be given as build arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The names of the secrets that it gets as variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// A script that pnpm would run when it installs, and that does not run in the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The package's directory.
    pub dir: RepoPath,
    /// The script.
    pub script: String,
    /// Why not.
    pub reason: String,
}

/// `COPY` from the context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copy {
    /// Directories of the context.
    pub from: Vec<String>,
    /// The place in the image.
    pub to: String,
}
