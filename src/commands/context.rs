//! `slimbuild context APP -o FILE|DIR|-`: everything that Docker gets.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{AppChoice, own_output, planned_for_docker, warn, warn_of_secrets};
use crate::cli::PlanArgs;
use crate::commands::error::Error;
use crate::plan::{Plan, PlanOptions};
use crate::render::context::{write_dir, write_tar};
use crate::show::report::{count, size};
use crate::show::ui::Ui;
use crate::system::atomic_file::{AtomicDirectory, AtomicFile};
use crate::system::env::Env;

/// Writes the context.
pub fn run(
    place: &AppChoice<'_>,
    args: PlanArgs,
    output: &Path,
    env: &Env,
    ui: &mut Ui,
) -> Result<(), Error> {
    let target = place.cwd.join(output);
    let own = own_output(place.cwd, &target);
    let leave_out = |options: &mut PlanOptions| options.exclude.extend(own);
    let (root, plan) = planned_for_docker(place, args, leave_out, env)?;
    warn(&plan, ui)?;
    warn_of_secrets(&plan, ui)?;
    if output == Path::new("-") {
        let mut out = BufWriter::new(ui.data());
        write_tar(&plan, &root, &mut out)
            .and_then(|()| out.flush())
            .map_err(Error::io("cannot write to stdout"))?;
    } else if target.is_dir() || is_directory_name(output) && !is_device(&target) {
        into_directory(&plan, &root, &target)?;
    } else {
        let file = AtomicFile::begin(&target)?.needs(plan.context_size())?;
        file.write(|out| write_tar(&plan, &root, out))?;
    }
    let (files, bytes) = (plan.context().len() + 1, plan.context_size());
    ui.report(&format!(
        "{} of context, {}\n",
        count(files, "file"),
        size(bytes)
    ))
    .map_err(Error::io("cannot write to stderr"))
}

/// Without a trailing slash, a name with an extension is a file's.
fn is_directory_name(output: &Path) -> bool {
    output.as_os_str().to_string_lossy().ends_with(['/', '\\']) || output.extension().is_none()
}

/// Whether the target is a device or a pipe, which is written to whatever its name.
fn is_device(target: &Path) -> bool {
    fs_err::metadata(target).is_ok_and(|of| !of.is_file() && !of.is_dir())
}

/// Writes to an empty or new directory, so that the context never mixes with other files.
fn into_directory(plan: &Plan, root: &Path, target: &Path) -> Result<(), Error> {
    let doing = format!("cannot write the context to `{}`", target.display());
    let target: PathBuf = target.components().collect();
    let before = AtomicDirectory::check(&target)?;
    if before.is_some()
        && fs_err::read_dir(&target)
            .map_err(Error::io(&doing))?
            .next()
            .is_some()
    {
        return Err(Error::Usage {
            message: format!("`{}` is not empty", target.display()),
            hint: Some(
                "name a directory that does not exist yet, or a file such as `ctx.tar`".to_owned(),
            ),
        });
    }
    if before.is_some() {
        // The directory is kept, since it may be a volume.
        return write_dir(plan, root, &target).map_err(|error| {
            // The first error is reported.
            drop(empty(&target));
            Error::io(doing)(error)
        });
    }
    let whole = AtomicDirectory::begin(&target)?;
    write_dir(plan, root, whole.part()).map_err(Error::io(doing))?;
    Ok(whole.finish()?)
}

/// Removes everything from a directory that was empty before.
fn empty(directory: &Path) -> std::io::Result<()> {
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs_err::remove_dir_all(entry.path())?;
        } else {
            fs_err::remove_file(entry.path())?;
        }
    }
    Ok(())
}
