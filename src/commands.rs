//! The verbs, a file each: they join the pipeline's parts, and decide nothing themselves.

pub mod build;
pub mod context;
pub mod dockerfile;
pub mod plan;
pub mod prune;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::plan::{Plan, PlanOptions};
use crate::ui::Ui;
use crate::workspace::{Workspace, find_root};

/// Where a command runs.
pub struct Place<'p> {
    /// The working directory, after `-C`.
    pub cwd: &'p Path,
    /// The app as it was named; the one around the working directory where it was not.
    pub app: Option<String>,
}

/// Reads the workspace around the working directory and makes the app's plan.
fn planned(place: &Place<'_>, options: &PlanOptions) -> Result<(PathBuf, Plan), Error> {
    let root = find_root(place.cwd)?;
    let workspace = Workspace::load(&root)?;
    let app = match place.app.as_deref() {
        Some(name) => workspace.find_app(name, place.cwd)?,
        None => workspace
            .find_app(".", place.cwd)
            .map_err(|_| Error::Usage {
                message: "which app?".to_owned(),
                hint: Some(format!(
                    "name one, as in `slimbuild {}`; there are: {}",
                    workspace.app_dirs().first().map_or("APP", String::as_str),
                    workspace.app_dirs().join(", ")
                )),
            })?,
    };
    Ok((root, Plan::new(&workspace, app, options)?))
}

/// Prints a plan's warnings.
fn warn(plan: &Plan, ui: &mut Ui) -> Result<(), Error> {
    for warning in &plan.warnings {
        ui.warn(warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    Ok(())
}

/// Writes a file beside its final name and renames it: what has the name is whole.
fn write_whole(
    target: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let part = target.with_file_name(format!(".{name}.part"));
    let all = || -> io::Result<()> {
        let mut file = BufWriter::new(fs_err::File::create(&part)?);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs_err::rename(&part, target)
    };
    all().map_err(|source| {
        // The first error is the one to tell.
        drop(fs_err::remove_file(&part));
        Error::Io {
            doing: format!("cannot write `{}`", target.display()),
            source,
        }
    })
}
