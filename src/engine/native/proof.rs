//! The proof that an image can run, where there is no container to try it in: its files are laid out in a directory, and node looks there for all
//! that they load.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::NativeError;
use crate::context::write_entries;
use crate::engine::{Event, LogStream, StepId, StepKind};
use crate::plan::{ContextEntry, Plan, place};

/// The places of a context that lie in the image's own directory.
const PLACES: [&str; 4] = [place::MODULES, place::PACKAGES, place::APP, place::WRITABLE];

/// Lays the image's own directory out in `dir`, which is empty, and has `node` prove it, as a `step` of the build.
pub fn prove(
    plan: &Plan,
    root: &Path,
    dir: &Path,
    node: &Path,
    step: StepId,
    on_event: &mut dyn FnMut(Event),
) -> Result<(), NativeError> {
    let start = plan.delivery.start();
    let what = if start.is_some() {
        "[verify] all that the app loads is there"
    } else {
        "[verify] all that the first page loads is there"
    };
    on_event(Event::StepKnown {
        step,
        name: what.to_owned(),
        kind: StepKind::Instruction,
    });
    on_event(Event::StepStarted { step });
    let began = std::time::Instant::now();
    let (home, program) = (dir.join("app"), dir.join("verify"));
    lay(plan, root, &PLACES, &home)?;
    lay(plan, root, &[place::VERIFY], &program)?;
    let home = fs_err::canonicalize(home).map_err(NativeError::Workshop)?;
    let mut command = Command::new(node);
    match start {
        Some(start) => command
            .args(["--no-warnings", "--experimental-vm-modules"])
            .arg("--experimental-import-meta-resolve")
            .args(start.conditions())
            .arg(program.join("verify.mjs"))
            .arg(program.join("image.json")),
        None => command
            .arg(program.join("verify.mjs"))
            .args(["--site", "."])
            .current_dir(&home),
    };
    let output = command
        .env("SLIMBUILD_ROOT", &home)
        .env_remove("NODE_OPTIONS")
        .env_remove("NODE_PATH")
        .stdin(Stdio::null())
        .output()
        .map_err(NativeError::Spawn)?;
    let took = began.elapsed();
    for (stream, bytes) in [
        (LogStream::Stdout, output.stdout),
        (LogStream::Stderr, output.stderr),
    ] {
        let at = took;
        on_event(Event::Log {
            step,
            stream,
            at,
            bytes,
        });
    }
    if output.status.success() {
        on_event(Event::StepDone { step, took });
        return Ok(());
    }
    on_event(Event::StepFailed {
        step,
        message: "the image would not run".to_owned(),
    });
    Err(NativeError::Disproved)
}

fn lay(plan: &Plan, root: &Path, places: &[&str], to: &Path) -> Result<(), NativeError> {
    let mut entries: Vec<ContextEntry> = Vec::new();
    for place in places {
        let prefix = format!("{place}/");
        entries.extend(plan.context.iter().filter_map(|entry| {
            let path = entry.path.strip_prefix(&prefix)?.to_owned();
            Some(ContextEntry {
                path,
                ..entry.clone()
            })
        }));
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    entries.dedup_by(|later, first| later.path == first.path);
    fs_err::create_dir_all(to)
        .and_then(|()| write_entries(&entries, root, to, &|| Ok::<(), io::Error>(())))
        .map_err(NativeError::Workshop)
}
