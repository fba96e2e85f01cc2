//! `slimbuild context APP -o FILE|DIR|-`: all that Docker gets to see.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Place, own_output, planned_for_docker, warn, warn_of_secrets};
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
    place: &Place<'_>,
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
    writeln!(
        ui.err(),
        "{} of context, {}",
        count(files, "file"),
        size(bytes)
    )
    .map_err(Error::io("cannot write to stderr"))
}

/// A name with an ending is a file's, unless it ends in a slash.
fn is_directory_name(output: &Path) -> bool {
    output.as_os_str().to_string_lossy().ends_with(['/', '\\']) || output.extension().is_none()
}

/// A device or a pipe is written to, whatever it is called.
fn is_device(target: &Path) -> bool {
    fs_err::metadata(target).is_ok_and(|of| !of.is_file() && !of.is_dir())
}

/// Never mixes the context with files that were there before.
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
        // It stays the same directory, which may be a volume.
        return write_dir(plan, root, &target).map_err(|error| {
            // The first error is the one to tell.
            drop(empty(&target));
            Error::io(doing)(error)
        });
    }
    let whole = AtomicDirectory::begin(&target)?;
    write_dir(plan, root, whole.part()).map_err(Error::io(doing))?;
    Ok(whole.finish()?)
}

/// Takes back what was written into an empty directory.
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
