//! A command of a build: it runs in a process group of its own, what it writes becomes events, and who interrupts the build ends all of it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::engine::{Interrupt, LogStream};

/// How often an interrupt is looked for.
const GLANCE: Duration = Duration::from_millis(50);
/// How long what is to end may take for it.
const GRACE: Duration = Duration::from_secs(3);

/// A command.
#[derive(Debug, Clone)]
pub(super) struct Task<'t> {
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    pub(super) dir: &'t Path,
    /// All variables that it gets: this process's own are not among them.
    pub(super) env: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// With this exit code; 128 and the signal's number, as shells say it, where a signal ended it.
    Badly(i32),
    Interrupted,
}

/// Runs a command to its end. `on_log` gets what it writes, and when since its start.
pub(super) fn run(
    task: &Task<'_>,
    interrupt: &Interrupt,
    on_log: &mut dyn FnMut(LogStream, Duration, Vec<u8>),
) -> io::Result<Ended> {
    let began = Instant::now();
    let mut child = Command::new(&task.words[0])
        .args(&task.words[1..])
        .current_dir(task.dir)
        .env_clear()
        .envs(&task.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let (sender, receiver) = mpsc::channel();
    let readers = [
        child
            .stdout
            .take()
            .map(|out| read(out, LogStream::Stdout, sender.clone())),
        child
            .stderr
            .take()
            .map(|err| read(err, LogStream::Stderr, sender.clone())),
    ];
    drop(sender);
    let mut ended: Option<ExitStatus> = None;
    let status = loop {
        match receiver.recv_timeout(GLANCE) {
            Ok((stream, bytes)) => {
                on_log(stream, began.elapsed(), bytes);
                continue;
            }
            // Both ends are closed: it is about to end, or has.
            Err(RecvTimeoutError::Disconnected) => break child.wait()?,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if interrupt.is_raised() {
            end(&mut child)?;
            return Ok(Ended::Interrupted);
        }
        // What it left running may hold its pipes open for ever: nobody waits for that.
        match ended {
            Some(status) => break status,
            None => ended = child.try_wait()?,
        }
    };
    drop(readers);
    if interrupt.is_raised() && !status.success() {
        return Ok(Ended::Interrupted);
    }
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    Ok(match code {
        Some(0) => Ended::Well,
        code => Ended::Badly(code.unwrap_or(1)),
    })
}

fn read(
    mut from: impl Read + Send + 'static,
    stream: LogStream,
    to: Sender<(LogStream, Vec<u8>)>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 || to.send((stream, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    })
}

/// Ends a command and all that it started: by asking first.
fn end(child: &mut Child) -> io::Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |signal| {
        if let Some(group) = group {
            // Who is gone already need not be told.
            let _gone = kill_process_group(group, signal);
        }
    };
    signal(Signal::TERM);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if child.try_wait()?.is_some() {
            break;
        }
        thread::sleep(GLANCE);
    }
    signal(Signal::KILL);
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, interrupt: &Interrupt) -> (Ended, String) {
        let dir = tempfile::tempdir().unwrap();
        let task = Task {
            words: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            dir: dir.path(),
            env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
        };
        let mut log = String::new();
        let ended = run(&task, interrupt, &mut |_, _, bytes| {
            log.push_str(&String::from_utf8(bytes).unwrap());
        });
        (ended.unwrap(), log)
    }

    #[test]
    fn says_how_it_ended_and_what_it_wrote() {
        let (_trigger, interrupt) = Interrupt::by_hand();
        assert_eq!(
            sh("echo $A$HOME", &interrupt),
            (Ended::Well, "b\n".to_owned())
        );
        assert_eq!(
            sh("echo x >&2; exit 7", &interrupt),
            (Ended::Badly(7), "x\n".to_owned())
        );
        assert_eq!(sh("kill -9 $$", &interrupt).0, Ended::Badly(137));
    }

    #[test]
    fn what_stays_behind_is_not_waited_for() {
        let (_trigger, interrupt) = Interrupt::by_hand();
        let began = Instant::now();
        assert_eq!(sh("sleep 30 & echo y", &interrupt).1, "y\n");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn an_interrupt_ends_all_of_it() {
        let (trigger, interrupt) = Interrupt::by_hand();
        let began = Instant::now();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            trigger.raise();
        });
        let (ended, _) = sh("sleep 30 & sleep 30; echo no", &interrupt);
        assert_eq!(ended, Ended::Interrupted);
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}
