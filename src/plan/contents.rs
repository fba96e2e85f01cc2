//! Where the files of an image come from: steps that install and build, or a workspace in which that is done.

use std::collections::BTreeMap;

use serde::Serialize;

use super::placed;
use super::{BuildStep, ContextEntry, LeftOut, Locked, Machines, Place, Plan, Secrets, Trim};
use crate::model::path::RepoPath;

/// Where the files of an image come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "contents")]
pub enum Contents {
    /// Steps install and build.
    Built(Recipe),
    /// They are finished, and only laid into layers.
    Finished(Finished),
}

/// What steps are made from, and what they run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recipe {
    /// Whether builds read files at the root.
    pub has_root_files: bool,
    /// The builds, each after what it needs; the app's is last.
    pub steps: Vec<BuildStep>,
    /// What steps may read and nobody else may see.
    #[serde(flatten)]
    pub secrets: Secrets,
    /// Lifecycle scripts that do not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// What is left out of production modules; nothing where they stay whole, or where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<Trim>,
    /// The packages of registries that the app needs when it runs, and whether an install may leave them out; `prod/pnpm-lock.yaml` of the context
    /// has them in full.
    #[serde(skip)]
    pub locked: BTreeMap<Locked, bool>,
    /// Those of them that an install may leave out and that are for some machines only.
    #[serde(skip)]
    pub bound: BTreeMap<Locked, Machines>,
    /// Files that only the install of production modules reads: patches and the like. The image does
    /// not get them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub install_only: Vec<RepoPath>,
    /// Every file that is sent to the engine, but for the Dockerfile; sorted.
    pub context: Vec<ContextEntry>,
}

/// Files of a workspace that is installed and built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finished {
    /// Every file that the image gets, each in the directory of its layer; sorted.
    pub context: Vec<ContextEntry>,
}

/// Of files that are finished, no step reads any.
static NO_SECRETS: Secrets = Secrets {
    secrets: Vec::new(),
    installs: Vec::new(),
};

impl Plan {
    /// What steps are made from; nothing where the files are finished.
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

    /// Every file that the engine gets, but for the Dockerfile; sorted.
    pub fn context(&self) -> &[ContextEntry] {
        match &self.contents {
            Contents::Built(recipe) => &recipe.context,
            Contents::Finished(finished) => &finished.context,
        }
    }

    /// The builds, each after what it needs; the app's is last.
    pub fn steps(&self) -> &[BuildStep] {
        self.recipe().map_or(&[], |recipe| &recipe.steps)
    }

    /// What steps may read and nobody else may see.
    pub fn secrets(&self) -> &Secrets {
        self.recipe().map_or(&NO_SECRETS, |recipe| &recipe.secrets)
    }

    /// The same of finished files; `warnings` are what a reader should know of them.
    #[must_use]
    pub fn of_finished(mut self, finished: Finished, warnings: Vec<String>) -> Self {
        self.warnings.extend(warnings);
        Self {
            contents: Contents::Finished(finished),
            ..self
        }
    }

    /// What is left out of production modules.
    pub fn trim(&self) -> Option<Trim> {
        self.recipe()?.trim
    }

    /// Whether the context has anything at a place below a directory.
    pub fn holds(&self, place: Place, dir: &RepoPath) -> bool {
        placed::holds(self.context(), place, dir)
    }

    /// The bytes of all files of the context together.
    pub fn context_size(&self) -> u64 {
        let sizes = self.context().iter().map(|entry| entry.content.size());
        sizes.sum()
    }
}
