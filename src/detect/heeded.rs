//! The start script of an app that a framework builds. The framework's own server runs unless the
//! script says otherwise: it may do something before, or start another server.
//!
//! Input: what the framework makes. Output: the same, or the start that the script means.

use super::start::{self, Start, shell};
use super::subject::Subject;
use super::{AppKind, Delivery, DetectError, Detection, framework, loader, program};

/// Runtimes that are not in the image.
const RUNTIMES: [&str; 2] = ["bun", "deno"];

/// Replaces the framework's server by what the first start script runs, if that is something else.
pub(super) fn heed_script(
    subject: &Subject<'_>,
    detection: &mut Detection,
) -> Result<(), DetectError> {
    if detection.detected.framework.is_none() || subject.entry.is_some() {
        return Ok(());
    }
    let Some(own) = detection.delivery.start() else {
        return Ok(());
    };
    let mut env = own.env.clone();
    let mut start = shell::started(subject, Some(&own.entry))?;
    if start.is_none() {
        start = other_server(subject, own)?;
        if start.is_some() && detection.detected.kind == AppKind::Next {
            // The variables are those of Next's standalone server, and so is the port.
            env.clear();
            detection.port = None;
        }
    }
    if let Some(mut start) = start {
        env.extend(start.env);
        start.env = env;
        detection.delivery = Delivery::Modules(start);
        // Installed modules replace those that the build would trace.
        detection
            .build_env
            .retain(|name, _| !name.starts_with("NEXT_PRIVATE_"));
    } else if let Some(warning) = unheeded(subject, &detection.delivery) {
        match &mut detection.delivery {
            Delivery::Modules(start) => start.warnings.push(warning),
            Delivery::Bundle(bundle) => bundle.start.warnings.push(warning),
            Delivery::Site(_) => {}
        }
    }
    Ok(())
}

/// The server that the first start script starts by a TypeScript loader or a process manager.
fn other_server(subject: &Subject<'_>, own: &Start) -> Result<Option<Start>, DetectError> {
    let Some((_, command)) = shell::first(subject) else {
        return Ok(None);
    };
    if loader::run(subject, &command).is_some() {
        return start::start(subject).map(Some);
    }
    if shell::is_caller(command.program()) {
        return program::started(subject);
    }
    let runs_own = command.words.iter().any(|word| word.ends_with(&own.entry));
    match shell::unheeded(subject) {
        Some(error) if RUNTIMES.contains(&command.program()) && !runs_own => Err(error),
        _ => Ok(None),
    }
}

/// The warning that the image does not run what the first start script says.
fn unheeded(subject: &Subject<'_>, delivery: &Delivery) -> Option<String> {
    let (name, command) = shell::first(subject)?;
    let own = delivery.start()?;
    let program = command.program();
    let heeded = program == "node" || framework::is_program(program);
    if heeded || own.programs().any(|other| other == program) {
        return None;
    }
    let shown = command.words.join(" ");
    let (start, reason) = (own.command(), &own.reason);
    Some(format!(
        "the image runs `{start}` ({reason}), and not `{shown}` as the `{name}` script does"
    ))
}
