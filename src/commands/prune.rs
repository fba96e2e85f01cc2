//! `slimbuild prune APP... --out DIR`: the layout of `turbo prune --docker`, for a user's own
//! Dockerfile.

use std::path::Path;

use super::{named_app, unmatched};
use crate::ask::pruned::output::{self, OutputError};
use crate::ask::pruned::{PruneOptions, Pruned};
use crate::commands::error::Error;
use crate::engine::Interrupt;
use crate::engine::docker::EngineError;
use crate::model::path::RepoPath;
use crate::show::report;
use crate::show::ui::Ui;
use crate::workspace::{Workspace, find_root};

/// Writes the pruned workspace.
pub fn run(
    apps: &[String],
    out: &Path,
    mut options: PruneOptions,
    cwd: &Path,
    ui: &mut Ui,
) -> Result<(), Error> {
    let root = find_root(cwd)?;
    let mut workspace = Workspace::load(&root)?;
    for warning in unmatched(&root, &options.exclude)? {
        ui.warn(&warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    let target = cwd.join(out);
    // An earlier output is not a source, and contains no members.
    if let Some(inside) = inside(&root, &target) {
        workspace.leave_out(&inside);
        options.exclude.push(globset::escape(inside.as_str()));
    }
    let mut positions = Vec::new();
    for app in apps {
        let at = named_app(&workspace, app, cwd, false)?;
        if !positions.contains(&at) {
            positions.push(at);
        }
    }
    let pruned = Pruned::new(&workspace, &positions, &options)?;
    for warning in &pruned.warnings {
        ui.warn(warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    output::write(&pruned, &root, &target, &|| interrupt.is_raised()).map_err(
        |error| match error {
            OutputError::Interrupted => EngineError::Interrupted.into(),
            error => Error::from(error),
        },
    )?;
    ui.report(&report::pruned(&pruned, out))
        .map_err(Error::io("cannot write to stderr"))
}

/// The output's path if it is in the workspace.
fn inside(root: &Path, target: &Path) -> Option<RepoPath> {
    let mut existing = target.to_path_buf();
    let mut rest = Vec::new();
    loop {
        if let Ok(real) = fs_err::canonicalize(&existing) {
            let whole = rest.iter().rev().fold(real, |path, name| path.join(name));
            return RepoPath::from_disk(root, &whole)
                .ok()
                .filter(|path| !path.is_root());
        }
        rest.push(existing.file_name()?.to_owned());
        existing.pop();
    }
}
