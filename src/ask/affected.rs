//! Why an app is affected by changes: its identity differs from that of an earlier commit.
//!
//! Input: what was seen of the app now and then. Output: a [`Cause`], or nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::lockfile::keys::name_and_version;
use crate::lockfile::{self, Lockfile, Text};
use crate::model::path::RepoPath;
use crate::plan::{Content, Plan};
use crate::render::identity::{Identity, Part};

/// What was seen of an app at one time.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Its identity.
    pub identity: Identity,
    /// The packages of what is kept of its lockfiles, `NAME@VERSION`.
    packages: BTreeSet<String>,
}

impl Sight {
    /// Adds to an identity what tells people the difference.
    pub fn new(plan: &Plan, identity: Identity) -> Self {
        let lockfiles = plan.context().iter().filter_map(|entry| {
            let is_lockfile = entry.path.file_name() == Some(lockfile::FILE);
            match &entry.content {
                Content::Made { text, .. } if is_lockfile => Some(text),
                _ => None,
            }
        });
        let mut packages = BTreeSet::new();
        for text in lockfiles {
            // The plan has made it, so it can be read; if not, the file itself is named.
            let text = Text::from(text.to_string());
            if let Ok(lockfile) = Lockfile::read(RepoPath::ROOT, &text) {
                let keys = lockfile.node_keys();
                packages.extend(keys.map(|key| {
                    let (name, version) = name_and_version(lockfile.format(), key);
                    format!("{name}@{version}")
                }));
            }
        }
        Self { identity, packages }
    }
}

/// What was seen of an app at the earlier commit.
#[derive(Debug, Clone)]
pub enum Before {
    /// It was not there.
    Absent,
    /// It could not be planned.
    Unplanned(String),
    /// It could be planned.
    Seen(Box<Sight>),
}

/// Why an app is affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Cause {
    /// The app was not there before.
    New,
    /// It could not be planned before.
    NotPlannedBefore {
        /// What prevented it.
        problem: String,
    },
    /// Its inputs differ.
    Changed {
        /// The names of what differs, by kind.
        inputs: BTreeMap<Part, BTreeSet<String>>,
    },
}

impl Cause {
    /// Compares an app with what it was.
    pub fn of(now: &Sight, before: &Before) -> Option<Self> {
        let before = match before {
            Before::Absent => return Some(Self::New),
            Before::Unplanned(problem) => {
                let problem = problem.clone();
                return Some(Self::NotPlannedBefore { problem });
            }
            Before::Seen(before) => before,
        };
        let mut inputs = now.identity.changed_since(&before.identity);
        if let Some(names) = inputs.get_mut(&Part::Lockfile) {
            let changed: BTreeSet<String> = &now.packages ^ &before.packages;
            if !changed.is_empty() {
                *names = changed;
            }
        }
        (!inputs.is_empty()).then_some(Self::Changed { inputs })
    }
}

/// The kinds of inputs in the words of a report.
pub fn part_label(part: Part) -> &'static str {
    match part {
        Part::Files => "files",
        Part::Lockfile => "packages of the lockfile",
        Part::Manifests => "manifests",
        Part::Settings => "settings of installs",
        Part::Tasks => "tasks",
        Part::Bases => "base images",
        Part::Arguments => "build arguments",
        Part::Platforms => "platforms",
        Part::Plan => "the plan",
        Part::Slimbuild => "slimbuild itself",
    }
}
