//! Where the files of an image come from: from steps that install and build, or from a workspace
//! that is already built.

use std::collections::BTreeMap;

use serde::Serialize;

use super::context_entry;
use super::{BuildStep, ContextEntry, LeftOut, Locked, Machines, Place, Plan, Secrets, Trim};
use crate::model::path::RepoPath;

/// Where the files of an image come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "contents")]
pub enum Contents {
    /// Steps install and build.
    Built(Box<Recipe>),
    /// They are finished, and only put into layers.
    Finished(Finished),
}

/// The input of steps, and what they run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// Whether builds read files at the root.
    pub has_root_files: bool,
    /// The builds in dependency order; the app's is last.
    pub steps: Vec<BuildStep>,
    /// The secrets of the steps.
    #[serde(flatten)]
    pub secrets: Secrets,
    /// Lifecycle scripts that do not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What is left out of production modules; `None` if nothing is, or if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<Trim>,
    /// The registry packages that the app needs at run time, and whether an install may leave them
    /// out. `prod/pnpm-lock.yaml` of the context has them in full.
    #[serde(skip)]
    pub locked: BTreeMap<Locked, bool>,
    /// Those that an install may leave out and that are for some machines only.
    #[serde(skip)]
    pub bound: BTreeMap<Locked, Machines>,
    /// Files that only the install of production modules reads: patches and the like. The image does
    /// not get them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub install_only: Vec<RepoPath>,
    /// Every file that is sent to the engine, except the Dockerfile; sorted.
    pub context: Vec<ContextEntry>,
}

/// Files of a workspace that is installed and built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finished {
    /// Every file that the image gets, each in the directory of its layer; sorted.
    pub context: Vec<ContextEntry>,
}

/// Finished files need no secrets, since no step runs.
static NO_SECRETS: Secrets = Secrets {
    secrets: Vec::new(),
    installs: Vec::new(),
    ssh: Vec::new(),
    authority: false,
};

impl Plan {
    /// The recipe; `None` if the files are finished.
    pub fn recipe(&self) -> Option<&Recipe> {
        match &self.contents {
            Contents::Built(recipe) => Some(recipe),
            Contents::Finished(_) => None,
        }
    }

    /// Whether the files are finished: nothing is installed, and nothing runs.
    pub fn is_finished(&self) -> bool {
        self.recipe().is_none()
    }

    /// Every file that the engine gets, except the Dockerfile; sorted.
    pub fn context(&self) -> &[ContextEntry] {
        match &self.contents {
            Contents::Built(recipe) => &recipe.context,
            Contents::Finished(finished) => &finished.context,
        }
    }

    /// The builds in dependency order; the app's is last.
    pub fn steps(&self) -> &[BuildStep] {
        self.recipe().map_or(&[], |recipe| &recipe.steps)
    }

    /// The secrets of the steps.
    pub fn secrets(&self) -> &Secrets {
        self.recipe().map_or(&NO_SECRETS, |recipe| &recipe.secrets)
    }

    /// The same plan with finished files, and warnings about them.
    #[must_use]
    pub fn of_finished(mut self, finished: Finished, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        Self {
            contents: Contents::Finished(finished),
            ..self
        }
    }

    /// What is left out of production modules.
    pub fn trim(&self) -> Option<&Trim> {
        self.recipe()?.trim.as_ref()
    }

    /// Whether the context has anything below a directory, which ends in a slash.
    pub fn holds(&self, place: Place, dir: &RepoPath) -> bool {
        context_entry::holds(self.context(), place, dir)
    }

    /// The total size of the context's files in bytes.
    pub fn context_size(&self) -> u64 {
        let sizes = self.context().iter().map(|entry| entry.content.size());
        sizes.sum()
    }
}
