//! How time and memory grow with the workspace.

use std::path::Path;

use fs_err as fs;
use tempfile::TempDir;

use crate::program::{Program, mean_processor};
use crate::{Result, SCRATCH, median, synthetic};

/// What is to be kept: how much a member may cost more in the largest workspace than in the smallest, and memory in lockfiles.
const TARGETS: (f64, f64) = (1.3, 4.0);

struct Row {
    members: usize,
    lockfile: u64,
    seconds: f64,
    processor: f64,
    peak: Option<u64>,
}

impl Row {
    /// Milliseconds a member: of time, and of processor time.
    #[expect(clippy::cast_precision_loss, reason = "for a table")]
    fn per_member(&self) -> (f64, f64) {
        let members = self.members as f64 / 1e3;
        (self.seconds / members, self.processor / members)
    }

    #[expect(clippy::cast_precision_loss, reason = "for a table")]
    fn lockfiles(&self) -> Option<f64> {
        Some(self.peak? as f64 / self.lockfile as f64)
    }
}

/// Prints the table.
pub(crate) fn run(sizes: &[usize], rounds: usize, outputs: &Path) -> Result<()> {
    let outputs = TempDir::with_prefix_in("prune-outputs-", outputs)?;
    let mut trees = Vec::new();
    for &members in sizes {
        let tree = TempDir::with_prefix_in("prune-growth-", SCRATCH)?;
        synthetic::write(tree.path(), members)?;
        let program = Program::slimbuild(tree.path(), "apps/app", outputs.path());
        if let Err(words) = program.attempt()? {
            return Err(words.into());
        }
        trees.push((members, program, tree, Vec::new()));
    }
    for round in 1..=rounds {
        for (members, program, _, times) in &mut trees {
            let run = program.run()?;
            eprintln!("round {round}, {members} members: {:.3} s", run.wall);
            times.push(run);
        }
    }
    let mut rows = Vec::new();
    for (members, program, tree, times) in trees {
        rows.push(Row {
            members,
            lockfile: fs::metadata(tree.path().join("pnpm-lock.yaml"))?.len(),
            seconds: median(times.iter().map(|run| run.wall).collect()),
            processor: mean_processor(&times),
            peak: program.peak()?,
        });
    }
    print(&rows);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for a table")]
fn print(rows: &[Row]) {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!("## growth\n");
    println!(
        "| members | lockfile | time | per member | processor time per member | peak memory | peak ÷ lockfile |\n|--:|--:|--:|--:|--:|--:|--:|"
    );
    for row in rows {
        println!(
            "| {} | {:.1} MB | {:.0} ms | {:.3} ms | {:.3} ms | {} | {} |",
            row.members,
            megabytes(row.lockfile),
            row.seconds * 1e3,
            row.per_member().0,
            row.per_member().1,
            row.peak.map_or("–".to_owned(), |bytes| format!(
                "{:.0} MB",
                megabytes(bytes)
            )),
            row.lockfiles()
                .map_or("–".to_owned(), |ratio| format!("{ratio:.1}")),
        );
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
        let (most_time, most_memory) = TARGETS;
        println!(
            "\nA member of the largest costs {:.2} times what one of the smallest costs, of processor time {:.2} times (target: at most {most_time}); \
             the largest takes {} times its lockfile in memory (target: below {most_memory}).",
            last.per_member().0 / first.per_member().0,
            last.per_member().1 / first.per_member().1,
            last.lockfiles()
                .map_or("–".to_owned(), |ratio| format!("{ratio:.1}")),
        );
        if let [_, .., before, _] = rows {
            println!(
                "Where the start of the program no longer counts, from {} to {} members, it is {:.2} and {:.2} times.",
                before.members,
                last.members,
                last.per_member().0 / before.per_member().0,
                last.per_member().1 / before.per_member().1
            );
        }
        println!();
    }
}
