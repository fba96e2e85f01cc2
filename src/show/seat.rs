//! [`Seat`]: the place of one app in a run of several.
//!
//! Input: the lines, states and steps of an app's build, on its own thread. Output: [`News`] for
//! the one thread that shows all apps.

use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use crate::engine::fault::Place;

/// How far an app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing has begun.
    Waiting,
    /// The plan is made.
    Planning,
    /// The image is made, proved and delivered.
    Building,
    /// Something failed that may pass, and this is the pause before another try.
    Retrying {
        /// Counted from 1.
        number: usize,
        /// The most that are made.
        of: usize,
    },
    /// A dry run has the plan.
    Planned,
    /// The image is made, and nothing proved it.
    Built,
    /// The image is made, and it was proved that it runs.
    Verified,
    /// The image is in a registry.
    Pushed,
    /// The image was there, and only got its names.
    Unchanged,
    /// There is an error.
    Failed,
    /// It had begun when the run was stopped.
    Stopped,
    /// It had not begun when the run was stopped.
    Skipped,
}

impl State {
    /// One of each, in the order in which an app can come to them.
    #[cfg(test)]
    pub const ALL: [Self; 12] = [
        Self::Waiting,
        Self::Planning,
        Self::Building,
        Self::Retrying { number: 1, of: 3 },
        Self::Planned,
        Self::Built,
        Self::Verified,
        Self::Pushed,
        Self::Unchanged,
        Self::Failed,
        Self::Stopped,
        Self::Skipped,
    ];

    /// The word for it, without numbers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Planning => "planning",
            Self::Building => "building",
            Self::Retrying { .. } => "retrying",
            Self::Planned => "planned",
            Self::Built => "built",
            Self::Verified => "verified",
            Self::Pushed => "pushed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Skipped => "skipped",
        }
    }

    /// Whether the app's image is there, or its plan where no more is asked for.
    pub fn is_success(self) -> bool {
        matches!(
            self,
            Self::Planned | Self::Built | Self::Verified | Self::Pushed | Self::Unchanged
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retrying { number, of } => write!(f, "retrying {number}/{of}"),
            state => f.pad(state.word()),
        }
    }
}

/// What an app's build is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doing {
    /// The number of finished steps, and of all.
    pub count: (usize, usize),
    /// The step that runs.
    pub step: String,
    /// The last line of its log, or how much it has moved.
    pub detail: String,
}

/// How an app ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// One of the final states.
    pub state: State,
    /// The image's name.
    pub image: Option<String>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The time that it took; `None` if it did not begin.
    pub took: Option<Duration>,
    /// What went wrong.
    pub fault: Option<Fault>,
}

impl Ended {
    /// An app that was not finished, without an error of its own.
    pub fn unfinished(state: State, took: Option<Duration>) -> Self {
        Self {
            state,
            image: None,
            size: None,
            took,
            fault: None,
        }
    }
}

/// An error as it is shown, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// On one line, with its causes.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// All of it, as it stands after `error: `.
    pub text: String,
    /// The exit code that it alone leads to.
    pub code: u8,
    /// The places in files that it is about.
    pub places: Vec<Place>,
}

/// What happened to an app.
#[derive(Debug)]
pub enum News {
    /// A line for stderr.
    Line(String),
    /// It is in another state.
    State(State),
    /// Its build goes on.
    Doing(Doing),
    /// It has ended.
    Ended(Box<Ended>),
}

/// An app's place. What is told here is shown elsewhere.
#[derive(Debug, Clone)]
pub struct Seat {
    app: usize,
    to: SyncSender<(usize, News)>,
    state: State,
}

impl Seat {
    /// The place of the app with this number.
    pub fn new(app: usize, to: SyncSender<(usize, News)>) -> Self {
        let state = State::Waiting;
        Self { app, to, state }
    }

    /// Tells something.
    pub fn tell(&self, news: News) {
        // Nobody listens any more only if the run is over.
        drop(self.to.send((self.app, news)));
    }

    /// The state that was told last.
    pub fn state(&self) -> State {
        self.state
    }

    /// Tells another state.
    pub fn set_state(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.tell(News::State(state));
        }
    }

    /// A stream that tells each line.
    pub fn lines(&self) -> Lines {
        let seat = self.clone();
        let pending = Vec::new();
        Lines { seat, pending }
    }
}

/// Tells what is written, line by line.
#[derive(Debug)]
pub struct Lines {
    seat: Seat,
    pending: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let rest = self.pending.split_off(end + 1);
            let line = std::mem::replace(&mut self.pending, rest);
            let line = String::from_utf8_lossy(&line[..end]).into_owned();
            self.seat.tell(News::Line(line));
        }
        Ok(bytes.len())
    }

    /// Half of a line waits for its end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.pending.is_empty() {
            let line = String::from_utf8_lossy(&self.pending).into_owned();
            self.seat.tell(News::Line(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn lines_are_told_whole() {
        let (to, news) = sync_channel(10);
        let seat = Seat::new(3, to);
        let mut lines = seat.lines();
        for part in ["one\ntw", "o\n", "\nthr", "ee"] {
            write!(lines, "{part}").unwrap();
            lines.flush().unwrap();
        }
        drop((lines, seat));
        let told: Vec<(usize, String)> = news
            .into_iter()
            .map(|(app, news)| match news {
                News::Line(line) => (app, line),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = ["one", "two", "", "three"];
        assert_eq!(told, expected.map(|line| (3, line.to_owned())));
    }

    #[test]
    fn a_state_is_told_once() {
        let (to, news) = sync_channel(10);
        let mut seat = Seat::new(0, to);
        let retrying = State::Retrying { number: 2, of: 3 };
        for state in [State::Waiting, State::Building, State::Building, retrying] {
            seat.set_state(state);
        }
        assert_eq!(seat.state(), retrying);
        drop(seat);
        let told: Vec<String> = news
            .into_iter()
            .map(|(_, news)| match news {
                News::State(state) => state.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["building", "retrying 2/3"]);
    }
}
