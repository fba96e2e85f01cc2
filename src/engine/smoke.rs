//! The smoke test's request and result, the same for every engine.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::system::mask::Mask;

/// How long a program without a probe must run.
pub(super) const MIN_UPTIME: Duration = Duration::from_secs(5);
/// How many lines of a log are shown.
pub(super) const TAIL: usize = 200;
/// Shorter values are not hidden: they are words that any log may contain.
const SECRET: usize = 6;

/// The settings of a smoke test.
#[derive(Debug, Clone, Default)]
pub struct SmokeRequest {
    /// Variables of the container.
    pub env: BTreeMap<String, String>,
    /// The command to run inside; it ends when the program is up. Without one, the program must run
    /// for five seconds or end with exit code 0.
    pub probe: Option<Vec<String>>,
    /// How long to wait.
    pub timeout: Duration,
}

impl SmokeRequest {
    /// How long the program may take.
    pub(super) fn patience(&self) -> Duration {
        match self.probe {
            Some(_) => self.timeout,
            None => self.timeout.min(MIN_UPTIME),
        }
    }

    /// The lines of a log, without the values of the program's variables.
    pub(super) fn lines(&self, text: &str) -> Vec<String> {
        let values = self.env.values().filter(|value| value.len() >= SECRET);
        let text = Mask::new(values.map(String::as_bytes)).text(text);
        text.lines().map(str::to_owned).collect()
    }
}

/// A program that came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// How that was seen: `port 3000 is open`
    pub how: String,
    /// How long it took.
    pub took: Duration,
}

/// How the wait ended.
pub(super) enum End {
    /// It is up.
    Up(String),
    /// It ended before it was up.
    Dead(String),
    /// It was not up in time.
    Late(String),
}

impl End {
    /// The message about a program that was not up in time. The probe's last output explains it.
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
