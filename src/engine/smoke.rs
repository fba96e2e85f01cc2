//! What every engine says of a smoke test, and is told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::system::mask::Mask;

/// How long a program has to run that is asked nothing.
pub(super) const ALIVE: Duration = Duration::from_secs(5);
/// How many lines of a log are shown.
pub(super) const TAIL: usize = 200;
/// Values shorter than this are words that a log may well hold by itself.
const SECRET: usize = 6;

/// What to try.
#[derive(Debug, Clone, Default)]
pub struct SmokeRequest {
    /// Variables of the container.
    pub env: BTreeMap<String, String>,
    /// What to run inside of it: it ends when the program is up. Without, the program has to run for five seconds, or to end well.
    pub probe: Option<Vec<String>>,
    /// How long to wait.
    pub timeout: Duration,
}

impl SmokeRequest {
    /// How long the program has.
    pub(super) fn patience(&self) -> Duration {
        match self.probe {
            Some(_) => self.timeout,
            None => self.timeout.min(ALIVE),
        }
    }

    /// The lines of a log, without the values that were given to the program.
    pub(super) fn lines(&self, text: &str) -> Vec<String> {
        let values = self.env.values().filter(|value| value.len() >= SECRET);
        let text = Mask::new(values.map(String::as_bytes)).text(text);
        text.lines().map(str::to_owned).collect()
    }
}

/// A program that came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// How it was seen: `port 3000 is open`
    pub how: String,
    /// How long it took.
    pub took: Duration,
}

/// How a wait ended.
pub(super) enum End {
    /// It is up.
    Up(String),
    /// It ended before it was up.
    Dead(String),
    /// Patience is at its end.
    Late(String),
}

impl End {
    /// What is said of one that did not come up in time: what the probe said last explains it.
    pub(super) fn late(patience: Duration, said: &str) -> Self {
        let seconds = patience.as_secs();
        let why = if said.is_empty() {
            String::new()
        } else {
            format!(": {said}")
        };
        Self::Late(format!("is not up after {seconds} s{why}"))
    }
}
