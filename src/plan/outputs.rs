//! What is taken from the disk if nothing is installed or built: the output of each package's
//! build, according to turbo.json and the manifest, and the packages in the lockfile.

use std::collections::BTreeSet;

use crate::detect::exports;
use crate::lockfile::allows;
use crate::model::member::MemberId;
use crate::needs::tasks::Tasks;
use crate::workspace::Workspace;

/// The output of a package's build, according to turbo.json and the manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The top-level directories and files of the package that contain its manifest's entries.
    pub entries: Vec<String>,
    /// The `outputs` of its tasks in turbo.json: globs from the package's directory, with `!`
    /// before excluding ones.
    pub globs: Vec<String>,
}

/// A package in the lockfile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version, or its source if it comes from git, a tarball or a directory.
    pub version: String,
}

/// The machines that a package is for, according to the lockfile. An empty list means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machines {
    /// Operating systems, as node names them.
    pub os: Vec<String>,
    /// Processors, as node names them.
    pub cpu: Vec<String>,
    /// C libraries.
    pub libc: Vec<String>,
}

impl Machines {
    /// Whether pnpm would install it there.
    pub fn fit(&self, os: &str, cpu: &str, libc: &str) -> bool {
        allows(&self.os, os) && allows(&self.cpu, cpu) && allows(&self.libc, libc)
    }
}

/// The outputs of a member. `entry` is its file that the image starts.
pub(super) fn outputs(
    workspace: &Workspace,
    tasks: &Tasks,
    at: MemberId,
    entry: Option<&str>,
) -> Outputs {
    let mut globs: Vec<String> = Vec::new();
    let own = tasks.of(at).filter(|node| node.runs);
    for glob in own.flat_map(|node| &node.definition.outputs) {
        let (not, path) = glob
            .strip_prefix('!')
            .map_or(("", glob.as_str()), |rest| ("!", rest));
        let path = path.trim_start_matches("./");
        // What a task writes elsewhere is not the package's output.
        if !path.starts_with("..") && !path.starts_with('$') && !path.starts_with('/') {
            globs.push(format!("{not}{path}"));
        }
    }
    let named = exports::entries(workspace, at);
    let mut entries: BTreeSet<String> = BTreeSet::new();
    for path in named.iter().map(String::as_str).chain(entry) {
        let path = path.trim_start_matches("./");
        let top = path.split('/').next().unwrap_or_default();
        // Sources are the package's own, and `./*` would name everything.
        let own = !path.contains('/') || !matches!(top, "src" | "..");
        if own && !top.is_empty() && !top.contains('*') {
            entries.insert(top.to_owned());
        }
    }
    Outputs {
        entries: entries.into_iter().collect(),
        globs,
    }
}
