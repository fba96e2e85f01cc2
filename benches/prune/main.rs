//! Speed of `slimbuild prune` against `turbo prune --docker`, and how its time and memory grow with the workspace.
//!
//! ```sh
//! cargo bench --bench prune                                    # everything
//! cargo bench --bench prune -- --part corpus --rounds 21       # real workspaces, against turbo
//! cargo bench --bench prune -- --part growth --members 100,1000
//! cargo bench --bench prune -- --part closure --rounds 3
//! ```
//!
//! **corpus**: the workspaces of `../shared/corpus`. Of each the app is pruned that needs the most members; both programs get the same tree, which is
//! a git repository as it would be at home, and take turns. Each run writes a directory of its own; that these go away again is not measured.
//! turbo is the native program out of npm's `turbo`, called directly: without the wrapper that runs in node.
//!
//! **closure**: workspaces whose members are all in one closure, through every verb.
//!
//! **growth**: workspaces made up for this, in which everything grows alike: half of the members and half of the packages stay.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tables are data, rounds are talk"
)]

mod closure;
mod corpus;
mod growth;
mod program;
mod shapes;
mod synthetic;
mod turbo;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Where all files of the bench lie: below `target/`, on the disk that a build uses.
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

#[derive(Parser)]
struct Args {
    /// How often to measure each workspace
    #[arg(long, default_value_t = 11)]
    rounds: usize,

    /// Only this part
    #[arg(long)]
    part: Option<Part>,

    /// Only workspaces of the corpus whose name holds TEXT
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    /// The sizes of the made-up workspaces
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "100,1000,10000"
    )]
    members: Vec<usize>,

    /// Where outputs are written, instead of below `target/`; a file system in memory leaves the disk's moods out
    #[arg(long, value_name = "DIR", default_value = SCRATCH)]
    outputs: PathBuf,

    /// Measure this slimbuild, such as the static one that users install
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Corpus,
    Growth,
    Closure,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if let Some(program) = &args.program {
        let program = fs_err::canonicalize(program)?;
        program::PROGRAM.get_or_init(|| program);
    }
    let wanted = |part| args.part.is_none_or(|only| only == part);
    if wanted(Part::Corpus) {
        corpus::run(args.only.as_deref(), args.rounds, &args.outputs)?;
    }
    if wanted(Part::Growth) {
        growth::run(&args.members, args.rounds, &args.outputs)?;
    }
    if wanted(Part::Closure) {
        closure::run(args.rounds, &args.outputs)?;
    }
    let cores = std::thread::available_parallelism()?;
    println!(
        "Medians of {} rounds, written to {}. {cores} cores, {} {}.",
        args.rounds,
        args.outputs.display(),
        std::env::consts::OS,
        std::env::consts::ARCH,
    );
    Ok(())
}

/// The middle one, or the mean of the two in the middle; nought where there is none.
#[expect(clippy::cast_precision_loss, reason = "there are one or two of them")]
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2..values.len() / 2 + 1;
    let middle = values.get(middle).unwrap_or_default();
    middle.iter().sum::<f64>() / middle.len().max(1) as f64
}
