//! The apps of a workspace as text.

use super::lines::Lines;
use crate::ask::listing::{AppState, Listed, Listing};

/// A line for each app, to choose from.
pub fn choices(listing: &Listing) -> Vec<String> {
    let width = width(listing);
    let row = |app: &Listed| {
        let dir = app.dir.to_string();
        match &app.state {
            AppState::Ready(ready) => format!("{dir:<width$}  {}", ready.detected.label()),
            AppState::Stuck { .. } => format!("{dir:<width$}  needs a decision"),
        }
    };
    listing.apps.iter().map(row).collect()
}

/// The width of the longest directory.
fn width(listing: &Listing) -> usize {
    let widths = listing.apps.iter().map(|app| app.dir.to_string().len());
    widths.max().unwrap_or_default()
}

/// A line and the reason for each app, then the next step for the user.
pub fn listing(listing: &Listing) -> String {
    let mut text = Lines::default();
    let ready: Vec<_> = listing
        .apps
        .iter()
        .filter(|app| matches!(app.state, AppState::Ready(_)))
        .collect();
    let Some(first) = listing.apps.first() else {
        return "no package of this workspace looks like an app: none lies in `apps/`, none has a `start` script, and none is built into a site\n\nslimbuild plan DIR    shows what would be made of a package, or what keeps it from being an image\n".to_owned();
    };
    let width = width(listing);
    for app in &listing.apps {
        let dir = app.dir.to_string();
        match &app.state {
            AppState::Ready(ready) => {
                text.line(format_args!(
                    "{dir:<width$}  {}: {}",
                    ready.detected.label(),
                    ready.runs
                ));
                text.line(format_args!(
                    "{:width$}    {}",
                    "",
                    ready.detected.evidence.join("; ")
                ));
                let runtime = match &ready.runtime {
                    Some(runtime) => {
                        format!("runs with {} and {}", runtime.members, runtime.packages)
                    }
                    None => "brings along what it runs with".to_owned(),
                };
                let build = &ready.build;
                text.line(format_args!("{:width$}    builds with {} of the workspace and {} from registries, {runtime}",
                    "",
                    super::count(build.members, "package"),
                    build.packages));
            }
            AppState::Stuck { problem, hint } => {
                text.line(format_args!("{dir:<width$}  needs a decision: {problem}"));
                if let Some(hint) = hint {
                    text.line(format_args!("{:width$}    {hint}", ""));
                }
            }
        }
    }
    let next = &ready.first().map_or(first, |app| app).dir;
    let plan = format!("slimbuild plan {next}");
    let build = format!("slimbuild {next}");
    text.gap();
    text.line(format_args!("{plan}  shows every decision and its reason"));
    text.line(format_args!("{build:<0$}  builds the image", plan.len()));
    text.into_text()
}
