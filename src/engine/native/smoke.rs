//! The smoke test without a daemon: starts the image's program in its own namespaces, and checks
//! from inside whether it is up.
//!
//! It also has its own network, because its ports may be in use on this machine. It reaches only
//! itself.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::NativeError;
use super::namespace::{self, Namespace, READY, Started};
use super::process::{self, Task};
use super::proof::Trial;
use super::rootfs;
use crate::engine::smoke::{Answered, End, SmokeRequest, TAIL};

/// How often to check for an interrupt.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

impl Trial<'_> {
    /// Starts the image and waits until its program is up. Everything started is ended afterwards,
    /// even after an interrupt.
    pub fn smoke(&self, request: &SmokeRequest) -> Result<Answered, NativeError> {
        let laid = rootfs::rootfs(self.image, self.base, self.cache)?;
        let scratch = self.scratch("smoke")?;
        let namespace = Namespace {
            layers: &laid.layers,
            config: &self.image.config,
            writable: &self.subject.writable,
            scratch: scratch.path(),
            outside: self.outside,
        };
        let config = &self.image.config;
        let program = [&config.entrypoint[..], &config.cmd[..]].concat();
        let mut probe = request.probe.clone();
        if let Some(probe) = &mut probe {
            probe.push(namespace::ADDRESS.to_owned());
        }
        let started = Started::Served(&program, probe.as_deref());
        let words = namespace.words(&started, &request.env)?;
        let began = Instant::now();
        let task = Task {
            words: words.words,
            dir: scratch.path(),
            env: words.env,
        };
        let mut started = process::Started::new(&task, true).map_err(NativeError::Spawn)?;
        let heard = started.child.stdout.take().map(listen);
        let end = heard.map(|heard| self.watch(request, &heard, scratch.path(), began));
        let said = stop(started);
        let end = match end {
            Some(Ok(Some(end))) => end,
            Some(Err(error)) => return Err(error),
            Some(Ok(None)) | None => return Err(NativeError::NoNamespace(said)),
        };
        let (how, late) = match end {
            End::Up(how) => {
                let took = began.elapsed();
                return Ok(Answered { how, took });
            }
            End::Dead(how) => (how, false),
            End::Late(how) => (how, true),
        };
        let log = request.lines(&text(&scratch.path().join("log")));
        let log = log[log.len().saturating_sub(TAIL)..].to_vec();
        Err(NativeError::NotUp { how, late, log })
    }

    /// Waits for the end of the probe or of the program, or for the timeout; `None` if nothing was
    /// started.
    fn watch(
        &self,
        request: &SmokeRequest,
        heard: &Receiver<String>,
        scratch: &Path,
        began: Instant,
    ) -> Result<Option<End>, NativeError> {
        let patience = request.patience();
        let said = || {
            let text = text(&scratch.join("said"));
            let mut lines = text.lines().rev().map(str::trim);
            lines
                .find(|line| !line.is_empty())
                .unwrap_or_default()
                .to_owned()
        };
        let mut ready = false;
        let mut failed = None;
        loop {
            match heard.recv_timeout(POLL_INTERVAL) {
                Ok(line) => match line.split_once(' ').unwrap_or((&line, "")) {
                    (READY, _) => ready = true,
                    ("up", _) => return Ok(Some(End::Up(said()))),
                    ("ended", "0") if request.probe.is_none() => {
                        return Ok(Some(End::Up("it ended with exit code 0".to_owned())));
                    }
                    ("ended", code) => {
                        let how = format!("ended with exit code {code} before it was up");
                        return Ok(Some(End::Dead(how)));
                    }
                    // If the program ended too, that is the reason.
                    _ => failed = Some(Instant::now()),
                },
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.interrupt.is_raised() {
                return Err(NativeError::Interrupted);
            }
            if failed.is_some_and(|at| at.elapsed() > POLL_INTERVAL * 4) {
                let what = format!(
                    "the program that asks inside of the image failed: {}",
                    said()
                );
                return Err(NativeError::Spawn(std::io::Error::other(what)));
            }
            if ready && began.elapsed() > patience {
                let seconds = patience.as_secs();
                return Ok(Some(match request.probe {
                    None => End::Up(format!("it runs for {seconds} s")),
                    Some(_) => End::late(patience, &said()),
                }));
            }
        }
    }
}

/// Receives the lines written to a pipe.
fn listen(pipe: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(pipe).lines();
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Ends everything and returns the script's error output.
fn stop(mut started: process::Started) -> String {
    started.kill();
    let mut said = String::new();
    if let Some(mut pipe) = started.child.stderr.take() {
        drop(pipe.read_to_string(&mut said));
    }
    let line = said.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("it could not be started").trim().to_owned()
}

fn text(file: &Path) -> String {
    let bytes = fs_err::read(file).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
