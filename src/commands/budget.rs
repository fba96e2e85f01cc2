//! The budget of an image: it may have so many bytes, and grow by so many.
//!
//! Input: `budget` of slimbuild.json, and what is in the image. Output: an error that names what is large.

use crate::ask::size::{Difference, PackageChange, PackageSize, Size};
use crate::commands::error::Error;
use crate::image::contents::Kind;
use crate::model::path::RepoPath;
use crate::plan::config::{Budget, Given};
use crate::show::report::size;

/// How many packages are named.
const NAMED: usize = 3;

/// Fails if the image is too large. `rest` says how to see all of it.
pub(super) fn check_size(
    budget: &Given<Budget>,
    app: &RepoPath,
    image: &Size,
    rest: &str,
) -> Result<(), Error> {
    let bytes = image.weight.unpacked;
    let Some(most) = budget.value.size.filter(|most| bytes > *most) else {
        return Ok(());
    };
    // Nobody can make the base's own parts smaller.
    let is_ours =
        |row: &&PackageSize| matches!(row.kind, Kind::Package | Kind::Workspace | Kind::App);
    let large = image.packages.iter().filter(is_ours).take(NAMED);
    let large = large.map(|row| format!("{} ({})", row.label(), size(row.weight.unpacked)));
    let large: Vec<String> = large.collect();
    Err(Error::Budget {
        message: format!(
            "the image of {app} has {}, which is {} more than its budget of {} ({})",
            size(bytes),
            size(bytes - most),
            size(most),
            budget.source
        ),
        hint: format!("most is in {}; {rest}", listed(&large)),
    })
}

/// Fails if the image has grown too much.
pub(super) fn check_growth(
    budget: &Given<Budget>,
    app: &RepoPath,
    grown: &Difference,
) -> Result<(), Error> {
    let Some(most) = budget.value.growth else {
        return Ok(());
    };
    let bytes = u64::try_from(grown.change.unpacked).unwrap_or(0);
    if bytes <= most {
        return Ok(());
    }
    let rows = grown.packages.iter();
    let is_larger = |row: &&PackageChange| row.change.unpacked > 0 && row.kind != Kind::Archive;
    let rows = rows.filter(is_larger).take(NAMED);
    let large = rows.map(|row| {
        let bytes = row.change.unpacked.unsigned_abs();
        format!("{} (+{})", row.name, size(bytes))
    });
    let large: Vec<String> = large.collect();
    let (old, new) = (&grown.old.image, &grown.new.image);
    Err(Error::Budget {
        message: format!(
            "the image of {app} has grown by {}, and may by {} ({}): {old} against {new}",
            size(bytes),
            size(most),
            budget.source
        ),
        hint: format!("most of it is in {}", listed(&large)),
    })
}

/// Fails if the image of a build has grown too much against the one that had its name in the daemon.
pub(super) fn check_sizes(
    budget: &Given<Budget>,
    app: &RepoPath,
    before: u64,
    now: u64,
) -> Result<(), Error> {
    let bytes = now.saturating_sub(before);
    match budget.value.growth.filter(|most| bytes > *most) {
        None => Ok(()),
        Some(most) => Err(Error::Budget {
            message: format!(
                "the image of {app} is {} larger than the one before, and may grow by {} ({})",
                size(bytes),
                size(most),
                budget.source
            ),
            hint: format!(
                "`slimbuild diff OLD {app}` tells what is new, if the image before has another name or is in a registry"
            ),
        }),
    }
}

/// `a, b and c`
fn listed(words: &[String]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "the base".to_owned(),
    }
}
