//! The affected apps as text.

use super::lines::Lines;
use crate::ask::affected::{Cause, part_label};
use crate::model::path::RepoPath;

/// How many names of one kind are shown.
const SHOWN: usize = 5;

/// An app a line, and below it what differs.
pub fn affected<'a>(apps: impl Iterator<Item = (&'a RepoPath, &'a Cause)>) -> String {
    let mut text = Lines::default();
    for (dir, cause) in apps {
        text.line(format_args!("{dir}"));
        match cause {
            Cause::New => text.line(format_args!("    new")),
            Cause::NotPlannedBefore { problem } => {
                text.line(format_args!("    could not be planned before: {problem}"));
            }
            Cause::Changed { inputs } => {
                for (part, names) in inputs {
                    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
                    let more = names.len() - shown.len();
                    let more = match more {
                        0 => String::new(),
                        _ => format!(" and {more} more"),
                    };
                    let (label, names) = (part_label(*part), shown.join(", "));
                    text.line(format_args!("    {label}: {names}{more}"));
                }
            }
        }
    }
    text.into_text()
}

/// The line about the list.
pub fn affected_summary(affected: usize, all: usize, base: &str, commit: &str) -> String {
    let mut text = Lines::default();
    let commit = commit.get(..12).unwrap_or(commit);
    text.line(format_args!(
        "{affected} of {} affected by changes since {base} ({commit})",
        super::count(all, "app"),
    ));
    text.into_text()
}
