//! The report: what was built, its size, how long it took, what was cached.

mod affected;
mod apps;
mod difference;
mod graph;
mod images;
mod licences;
mod lines;
mod listing;
mod plan;
mod prune;
mod rebase;
mod sizes;
mod summary;
mod why;

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanCount;

use crate::files::Measure;
use crate::model::image::ImageSize;
use crate::plan::{Engine, Plan};

pub use affected::{affected, affected_summary};
pub use apps::apps;
pub use difference::difference;
pub use graph::{Notation, dot, mermaid, tree};
pub use images::{difference_in_markdown, image_difference};
pub use licences::{licences, notice};
pub use listing::{choices, listing};
pub use plan::plan;
pub use prune::pruned;
pub use rebase::rebase;
pub use sizes::{command, image_size, shortened};
pub use summary::{SummaryRow, summary};
pub use why::{chain, why};

/// How to keep a developer's tool that production modules lack.
const KEEP_TOOL: &str = "write it into `dependencies` to keep it";

/// The result of a build.
pub struct Outcome<'o> {
    /// The plan that was executed.
    pub plan: &'o Plan,
    /// All names of the image.
    pub tags: &'o [String],
    /// The image's size, or those of its platforms.
    pub sizes: &'o [ImageSize],
    /// The unpacked bytes of the image that had the first name before, if they are known.
    pub before: Option<u64>,
    /// `shop/server@sha256:…`, if the image has a digest.
    pub reference: Option<String>,
    /// The files that it was written to.
    pub outputs: &'o [String],
    /// What was loaded into a daemon.
    pub loaded: Option<String>,
    /// The number and bytes of files left out of modules, if this run did that.
    pub left_out: Option<(usize, u64)>,
    /// The result of the trial start, if this run had one.
    pub trial: Option<&'o str>,
    /// How the program was seen to be up, and how long that took.
    pub smoke: Option<(&'o str, Duration)>,
    /// What was pushed, one line each.
    pub pushed: &'o [String],
    /// The files and bytes that `COPY . .` would have sent, if anything was sent.
    pub workspace: Option<Measure>,
    /// Where it was found, if it only got names.
    pub unchanged: Option<&'o str>,
    /// The steps of the build, without the engine's own.
    pub steps: usize,
    /// How many of them came from the cache, if the engine reports it.
    pub cached: Option<usize>,
    /// The time from the start to the tagged image.
    pub took: Duration,
}

/// The closing lines of a build.
pub fn outcome(outcome: &Outcome<'_>) -> String {
    let plan = outcome.plan;
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "  {label:<9}{value}");
    };
    let mut image = outcome.tags.join(", ");
    match outcome.sizes {
        [size] if size.platform.is_none() => {
            image.push_str(&sizes(size));
            image.push_str(&change(size.unpacked, outcome.before));
            line("image", image);
        }
        several => {
            line("image", image);
            for size in several {
                let platform = size.platform.as_deref().unwrap_or("another");
                line("", format!("{platform}{}", sizes(size)));
            }
        }
    }
    if let Some(reference) = &outcome.reference {
        line("digest", reference.clone());
    }
    for output in outcome.outputs {
        line("written", output.clone());
    }
    if let Some(loaded) = &outcome.loaded {
        line("loaded", loaded.clone());
    }
    for pushed in outcome.pushed {
        line("pushed", pushed.clone());
    }
    if let Some(trial) = outcome.trial {
        line("trial", trial.to_owned());
    }
    if let Some((how, took)) = outcome.smoke {
        line("smoke", format!("{how}, after {}", duration(took)));
    }
    if let Some(workspace) = outcome.workspace {
        line("context", context(plan, workspace));
        if let Some((packages, all)) = packages(plan) {
            line("packages", format!("{packages} of {all} from registries"));
        }
    }
    if let Some((files, bytes)) = outcome.left_out {
        line(
            "left out",
            format!(
                "{} in {} of modules (--whole-modules keeps them)",
                size(bytes),
                count(files, "file")
            ),
        );
    }
    match (outcome.unchanged, outcome.cached) {
        (Some(how), _) => line("found", how.to_owned()),
        (None, Some(cached)) => line("steps", format!("{cached} of {} cached", outcome.steps)),
        (None, None) => line("steps", outcome.steps.to_string()),
    }
    line("time", duration(outcome.took));
    text
}

/// The closing lines of a dry run.
pub fn dry_run(plan: &Plan) -> String {
    let files = count(plan.context().len() + 1, "file");
    format!(
        "\n{}: {} of context in {files}{}; nothing was built{}\n",
        plan.image,
        size(plan.context_size()),
        packages(plan)
            .map(|(packages, all)| format!(", {packages} of {all} packages from registries"))
            .unwrap_or_default(),
        match plan.engine {
            Engine::Docker => format!(" (`slimbuild plan {}` gives the reasons)", plan.app.dir),
            Engine::Native => String::new(),
        },
    )
}

/// The number of packages installed for the image, if it gets any, and of all packages.
fn packages(plan: &Plan) -> Option<(usize, usize)> {
    let runtime = plan.runtime.as_ref()?;
    Some((runtime.packages, plan.workspace_packages))
}

/// `, 148.21 MB, 55.32 MB to pull`, as far as it is known.
/// What was sent to the builder. It is compared with the workspace only if it is smaller: the context of
/// a small one is larger, for it has the lockfile twice.
fn context(plan: &Plan, workspace: Measure) -> String {
    let bytes = plan.context_size();
    let files = count(plan.context().len() + 1, "file");
    let mut text = format!("{} in {files}", size(bytes));
    if bytes < workspace.bytes {
        let files = usize::try_from(workspace.files).unwrap_or(usize::MAX);
        let files = count(files, "file");
        let _ = write!(
            text,
            ", of the workspace's {} in {files}",
            size(workspace.bytes)
        );
    }
    text
}

/// How the size differs from that of the image before, if somebody would notice.
fn change(now: Option<u64>, before: Option<u64>) -> String {
    const NOTICED: u64 = 100_000;
    match now.zip(before) {
        Some((now, before)) if now.abs_diff(before) >= NOTICED => {
            let word = if now < before { "less" } else { "more" };
            format!(" ({} {word} than before)", size(now.abs_diff(before)))
        }
        _ => String::new(),
    }
}

fn sizes(size: &ImageSize) -> String {
    let mut text = String::new();
    if let Some(unpacked) = size.unpacked {
        let _ = write!(text, ", {}", self::size(unpacked));
    }
    if let Some(packed) = size.packed {
        let _ = write!(text, ", {} to pull", self::size(packed));
    }
    text
}

/// A size in decimal units, like Docker's own numbers.
pub fn size(bytes: u64) -> String {
    indicatif::DecimalBytes(bytes).to_string()
}

/// `1 file`, `2,000 files`
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", HumanCount(number as u64))
}

fn duration(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_compared_with_that_of_the_image_before() {
        let mb = |mb: u64| Some(mb * 1_000_000);
        assert_eq!(change(mb(160), mb(172)), " (12.00 MB less than before)");
        assert_eq!(change(mb(160), mb(159)), " (1.00 MB more than before)");
        for (now, before) in [(mb(160), Some(160_000_999)), (mb(160), None), (None, mb(1))] {
            assert_eq!(change(now, before), "");
        }
    }
}
