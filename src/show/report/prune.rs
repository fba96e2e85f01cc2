//! The report of `slimbuild prune`.

use std::path::Path;

use super::lines::Lines;
use super::plan::why_kept;
use super::{count, size};
use crate::ask::pruned::{FULL, JSON, Pruned};

/// The closing lines of a prune.
pub fn pruned(pruned: &Pruned, out: &Path) -> String {
    let mut text = Lines::default();
    let kept: Vec<_> = pruned
        .members
        .iter()
        .filter(|member| member.because.is_package(&member.dir))
        .collect();
    text.line(format_args!(
        "kept {} of {}, {} of {} from registries",
        kept.len(),
        count(pruned.workspace_members, "workspace package"),
        pruned.packages,
        pruned.workspace_packages
    ));
    let dirs = kept.iter().map(|member| member.dir.to_string());
    let width = dirs.map(|dir| dir.chars().count()).max().unwrap_or(0);
    for member in &kept {
        let dir = member.dir.to_string();
        text.line(format_args!(
            "  {dir:<width$}  {}",
            why_kept(&member.because)
        ));
    }
    text.line(format_args!("written to {}", out.display()));
    for (place, what) in [
        (JSON, "manifests and lockfile, for the install"),
        (FULL, "sources, for the build"),
    ] {
        let prefix = format!("{place}/");
        let inside = || pruned.entries.iter().filter(|entry| entry.place == place);
        if inside().next().is_none() {
            continue;
        }
        let bytes = size(inside().map(|entry| entry.content.size()).sum());
        let files = count(inside().count(), "file");
        text.line(format_args!(
            "  {prefix:<6} {bytes:>10} in {files:<10} {what}"
        ));
    }
    text.into_text()
}
