//! What is taken as it lies on the disk, where nothing is installed or built: what each package's build writes, as far as turbo.json and the
//! manifest tell, and which packages the lockfile has.

use std::collections::BTreeSet;

use crate::detect::exports;
use crate::lockfile::allows;
use crate::needs::tasks::Tasks;
use crate::workspace::Workspace;

/// What a package's build writes, as far as turbo.json and the manifest tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// The directories and files at the package's top in which the entries of its manifest are.
    pub entries: Vec<String>,
    /// Globs from the package's directory, with `!` before those that take away: what its tasks' `outputs` are in turbo.json.
    pub globs: Vec<String>,
}

/// A package that the lockfile has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version; for what comes from git, a tarball or a directory, what stands there instead.
    pub version: String,
}

/// The machines that a package is for, as its lockfile says it; a list that is empty stands for all.
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

/// The outputs of a member; `entry` is the file in it that the image starts.
pub(super) fn outputs(
    workspace: &Workspace,
    tasks: &Tasks,
    at: usize,
    entry: Option<&str>,
) -> Outputs {
    let mut globs: Vec<String> = Vec::new();
    let own = tasks.of(at).filter(|node| node.runs);
    for glob in own.flat_map(|node| &node.definition.outputs) {
        let (not, path) = glob
            .strip_prefix('!')
            .map_or(("", glob.as_str()), |rest| ("!", rest));
        let path = path.trim_start_matches("./");
        // What a task writes elsewhere in the workspace is not the package's.
        if !path.starts_with("..") && !path.starts_with('$') && !path.starts_with('/') {
            globs.push(format!("{not}{path}"));
        }
    }
    let named = exports::entries(workspace, at);
    let mut entries: BTreeSet<String> = BTreeSet::new();
    for path in named.iter().map(String::as_str).chain(entry) {
        let path = path.trim_start_matches("./");
        let top = path.split('/').next().unwrap_or_default();
        // Sources are the package's own, and `./*` names everything.
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
