//! A program that is run to its end: how long it takes, and how much memory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fs_err as fs;

use crate::Result;

/// slimbuild, if the command line names a program.
pub(crate) static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// A command that writes into an output directory, which its last argument names. It gets another one each time, and all of them go away only with
/// the bench: a file system that has just removed many files is slow to make new ones, which would be added to the time.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: PathBuf,
    /// Where outputs are put.
    pub(crate) outputs: PathBuf,
}

impl Program {
    /// `slimbuild prune APP --out OUT` in a workspace.
    pub(crate) fn slimbuild(cwd: &Path, app: &str, outputs: &Path) -> Self {
        Self {
            path: PROGRAM
                .get()
                .cloned()
                .unwrap_or_else(|| env!("CARGO_BIN_EXE_slimbuild").into()),
            args: ["prune", app, "--out"].map(OsString::from).to_vec(),
            cwd: cwd.to_path_buf(),
            outputs: outputs.to_path_buf(),
        }
    }

    fn command(&self) -> Command {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new(&self.path);
        command
            .args(&self.args)
            .arg(self.outputs.join(number.to_string()))
            .current_dir(&self.cwd)
            .env("TURBO_TELEMETRY_DISABLED", "1")
            .env("TURBO_NO_UPDATE_NOTIFIER", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs once without a clock, and gives back what the program has to say where it fails.
    pub(crate) fn attempt(&self) -> Result<Result<(), String>> {
        let Output { status, stderr, .. } = self.command().output()?;
        if status.success() {
            return Ok(Ok(()));
        }
        let text = String::from_utf8_lossy(&stderr);
        // turbo draws a frame around its words.
        let words = text
            .split(|letter: char| letter.is_whitespace() || letter == '│' || letter == '|')
            .filter(|word| !matches!(*word, "" | "×" | "x" | "╰─▶" | "╭─[" | "`->" | "->"));
        Ok(Err(words.take(28).collect::<Vec<_>>().join(" ")))
    }

    /// Runs once against the clock.
    pub(crate) fn run(&self) -> Result<Times> {
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (before, start) = (processor(), Instant::now());
        let status = command.status()?;
        let (wall, after) = (start.elapsed().as_secs_f64(), processor());
        if !status.success() {
            return Err(format!("{} failed in {}", self.path.display(), self.cwd.display()).into());
        }
        Ok(Times {
            wall,
            processor: after - before,
        })
    }

    /// The most memory that the program held at once, in bytes; only Linux tells.
    ///
    /// It is read again and again from `/proc` while the program runs: the figure of `wait4` would be that of this bench where it is higher.
    pub(crate) fn peak(&self) -> Result<Option<u64>> {
        let mut command = self.command();
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let mut peak = None;
        while child.try_wait()?.is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            peak = peak.max(kilobytes.map(|kilobytes: u64| kilobytes * 1024));
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(peak)
    }
}

/// How long a run took, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// From the start to the end.
    pub(crate) wall: f64,
    /// Of all processors together, the kernel's work for the program included: what else the machine does is hardly in it. It comes in hundredths
    /// of a second, so that only a mean of several runs says something.
    pub(crate) processor: f64,
}

/// The mean of processor times.
#[expect(clippy::cast_precision_loss, reason = "there are a few runs")]
pub(crate) fn mean_processor(runs: &[Times]) -> f64 {
    runs.iter().map(|run| run.processor).sum::<f64>() / runs.len().max(1) as f64
}

/// What all children so far took, by Linux's count; nought elsewhere.
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name, in brackets, may hold anything.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(13).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
