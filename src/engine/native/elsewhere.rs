//! Commands of a build on systems without process groups: none is run, since nothing could end all
//! that it started.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::engine::{Interrupt, LogStream};

/// A command.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "none is run")]
pub(super) struct Task<'t> {
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    pub(super) dir: &'t Path,
    /// All its variables.
    pub(super) env: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "none is run")]
pub(super) enum Ended {
    Well,
    Badly(i32),
    Interrupted,
}

fn unsupported() -> io::Error {
    let words = "images can be made without Docker on Linux only";
    io::Error::new(io::ErrorKind::Unsupported, words)
}

/// Fails.
pub(super) fn run(
    _: &Task<'_>,
    _: &Interrupt,
    _: &mut dyn FnMut(LogStream, Duration, Vec<u8>),
) -> io::Result<Ended> {
    Err(unsupported())
}

/// There is none.
pub(super) struct Started {
    pub(super) child: Child,
    never: Infallible,
}

impl Started {
    /// Fails.
    pub(super) fn new(_: &Task<'_>, _: bool) -> io::Result<Self> {
        Err(unsupported())
    }

    /// Is never called.
    pub(super) fn kill(&mut self) {
        match self.never {}
    }
}
