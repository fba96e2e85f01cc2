//! What `slimbuild prune` kept.

use std::fmt::Write as _;
use std::path::Path;

use super::plan::why_kept;
use super::{count, size};
use crate::pruned::{FULL, JSON, Pruned};

/// The closing lines of a prune.
pub fn pruned(pruned: &Pruned, out: &Path) -> String {
    let mut text = String::new();
    let kept: Vec<_> = pruned
        .members
        .iter()
        .filter(|member| !member.dir.is_root())
        .collect();
    let _ = writeln!(
        text,
        "kept {} of {}, {} of {} from registries",
        kept.len(),
        count(pruned.workspace_members, "workspace package"),
        pruned.packages,
        pruned.workspace_packages
    );
    let dirs = kept.iter().map(|member| member.dir.to_string());
    let width = dirs.map(|dir| dir.chars().count()).max().unwrap_or(0);
    for member in &kept {
        let dir = member.dir.to_string();
        let _ = writeln!(text, "  {dir:<width$}  {}", why_kept(&member.because));
    }
    let _ = writeln!(text, "written to {}", out.display());
    for (place, what) in [
        (JSON, "manifests and lockfile, for the install"),
        (FULL, "sources, for the build"),
    ] {
        let prefix = format!("{place}/");
        let inside = || {
            pruned
                .entries
                .iter()
                .filter(|entry| entry.path.starts_with(&prefix))
        };
        let bytes = size(inside().map(|entry| entry.content.size()).sum());
        let files = count(inside().count(), "file");
        let _ = writeln!(text, "  {prefix:<6} {bytes:>10} in {files:<10} {what}");
    }
    text
}
