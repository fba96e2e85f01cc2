//! Ten apps in one run, against ten runs: from the sources by a Docker daemon, and from a built
//! workspace without one.
//!
//! Each way begins with no build cache and no images but bases. Within a way, the second app finds
//! what the first one left, as in a pipeline that builds all of them on one machine.

mod change;
mod workspace;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::lab::{self, Lab};
use crate::prebuilt::copy;
use crate::race::Sample;
use crate::table::seconds;
use crate::tree::Tree;
use crate::{Args, Result};

use workspace::{APPS, App};

/// A way to come to ten images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Dockerfiles,
    Single,
    All,
    SinglePrebuilt,
    AllPrebuilt,
    OneChanged,
    OneOfTenChanged,
    LibraryChanged,
}

const WAYS: [(Way, &str); 8] = [
    (
        Way::Dockerfiles,
        "ten `docker build` of turbo prune's Dockerfile",
    ),
    (Way::Single, "ten `slimbuild APP`"),
    (Way::All, "`slimbuild --all`"),
    (
        Way::SinglePrebuilt,
        "ten `slimbuild APP --prebuilt --engine native`",
    ),
    (
        Way::AllPrebuilt,
        "`slimbuild --all --prebuilt --engine native`",
    ),
    (
        Way::OneChanged,
        "after a change in one app: `slimbuild APP`",
    ),
    (
        Way::OneOfTenChanged,
        "after a change in one app: `slimbuild --all --skip-unchanged`, nine unchanged",
    ),
    (
        Way::LibraryChanged,
        "after a change in a library that three use: `slimbuild --all --skip-unchanged`, three built",
    ),
];

/// The most that one way may take of another one's time.
const BOUNDS: [(Way, Way, f64); 5] = [
    (Way::All, Way::Dockerfiles, 0.35),
    (Way::All, Way::Single, 1.0),
    (Way::AllPrebuilt, Way::Dockerfiles, 0.03),
    (Way::AllPrebuilt, Way::SinglePrebuilt, 0.4),
    (Way::OneOfTenChanged, Way::OneChanged, 1.2),
];

/// What is measured.
pub(crate) struct Course<'c> {
    pub(crate) rounds: usize,
    /// The ways whose names hold one of these; all ways if there are none.
    pub(crate) only: &'c [String],
    /// What `--all` is told, such as `-j 4`.
    pub(crate) more: Vec<String>,
}

impl<'c> From<&'c Args> for Course<'c> {
    fn from(args: &'c Args) -> Self {
        let jobs = args
            .jobs
            .map(|jobs| vec!["-j".to_owned(), jobs.to_string()]);
        Self {
            rounds: args.rounds,
            only: &args.only,
            more: jobs.unwrap_or_default(),
        }
    }
}

/// Measures, and gives the table.
pub(crate) fn run(lab: &Lab, course: &Course<'_>) -> Result<String> {
    let fresh = workspace::workspace()?;
    let built = Tree::context(fresh.path())?;
    eprintln!("installing and building ten apps on this machine");
    workspace::build_here(&built)?;
    let base = TempDir::with_prefix("slimbuild-bench-")?;
    // Bases are in the cache, as base images are in the daemon: a server's and a site's.
    for app in [APPS[0], APPS[8]] {
        native(&built, &[&app.directory()], base.path())?;
    }
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); WAYS.len()];
    for round in 1..=course.rounds {
        eprintln!("round {round} of {}", course.rounds);
        for (index, &(way, name)) in WAYS.iter().enumerate() {
            let mut only = course.only.iter();
            if !course.only.is_empty() && !only.any(|text| name.contains(text)) {
                continue;
            }
            let took = measure(lab, way, &fresh, &built, base.path(), course)?;
            eprintln!("  {took:7.2} s  {name}");
            times[index].push(took);
        }
    }
    forget(lab)?;
    Ok(table(&times))
}

fn measure(
    lab: &Lab,
    way: Way,
    fresh: &Tree,
    built: &Tree,
    base: &Path,
    course: &Course<'_>,
) -> Result<f64> {
    let more: Vec<&str> = course.more.iter().map(String::as_str).collect();
    let each =
        |build: &dyn Fn(&App) -> Result<f64>| -> Result<f64> { APPS.iter().map(build).sum() };
    match way {
        Way::Dockerfiles => {
            forget(lab)?;
            each(&|app| Ok(lab::build(&app.dockerfile(), fresh, &app.tag())?.seconds))
        }
        Way::Single => {
            forget(lab)?;
            each(&|app| slimbuild(fresh, &["--engine", "docker", &app.directory()]))
        }
        Way::All => {
            forget(lab)?;
            slimbuild(
                fresh,
                &[&["--engine", "docker", "--all"], &more[..]].concat(),
            )
        }
        Way::SinglePrebuilt => {
            let cache = copy(base)?;
            each(&|app| native(built, &[&app.directory()], cache.path()))
        }
        Way::AllPrebuilt => {
            let cache = copy(base)?;
            native(built, &[&["--all"], &more[..]].concat(), cache.path())
        }
        Way::OneChanged => change::one(fresh),
        Way::OneOfTenChanged => change::one_of_ten(fresh, &more),
        Way::LibraryChanged => change::library(fresh, &more),
    }
}

/// Makes images of the built workspace without a daemon.
fn native(tree: &Tree, which: &[&str], cache: &Path) -> Result<f64> {
    let cache = cache.display().to_string();
    let own = ["--prebuilt", "--engine", "native", "--cache-dir", &cache];
    let output = ["--output", "images/{app}.tar"];
    fs_err::create_dir_all(tree.path().join("images"))?;
    slimbuild(tree, &[which, &own, &output].concat())
}

fn slimbuild(tree: &Tree, args: &[&str]) -> Result<f64> {
    let began = Instant::now();
    let done = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
        .args(args)
        .args(["--progress", "plain"])
        .current_dir(tree.path())
        .stdin(Stdio::null())
        .output()?;
    let took = began.elapsed().as_secs_f64();
    if done.status.success() {
        return Ok(took);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said: Vec<&str> = said.lines().rev().take(40).collect();
    let said: Vec<&str> = said.into_iter().rev().collect();
    Err(format!("slimbuild {} failed:\n{}", args.join(" "), said.join("\n")).into())
}

fn forget(lab: &Lab) -> Result<()> {
    let tags = APPS.map(|app| app.tag());
    lab.forget(&tags.each_ref().map(String::as_str))
}

fn table(times: &[Vec<f64>]) -> String {
    let of = |way: Way| {
        let index = WAYS.iter().position(|(other, _)| *other == way);
        Sample::of(&times[index.unwrap_or_default()])
    };
    let mut text = String::from("| Ten apps with three libraries | Time |\n|---|--:|\n");
    for (way, name) in WAYS {
        if !of(way).median.is_nan() {
            let _ = writeln!(text, "| {name} | {} |", seconds(of(way)));
        }
    }
    text.push('\n');
    let name = |way: Way| {
        WAYS.iter()
            .find(|(other, _)| *other == way)
            .map_or("", |(_, name)| name)
    };
    for (one, other, bound) in BOUNDS {
        let ratio = of(one).median / of(other).median;
        if ratio.is_nan() {
            continue;
        }
        let verdict = if ratio <= bound { "ok" } else { "MISSED" };
        let _ = writeln!(
            text,
            "{} ÷ {}: {ratio:.3}, at most {bound}: {verdict}",
            name(one),
            name(other)
        );
    }
    text
}
