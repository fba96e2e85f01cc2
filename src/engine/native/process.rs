//! Runs a command of a build below a keeper. Its output becomes events. An interrupt, or its own
//! end, ends everything that it started.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::keeper;
use crate::engine::{Interrupt, LogStream};
use crate::system::leftovers::Note;

/// How often to check for an interrupt.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long a process may take to end by itself.
const GRACE_PERIOD: Duration = Duration::from_secs(3);

/// A command.
#[derive(Debug, Clone)]
pub(super) struct Task<'t> {
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    pub(super) dir: &'t Path,
    /// All its variables; this process's own are not passed on.
    pub(super) env: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    /// It failed with this exit code; after a signal, 128 plus its number, as in shells.
    Badly(i32),
    Interrupted,
}

/// Runs a command to its end. `on_log` gets its output, with the time since its start.
pub(super) fn run(
    task: &Task<'_>,
    interrupt: &Interrupt,
    on_log: &mut dyn FnMut(LogStream, Duration, Vec<u8>),
) -> io::Result<Ended> {
    let began = Instant::now();
    let mut started = Started::new(task, false)?;
    let (sender, receiver) = mpsc::channel();
    let readers = [
        started
            .child
            .stdout
            .take()
            .map(|out| read(out, LogStream::Stdout, sender.clone())),
        started
            .child
            .stderr
            .take()
            .map(|err| read(err, LogStream::Stderr, sender.clone())),
    ];
    drop(sender);
    let mut ended: Option<ExitStatus> = None;
    let status = loop {
        let heard = receiver.recv_timeout(POLL_INTERVAL);
        // Checked here too, because a command may write all the time.
        if interrupt.is_raised() {
            started.ask(interrupt)?;
            return Ok(Ended::Interrupted);
        }
        match heard {
            Ok((stream, bytes)) => on_log(stream, began.elapsed(), bytes),
            // Both outputs are closed: it has ended or is about to.
            Err(RecvTimeoutError::Disconnected) => match started.child.try_wait()? {
                Some(status) => break status,
                None => thread::sleep(POLL_INTERVAL / 10),
            },
            // Processes that it left running may hold the outputs open forever.
            Err(RecvTimeoutError::Timeout) => match ended {
                Some(status) => break status,
                None => ended = started.child.try_wait()?,
            },
        }
    };
    drop(readers);
    if keeper::is_enabled() && status.signal().is_some() {
        keeper::replace();
    }
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

/// A running command. Everything that it started is ended when the value is dropped, or when this
/// process ends.
pub(super) struct Started {
    pub(super) child: Child,
    /// Closing it ends the command.
    pipe: Arc<Mutex<Option<ChildStdin>>>,
    _note: Note,
}

impl Started {
    /// Starts the command. `open` gives it a stdin that is closed to end it.
    pub(super) fn new(task: &Task<'_>, open: bool) -> io::Result<Self> {
        let mut child = keeper::command(&task.words, open)
            .current_dir(task.dir)
            .env_clear()
            .envs(&task.env)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipe = Arc::new(Mutex::new(child.stdin.take()));
        let group = group(&child);
        let noted = Arc::clone(&pipe);
        let note = Note::act(move || kill(&noted, group));
        Ok(Self {
            child,
            pipe,
            _note: note,
        })
    }

    /// Asks it to end, and kills it after a while; at once after a second signal.
    fn ask(&mut self, interrupt: &Interrupt) -> io::Result<()> {
        if keeper::is_enabled() {
            if let Some(pipe) = &mut *lock(&self.pipe) {
                // It may have ended already.
                drop(pipe.write_all(&[keeper::STOP_STEP]));
            }
        } else if let Some(group) = group(&self.child) {
            let _gone = kill_process_group(group, Signal::TERM);
        }
        let asked = Instant::now();
        while asked.elapsed() < GRACE_PERIOD && !interrupt.is_urgent() {
            if self.child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(POLL_INTERVAL);
        }
        self.kill();
        Ok(())
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        lock(&self.pipe).take();
        let killed = Instant::now();
        // The keeper does the killing.
        while keeper::is_enabled() && killed.elapsed() < GRACE_PERIOD * 2 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL_INTERVAL / 10);
        }
        if let Some(group) = group(&self.child) {
            let _gone = kill_process_group(group, Signal::KILL);
        }
        drop(self.child.wait());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

fn lock(pipe: &Mutex<Option<ChildStdin>>) -> std::sync::MutexGuard<'_, Option<ChildStdin>> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

fn group(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Ends a command while this process ends, when nothing waits for it any more.
fn kill(pipe: &Mutex<Option<ChildStdin>>, group: Option<Pid>) {
    lock(pipe).take();
    let Some(group) = group else { return };
    if keeper::is_enabled() {
        let began = Instant::now();
        // Only looks at the keeper's end, so that its waiter still sees it.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while began.elapsed() < GRACE_PERIOD * 2
            && matches!(waitid(WaitId::Pid(group), look), Ok(None))
        {
            thread::sleep(POLL_INTERVAL / 10);
        }
    }
    // It may have ended already.
    let _gone = kill_process_group(group, Signal::KILL);
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
