//! Secrets: which ones the build needs, and which step gets which. Only names are handled here; the
//! engine alone knows the values.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{BuildStep, PlanOptions};
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::workspace::Workspace;
use crate::workspace::manifest::npmrc::{self, Npmrc};

/// The name of the secret that is a file instead of a variable: registry credentials, at the place
/// where an install looks for them.
pub const NPMRC: &str = "npmrc";

/// The id under which steps get the certificates of one more authority. It is no secret, but like
/// one it is in no layer and in no cache key.
pub const AUTHORITY: &str = "slimbuild-ca";

/// The secrets of a build.
#[expect(
    clippy::struct_field_names,
    reason = "plans in JSON have the list under this name"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Secrets {
    /// All of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretPlan>,
    /// Those that installs get as variables.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "installSecrets")]
    pub installs: Vec<String>,
    /// ssh agents that installs and tasks may ask, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<String>,
    /// Whether installs and tasks trust one more certificate authority.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub authority: bool,
}

/// A secret that steps of the build may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SecretPlan {
    /// Its name, which is the id of its mount.
    pub id: String,
    /// Whether the build requires it.
    pub required: bool,
    /// Files of the workspace whose credentials it contains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<RepoPath>,
    /// Why it is needed.
    pub reason: String,
}

impl Secrets {
    /// The secret with registry credentials.
    pub fn npmrc(&self) -> Option<&SecretPlan> {
        self.secrets.iter().find(|secret| secret.id == NPMRC)
    }

    /// Distributes the secrets. Tasks have theirs already; installs get those that an `.npmrc`
    /// names, and those that no task gets.
    pub(super) fn new(
        workspace: &Workspace,
        closure: &Closure<'_, '_>,
        options: &PlanOptions,
        steps: &[BuildStep],
    ) -> Self {
        let all = files(workspace, closure);
        let mut secrets: Vec<SecretPlan> = Vec::new();
        for given in &options.secrets {
            if secrets.iter().all(|secret| secret.id != given.value) {
                secrets.push(SecretPlan {
                    id: given.value.clone(),
                    required: true,
                    files: Vec::new(),
                    reason: given.source.to_string(),
                });
            }
        }
        let mut keys = Vec::new();
        let mut holders = Vec::new();
        for (file, npmrc) in &all {
            if !npmrc.secrets.is_empty() {
                keys.extend(npmrc.secrets.iter().map(|key| format!("`{key}`")));
                holders.push(file.clone());
            }
        }
        match secrets.iter_mut().find(|secret| secret.id == NPMRC) {
            Some(secret) => secret.files = holders,
            None if holders.is_empty() => {}
            None => secrets.push(SecretPlan {
                id: NPMRC.to_owned(),
                required: false,
                files: holders,
                reason: format!("an install needs it: {} of .npmrc", keys.join(", ")),
            }),
        }
        secrets.sort_by(|left, right| left.id.cmp(&right.id));
        let tasks = steps.iter().flat_map(|step| &step.tasks);
        let of_tasks: BTreeSet<&String> = tasks.flat_map(|task| &task.secrets).collect();
        let installs = secrets.iter().map(|secret| &secret.id).filter(|id| {
            let named = all.iter().any(|(_, npmrc)| npmrc.refers_to(id));
            // Variables in a credential are filled in before the build.
            let filled_in = all.iter().any(|(_, npmrc)| npmrc.credentials.refer_to(id));
            *id != NPMRC && (named || !(filled_in || of_tasks.contains(id)))
        });
        Self {
            installs: installs.cloned().collect(),
            secrets,
            ssh: options.ssh.clone(),
            authority: options.authority,
        }
    }
}

/// Each `.npmrc` that an install of the closure reads.
fn files<'w>(workspace: &'w Workspace, closure: &Closure<'_, '_>) -> Vec<(RepoPath, &'w Npmrc)> {
    let own = closure.members.keys().map(|&at| &workspace.members[at]);
    let own = own.map(|member| (&member.dir, &member.npmrc));
    let all = [(&workspace.root_member().dir, &workspace.npmrc)]
        .into_iter()
        .chain(own);
    all.map(|(dir, npmrc)| (dir.join(npmrc::FILE).unwrap_or_default(), npmrc))
        .collect()
}

/// What is removed from each `.npmrc` of an install of the closure.
pub(crate) fn left_behind(workspace: &Workspace, closure: &Closure<'_, '_>) -> Vec<String> {
    let all = files(workspace, closure).into_iter();
    let warnings = all.flat_map(|(file, npmrc)| {
        let warning = move |key| format!("`{key}` of {file} stays behind: it is a credential");
        npmrc.secrets.iter().map(warning)
    });
    warnings.collect()
}
