//! Real workspaces, pruned by slimbuild and by turbo in turns.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;
use slimbuild::internals::{Graph, Lockfiles, Workspace};
use tempfile::TempDir;

use crate::program::{Program, Times, mean_processor};
use crate::{Result, SCRATCH, median, turbo};

/// What is to be kept: the median of all ratios, and the worst of them.
const TARGETS: (f64, f64) = (0.25, 0.5);

struct Row {
    workspace: String,
    app: String,
    slimbuild: Vec<Times>,
    turbo: Vec<Times>,
}

impl Row {
    fn ratio(&self) -> f64 {
        wall(&self.slimbuild) / wall(&self.turbo)
    }

    fn processor_ratio(&self) -> f64 {
        mean_processor(&self.slimbuild) / mean_processor(&self.turbo)
    }
}

/// Prints the table.
pub(crate) fn run(only: Option<&str>, rounds: usize, outputs: &Path) -> Result<()> {
    let corpus = unpacked()?;
    let turbo = turbo::fetch()?;
    let outputs = TempDir::with_prefix_in("prune-outputs-", outputs)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&corpus)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    names.retain(|name| only.is_none_or(|text| name.contains(text)));
    let (mut rows, mut left_out) = (Vec::new(), Vec::new());
    for name in names {
        let root = corpus.join(&name);
        let Some((dir, app)) = largest_app(&root)? else {
            continue;
        };
        let ours = Program::slimbuild(&root, &dir, outputs.path());
        let theirs = Program {
            path: turbo.clone(),
            args: ["prune", &app, "--docker", "--out-dir"]
                .map(OsString::from)
                .to_vec(),
            cwd: root.clone(),
            outputs: outputs.path().to_path_buf(),
        };
        let problems = [("turbo", theirs.attempt()?), ("slimbuild", ours.attempt()?)];
        let problems = problems.into_iter().filter_map(|(by, one)| {
            let words = one.err()?;
            Some(format!("- {name}, {app}: {by} says `{words}`"))
        });
        let problems: Vec<String> = problems.collect();
        if !problems.is_empty() {
            left_out.extend(problems);
            continue;
        }
        let row = race(name, app, &ours, &theirs, rounds)?;
        eprintln!("{}: {:.2}", row.workspace, row.ratio());
        rows.push(row);
    }
    println!(
        "## slimbuild prune against turbo {} prune --docker\n",
        turbo::VERSION
    );
    print(&rows, &left_out);
    Ok(())
}

fn wall(runs: &[Times]) -> f64 {
    median(runs.iter().map(|run| run.wall).collect())
}

/// Both in turns; who was second in one round is first in the next.
fn race(
    workspace: String,
    app: String,
    ours: &Program,
    theirs: &Program,
    rounds: usize,
) -> Result<Row> {
    let (mut slimbuild, mut turbo) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            slimbuild.push(ours.run()?);
            turbo.push(theirs.run()?);
        } else {
            turbo.push(theirs.run()?);
            slimbuild.push(ours.run()?);
        }
    }
    Ok(Row {
        workspace,
        app,
        slimbuild,
        turbo,
    })
}

fn print(rows: &[Row], left_out: &[String]) {
    println!(
        "| workspace | app | slimbuild | turbo | ratio | of processor time |\n|---|---|--:|--:|--:|--:|"
    );
    for row in rows {
        println!(
            "| {} | {} | {:.1} ms | {:.1} ms | {:.2} | {:.2} |",
            row.workspace,
            row.app,
            wall(&row.slimbuild) * 1e3,
            wall(&row.turbo) * 1e3,
            row.ratio(),
            row.processor_ratio()
        );
    }
    let middle = median(rows.iter().map(Row::ratio).collect());
    let worst = rows.iter().map(Row::ratio).fold(0.0, f64::max);
    let (most_middle, most_worst) = TARGETS;
    println!(
        "\n{} workspaces: median ratio {middle:.2} (target: at most {most_middle}), worst {worst:.2} (target: at most {most_worst}).",
        rows.len()
    );
    println!(
        "Of processor time: median {:.2}, worst {:.2}.\n",
        median(rows.iter().map(Row::processor_ratio).collect()),
        rows.iter().map(Row::processor_ratio).fold(0.0, f64::max)
    );
    if !left_out.is_empty() {
        println!("Not counted:\n\n{}\n", left_out.join("\n"));
    }
}

/// The directory and the name of the member that reaches the most members, of those that nobody depends on; nothing where there is no workspace.
fn largest_app(root: &Path) -> Result<Option<(String, String)>> {
    let Ok(workspace) = Workspace::load(root) else {
        return Ok(None);
    };
    let lockfile = Lockfiles::parse(&workspace.lockfiles)?;
    let graph = Graph::new(&workspace, &lockfile);
    let members = workspace.members.package_ids();
    let needed: BTreeSet<_> = members
        .clone()
        .flat_map(|at| graph.dependencies(at))
        .map(|(to, _)| to)
        .collect();
    let apps = members.filter(|at| !needed.contains(at));
    let named = apps.filter_map(|at| {
        let member = &workspace.members[at];
        let name = member.manifest.name()?;
        let reached = graph.reachable([at].into_iter()).len();
        Some((reached, member.dir.to_string(), name.to_owned()))
    });
    // The first of equals.
    let largest = named.reduce(|best, one| if one.0 > best.0 { one } else { best });
    Ok(largest.map(|(_, dir, name)| (dir, name)))
}

/// The corpus, each workspace a repository of its own: both programs look for one upwards, and would find slimbuild's.
fn unpacked() -> Result<PathBuf> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/corpus.tar.xz");
    let target = Path::new(SCRATCH).join("prune-corpus");
    if target.is_dir() {
        return Ok(target);
    }
    if !archive.is_file() {
        return Err(format!("there is no corpus at {}", archive.display()).into());
    }
    let part = target.with_extension("part");
    fs::create_dir_all(&part)?;
    succeed(
        Command::new("tar")
            .arg("-xJf")
            .arg(&archive)
            .arg("-C")
            .arg(&part),
    )?;
    for entry in fs::read_dir(&part)? {
        succeed(
            Command::new("git")
                .args(["init", "--quiet"])
                .arg(entry?.path()),
        )?;
    }
    fs::rename(part, &target)?;
    Ok(target)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}
