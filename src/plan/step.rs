//! The build steps of a plan.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Reason;
use crate::model::path::RepoPath;

/// How many packages a stage takes directly. If it needs more, other stages gather them: an image,
/// and every stage, can have only some 125 layers, including the base's.
pub const MAX_COPIES: usize = 25;

/// Tasks of one package that run one after the other: a stage of the Dockerfile. A package has
/// several if another package's task must run between two of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BuildStep {
    /// The package's directory.
    pub dir: RepoPath,
    /// Its name.
    pub name: String,
    /// The stage's name.
    pub stage: String,
    /// Stages that gather for this stage and later ones. Each comes before the first stage that
    /// needs it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gathers: Vec<Gather>,
    /// What runs, in order.
    pub tasks: Vec<TaskPlan>,
    /// Variables that it runs with.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Stages that gather sources for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Directories of the context to copy, with their destinations.
    pub copies: Vec<Copy>,
    /// Stages whose outputs it needs, and stages that gather such outputs.
    pub needs: Vec<String>,
    /// Those of the same package: their outputs count as this stage's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub continues: Vec<String>,
    /// The package's name, if pnpm copies it at install time, before it is built, instead of
    /// linking it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied: Option<String>,
    /// What must exist afterwards: a file, or a directory if it ends in a slash.
    pub writes: Option<String>,
    /// Whether the image gets the package. Of other packages it gets only generated modules.
    pub in_image: bool,
}

/// A stage that gathers what several steps need. If each step listed all it needs, a plan would
/// grow with the square of its packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gather {
    /// The stage's name.
    pub stage: String,
    /// Directories of the context to copy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Copy>,
    /// Stages whose outputs it contains, and other gathering stages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TaskPlan {
    /// The script.
    pub script: String,
    /// Why it runs.
    #[serde(flatten)]
    pub because: Reason,
    /// The names of variables that it may get as build arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// The names of the secrets that it gets as variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// What it takes for another variable to arrive.
    #[serde(skip)]
    pub declared: Declared,
}

/// Where a task's variables are declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// Nowhere: it gets all that are given.
    Nowhere,
    /// In `env` of turbo.json.
    Turbo,
    /// In a turbo.json, which the workspace does not have.
    Missing,
}

impl Declared {
    /// How a task comes to get these variables, as a part of a sentence that ends with them being
    /// given; `None` if it gets them anyway.
    pub fn how(self, task: &str, names: &[&str]) -> Option<String> {
        let quoted = |quote: char| {
            let all = names.iter().map(|name| format!("{quote}{name}{quote}"));
            all.collect::<Vec<_>>().join(", ")
        };
        let shown = quoted('`');
        match self {
            Self::Nowhere => None,
            Self::Turbo => Some(format!("add {shown} to the task's `env` in turbo.json")),
            Self::Missing => Some(format!(
                "declare {shown} in a turbo.json at the workspace's root, as `{{\"tasks\": {{\"{task}\": {{\"env\": [{}]}}}}}}` (without one, only the build of the app itself gets build arguments)",
                quoted('"')
            )),
        }
    }
}

/// A script that pnpm would run at install time and that the build does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Copy {
    /// Directories of the context.
    pub from: Vec<String>,
    /// The place in the image.
    pub to: String,
}
