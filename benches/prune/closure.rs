//! How the time of every verb grows with the closure of one app.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::shapes::Shape;
use crate::{Result, SCRATCH, median};

/// What is to be kept: how much a member may cost more in the largest closure than in the smallest.
const TARGET: f64 = 1.5;

const SIZES: [usize; 5] = [100, 400, 1000, 2000, 5000];

/// The verbs with their arguments; `OUT` is a path of their own.
const VERBS: [&[&str]; 9] = [
    &["ls"],
    &["plan", "app"],
    &["plan", "app", "--json"],
    &["dockerfile", "app"],
    &["app", "--dry-run"],
    &["context", "app", "-o", "OUT"],
    &["why", "app", "ms"],
    &["graph", "app"],
    &["prune", "app", "--out", "OUT"],
];

/// Prints the table. All sizes of a shape take turns, so that what else the machine does meets all alike.
pub(crate) fn run(rounds: usize, outputs: &Path) -> Result<()> {
    println!("## closure\n");
    println!(
        "Milliseconds, and in brackets how much a member costs, in times of what one of {} costs.\n",
        SIZES[0]
    );
    let sizes = SIZES.map(|size| format!(" {size} |")).concat();
    println!(
        "| shape | verb |{sizes}\n|:--|:--|{}",
        "--:|".repeat(SIZES.len())
    );
    for shape in Shape::ALL {
        let mut trees = Vec::new();
        for members in SIZES {
            let tree = TempDir::with_prefix_in("closure-", SCRATCH)?;
            shape.write(tree.path(), members)?;
            trees.push((members, tree));
        }
        for verb in VERBS {
            let mut times: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
            for _ in 0..rounds {
                for (members, tree) in &trees {
                    let time = once(verb, tree.path(), outputs)?;
                    times.entry(*members).or_default().push(time);
                }
            }
            print(shape, verb, times);
        }
    }
    println!(
        "\nTarget: a member of {} costs at most {TARGET} times what one of {} costs.\n",
        SIZES[SIZES.len() - 1],
        SIZES[0]
    );
    Ok(())
}

fn once(verb: &[&str], cwd: &Path, outputs: &Path) -> Result<f64> {
    let out = TempDir::with_prefix_in("closure-out-", outputs)?;
    let args = verb.iter().map(|word| match *word {
        "OUT" => out.path().join("out").into_os_string(),
        word => word.into(),
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_slimbuild"));
    command.args(args).current_dir(cwd);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let time = start.elapsed().as_secs_f64();
    if status.success() {
        Ok(time)
    } else {
        Err(format!("`slimbuild {}` failed in {}", verb.join(" "), cwd.display()).into())
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a table")]
fn print(shape: Shape, verb: &[&str], times: BTreeMap<usize, Vec<f64>>) {
    let medians = times
        .into_iter()
        .map(|(members, times)| (members, median(times)));
    let medians: Vec<(usize, f64)> = medians.collect();
    let per_member = |(members, time): (usize, f64)| time / members as f64;
    let first = medians.first().copied().map_or(1.0, per_member);
    let cells = medians.iter().map(|&(members, time)| {
        let times = per_member((members, time)) / first;
        format!(" {:.0} ({times:.2}) |", time * 1e3)
    });
    let verb: Vec<&str> = verb.iter().copied().filter(|word| *word != "app").collect();
    println!(
        "| {} | {} |{}",
        shape.name(),
        verb.join(" "),
        cells.collect::<String>()
    );
}
