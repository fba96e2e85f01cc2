//! The report: what was built, how large, how long, what was cached; and the plan in words.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::HumanCount;

use crate::closure::Because;
use crate::files::Measure;
use crate::plan::{ClosurePlan, Plan};

/// What is known when a build has ended.
pub struct Outcome<'o> {
    /// The plan that was executed.
    pub plan: &'o Plan,
    /// All names of the image.
    pub tags: &'o [String],
    /// The image's unpacked size in bytes.
    pub size: u64,
    /// Files and bytes that `COPY . .` would have sent.
    pub workspace: Measure,
    /// Bytes of the context as a tar.
    pub context: u64,
    /// Steps of the build, without the engine's own.
    pub steps: usize,
    /// Those that came from the cache.
    pub cached: usize,
    /// From the start to the tagged image.
    pub took: Duration,
}

/// The closing lines of a build.
pub fn outcome(outcome: &Outcome<'_>) -> String {
    let plan = outcome.plan;
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "  {label:<9}{value}");
    };
    line(
        "image",
        format!("{}, {}", outcome.tags.join(", "), size(outcome.size)),
    );
    line(
        "context",
        format!(
            "{} in {}, of the workspace's {} in {}",
            size(outcome.context),
            count(plan.context.len() + 1, "file"),
            size(outcome.workspace.bytes),
            count(
                usize::try_from(outcome.workspace.files).unwrap_or(usize::MAX),
                "file"
            ),
        ),
    );
    line(
        "packages",
        format!(
            "{} of {} from registries",
            plan.runtime.packages, plan.workspace_packages
        ),
    );
    line(
        "steps",
        format!("{} of {} cached", outcome.cached, outcome.steps),
    );
    line("time", duration(outcome.took));
    text
}

/// The closing lines of a dry run.
pub fn dry_run(plan: &Plan) -> String {
    let files = count(plan.context.len() + 1, "file");
    format!(
        "\n{}: {} of context in {files}, {} of {} packages from registries; nothing was built (`slimbuild plan {}` gives the reasons)\n",
        plan.image,
        size(plan.context_size()),
        plan.runtime.packages,
        plan.workspace_packages,
        plan.app.dir,
    )
}

/// A size as people read it: `12.3 MiB` would be exact and strange beside Docker's own numbers, so units are decimal.
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

/// A plan in words: every decision with its reason.
pub fn plan(plan: &Plan) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} ({}), a {} app",
        plan.app.name,
        plan.app.dir,
        plan.app.detected.kind.label()
    );
    let mut line = |label: &str, value: &str, reason: &str| {
        let _ = writeln!(text, "  {label:<12}{value}\n  {:<12}  {reason}", "");
    };
    line(
        "kind",
        plan.app.detected.kind.label(),
        &plan.app.detected.evidence.join("; "),
    );
    line("node", &plan.node.value, &plan.node.reason);
    line("pnpm", &plan.pnpm.value, &plan.pnpm.reason);
    line("builds in", &plan.build_base.value, &plan.build_base.reason);
    line(
        "runs in",
        &plan.runtime_base.value.image,
        &plan.runtime_base.reason,
    );
    let made = if plan.start.built {
        "the build writes it"
    } else {
        "it is a source"
    };
    line(
        "starts",
        &format!("node {}", command(plan)),
        &format!("{}; {made}", plan.start.reason),
    );
    closure(&mut text, "build closure", plan, &plan.build);
    closure(&mut text, "runtime closure", plan, &plan.runtime);
    for peer in &plan.runtime.peers {
        let _ = writeln!(
            text,
            "    {peer}: a dev dependency that counts, since it is a peer that another package here brings"
        );
    }
    if !plan.root_files.is_empty() {
        let _ = writeln!(text, "\nfiles of the root");
        for entry in plan
            .context
            .iter()
            .filter(|entry| entry.path.starts_with("root/"))
        {
            let _ = writeln!(
                text,
                "    {}: {}",
                entry.path.trim_start_matches("root/"),
                entry.why
            );
        }
    }
    let _ = writeln!(text, "\nbuild steps");
    for step in &plan.steps {
        let after = if step.needs.is_empty() {
            String::new()
        } else {
            format!(", after {}", step.needs.join(", "))
        };
        let _ = writeln!(
            text,
            "    {}: {}{after}",
            step.name,
            step.scripts.join(", ")
        );
    }
    if plan.steps.is_empty() {
        let _ = writeln!(text, "    none: the image is made of sources");
    }
    let _ = writeln!(
        text,
        "\ncontext: {} in {}",
        size(plan.context_size()),
        count(plan.context.len(), "file")
    );
    for (place, what) in [
        ("build", "manifests and lockfile of the build closure"),
        ("prod", "manifests and lockfile of the runtime closure"),
        ("root", "files of the root that builds read"),
        ("src", "sources that only builds read"),
        ("run", "files that the image keeps as they are"),
    ] {
        let inside = || {
            plan.context
                .iter()
                .filter(|entry| entry.path.starts_with(&format!("{place}/")))
        };
        if inside().next().is_some() {
            let bytes = size(inside().map(|entry| entry.content.size()).sum());
            let _ = writeln!(
                text,
                "    {place:<7}{bytes:>10} in {}: {what}",
                count(inside().count(), "file")
            );
        }
    }
    text
}

fn command(plan: &Plan) -> String {
    let start = &plan.start;
    let words: Vec<&str> = start
        .node_args
        .iter()
        .chain([&start.entry])
        .chain(&start.args)
        .map(String::as_str)
        .collect();
    words.join(" ")
}

fn closure(text: &mut String, name: &str, plan: &Plan, closure: &ClosurePlan) {
    let members = closure
        .members
        .iter()
        .filter(|member| !member.dir.is_root())
        .count();
    let _ = writeln!(
        text,
        "\n{name}: {members} of {}, {} of {} from registries",
        count(plan.workspace_members, "package"),
        closure.packages,
        plan.workspace_packages
    );
    for member in &closure.members {
        let why = match &member.because {
            Because::App => "the app".to_owned(),
            Because::Root => "the root project, whose tools every build may use".to_owned(),
            Because::Dependency { of, field } => format!("in `{field}` of {of}"),
            Because::Task { task } => format!("turbo.json names `{task}`"),
        };
        let _ = writeln!(text, "    {}: {why}", member.dir);
    }
}
