//! The keeper: a second slimbuild process between a build and one of its steps. When the step or
//! the build ends, it ends everything that the step started.
//!
//! A process group does not hold a process that starts its own session, and nothing reports a
//! process that is killed by force. So each step has a keeper as its parent. As a *subreaper*, it
//! becomes the parent of orphaned processes below it, so forking twice does not escape it. Its
//! stdin is a pipe from the build: a byte asks the step to end, and closing the pipe kills
//! everything, which also happens when the build is killed. Without a keeper (slimbuild used as a
//! library, or a system other than Linux) only the process group is ended.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, wait};

/// The program's name, its first argument, when it runs as a keeper.
const NAME: &str = "slimbuild-keeper";
/// Asks the step to end.
pub(super) const STOP_STEP: u8 = b'?';
/// How long killed processes may take to disappear. One that the kernel holds may never do so.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
/// Whether all children of this process are keepers.
static ALONE: AtomicBool = AtomicBool::new(false);

/// Sets the path of slimbuild's executable: from now on, steps have keepers. Only Linux supports
/// this.
pub fn enable(program: &Path) {
    if cfg!(target_os = "linux") {
        PROGRAM.get_or_init(|| program.to_path_buf());
    }
}

/// Like [`enable`], for the program itself: only `main` calls it, and nothing else in the process
/// starts children.
pub fn enable_in_program() {
    enable(Path::new("/proc/self/exe"));
    #[cfg(target_os = "linux")]
    // If a keeper is killed, its children pass to this process.
    let _without = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    ALONE.store(true, Ordering::SeqCst);
}

/// Ends what a killed keeper left behind.
pub(super) fn replace() {
    if ALONE.load(Ordering::SeqCst) {
        kill_all();
    }
}

/// The command that runs these words, below a keeper if possible. `open` keeps its stdin open while
/// it runs.
pub(super) fn command(words: &[String], open: bool) -> Command {
    let mut command;
    if let Some(program) = PROGRAM.get() {
        command = Command::new(program);
        command.arg0(NAME).arg(if open { "open" } else { "closed" });
        command.args(words).stdin(Stdio::piped());
    } else {
        command = Command::new(words.first().map_or("", String::as_str));
        command.args(words.iter().skip(1));
        command.stdin(if open { Stdio::piped() } else { Stdio::null() });
    }
    command.process_group(0);
    command
}

/// Whether steps have keepers.
pub(super) fn is_enabled() -> bool {
    PROGRAM.get().is_some()
}

/// Runs as a keeper if this process was started as one, and returns the step's exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter();
    if arguments.next()? != NAME {
        return None;
    }
    let open = arguments.next()? == "open";
    let program = arguments.next()?;
    Some(ExitCode::from(keep(&program, arguments, open)))
}

#[expect(
    clippy::print_stderr,
    reason = "stderr is the step's log, and there is no `Ui` in this process"
)]
fn keep(program: &OsString, arguments: impl Iterator<Item = OsString>, open: bool) -> u8 {
    #[cfg(target_os = "linux")]
    // If this fails, the step itself is still kept.
    let _without = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let started = Command::new(program)
        .args(arguments)
        .stdin(if open { Stdio::piped() } else { Stdio::null() })
        .process_group(0)
        .spawn();
    let mut step = match started {
        Ok(step) => step,
        Err(error) => {
            eprintln!(
                "slimbuild: cannot start `{}`: {error}",
                program.to_string_lossy()
            );
            return 127;
        }
    };
    let _held = step.stdin.take();
    let Some(id) = i32::try_from(step.id()).ok().and_then(Pid::from_raw) else {
        return 127;
    };
    thread::spawn(move || obey(id));
    let code = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == id => {
                let code = status.exit_status();
                let code = code.or_else(|| Some(128 + status.terminating_signal()?));
                break code.unwrap_or(1);
            }
            // An orphaned process that ended by itself.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => break 1,
        }
    };
    kill_all();
    u8::try_from(code).unwrap_or(1)
}

/// Obeys the build's requests over the pipe.
fn obey(step: Pid) {
    let mut byte = [0];
    while let Ok(1) = std::io::stdin().read(&mut byte) {
        // It may have ended already.
        let _gone = kill_process_group(step, Signal::TERM);
        for child in children() {
            let _gone = kill_process(child, Signal::TERM);
        }
    }
    // `keep` waits for the step's end and then kills the rest.
    let _gone = kill_process_group(step, Signal::KILL);
    let _gone = kill_process(step, Signal::KILL);
}

/// Kills one generation after the other: the children of a killed process become children of this
/// one. A child's process id is not reused before it is waited for, so no other process is hit.
fn kill_all() {
    let began = Instant::now();
    while began.elapsed() < KILL_TIMEOUT {
        for child in children() {
            let _gone = kill_process(child, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                // None has ended yet.
                Ok(None) => break,
                // There are no children.
                Err(_) => return,
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// The children of this process, from `/proc`.
fn children() -> Vec<Pid> {
    let own = rustix::process::getpid();
    let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|number| {
            let stat = fs_err::read(format!("/proc/{number}/stat")).unwrap_or_default();
            parent(&String::from_utf8_lossy(&stat)) == Some(own.as_raw_nonzero().get())
        })
        .filter_map(Pid::from_raw)
        .collect()
}

/// The parent's id: the second field after the name, which may contain anything.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_behind_any_name() {
        assert_eq!(parent("12 (node) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent("12 (a) S 1 (b) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent(""), None);
    }

    #[test]
    fn other_names_are_other_programs() {
        let words = ["slimbuild", "closed", "true"].map(OsString::from);
        assert!(main(words).is_none());
    }
}
