//! The proof and the trial start of an image that got another base.
//!
//! The app has not changed since it was built and proved, so the proof is a comparison: what is missing
//! on the old base too is not the new one's fault. The plan is not known here, and with it what the
//! build has allowed to be missing.

use super::error::NativeError;
use super::namespace::Started;
use super::proof::{Log, Trial};
use super::rootfs;
use crate::engine::LogStream;
use crate::model::image::Platform;

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All that the app loads is there, and it was started.
    Proved,
    /// It would not run: what the programs said.
    Disproved(Vec<String>),
    /// It cannot be tried on this machine, and why.
    NotHere(String),
}

/// How a program ended, and what it said.
type Ended = Option<(i32, Vec<String>)>;

/// Tries an image on its new base. `old` is the same image on its old one.
pub fn prove_rebased(new: &Trial<'_>, old: &Trial<'_>) -> Result<Verdict, NativeError> {
    let platform = &new.image.platform;
    if *platform != Platform::host() {
        return Ok(Verdict::NotHere(format!("it is for {platform}")));
    }
    if let Err(why) = new.outside.tools() {
        return Ok(Verdict::NotHere(why));
    }
    let Some(node) = &new.subject.node else {
        let test = ["nginx", "-t"].map(str::to_owned);
        return Ok(judged(run(new, &Started::Only(&test))?));
    };
    if new.subject.verify {
        let mut program = vec![node.clone()];
        program.extend(new.subject.flags.iter().cloned());
        program.extend(["/verify/verify.mjs", "/verify/image.json"].map(str::to_owned));
        let found = run(new, &Started::Only(&program))?;
        match &found {
            None | Some((0, _)) => {}
            Some((_, said)) => match run(old, &Started::Only(&program))? {
                Some((_, before)) if before == *said => {}
                _ => return Ok(judged(found)),
            },
        }
    }
    let program = [node, "/verify/verify.mjs", "--start", "/verify/image.json"];
    let program = program.map(ToString::to_string);
    Ok(judged(run(new, &Started::Tried(&program))?))
}

fn judged(ended: Ended) -> Verdict {
    match ended {
        Some((0, _)) => Verdict::Proved,
        Some((_, said)) => Verdict::Disproved(said),
        None => Verdict::NotHere("this machine does not let an image's programs start".to_owned()),
    }
}

fn run(trial: &Trial<'_>, started: &Started<'_>) -> Result<Ended, NativeError> {
    let laid = rootfs::rootfs(trial.image, trial.base, trial.cache)?;
    let mut log = Log::new();
    let mut code = trial.run_inside(&laid, started, &mut log)?;
    if !laid.fresh && code.is_some_and(|code| code != 0) {
        log.clear();
        code = trial.unpacked_anew(|anew| trial.run_inside(anew, started, &mut log))?;
    }
    Ok(code.map(|code| (code, said(&log))))
}

fn said(log: &Log) -> Vec<String> {
    let bytes = log
        .iter()
        .filter(|(stream, ..)| *stream == LogStream::Stderr);
    let bytes: Vec<u8> = bytes.flat_map(|(_, _, bytes)| bytes.clone()).collect();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.lines().map(str::to_owned).collect()
}
