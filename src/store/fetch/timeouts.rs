//! How long a server may take: [`Patience`] holds the limits, [`Pace`] checks one transfer against
//! them.

use std::fmt;
use std::time::{Duration, Instant};

/// The limits of a transfer. A large file on a slow line stays within them; a silent or dripping
/// server does not.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The time until an answer begins, including name lookup, connecting and redirects.
    pub answer: Duration,
    /// The longest pause during a transfer.
    pub silence: Duration,
    /// In each period of this length, at least [`Self::least`] bytes must arrive.
    pub window: Duration,
    /// See [`Self::window`]. In bytes.
    pub least: u64,
    /// The pauses before each retry.
    pub pauses: [Duration; 2],
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(20),
            silence: Duration::from_secs(20),
            window: Duration::from_secs(30),
            least: 30 << 10,
            pauses: [Duration::from_millis(500), Duration::from_secs(2)],
        }
    }
}

impl Patience {
    /// Limits for a registry, which is silent while it processes an upload.
    pub fn with_uploads() -> Self {
        Self {
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(60),
            window: Duration::from_secs(90),
            least: 90 << 10,
            ..Self::default()
        }
    }
}

/// Which limit was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    /// No answer began in this time.
    Unanswered(Duration),
    /// No byte moved in this time.
    Silent(Duration),
    /// Fewer bytes than required moved in this time.
    Slow(u64, Duration),
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: &Duration| time.as_secs_f64();
        match self {
            Self::Unanswered(time) => write!(f, "no answer came within {} s", seconds(time)),
            Self::Silent(time) => write!(f, "nothing moved for {} s", seconds(time)),
            Self::Slow(bytes, time) => {
                write!(f, "only {bytes} bytes moved in {} s", seconds(time))
            }
        }
    }
}

impl std::error::Error for Stall {}

/// The progress of one transfer.
#[derive(Debug)]
pub struct Pace {
    patience: Patience,
    last: Instant,
    began: Instant,
    moved: u64,
}

impl Pace {
    /// Starts to measure a transfer.
    pub fn new(patience: Patience, now: Instant) -> Self {
        Self {
            patience,
            last: now,
            began: now,
            moved: 0,
        }
    }

    /// Records that bytes moved; zero changes nothing.
    pub fn moved(&mut self, bytes: u64, now: Instant) {
        if bytes > 0 {
            self.last = now;
            self.moved += bytes;
        }
    }

    /// Fails if a limit is exceeded.
    pub fn check(&mut self, now: Instant) -> Result<(), Stall> {
        let Patience {
            silence,
            window,
            least,
            ..
        } = self.patience;
        if now.duration_since(self.last) >= silence {
            return Err(Stall::Silent(silence));
        }
        if now.duration_since(self.began) >= window {
            if self.moved < least {
                return Err(Stall::Slow(self.moved, window));
            }
            self.began = now;
            self.moved = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn silence_ends_a_transfer() {
        let now = Instant::now();
        let mut pace = Pace::new(Patience::default(), now);
        pace.moved(1 << 20, now + at(5));
        assert_eq!(pace.check(now + at(24)), Ok(()));
        let stall = pace.check(now + at(25)).unwrap_err();
        assert_eq!(stall.to_string(), "nothing moved for 20 s");
    }

    #[test]
    fn a_drip_ends_and_a_slow_line_does_not() {
        let ends = |bytes: u64| {
            let now = Instant::now();
            let mut pace = Pace::new(Patience::default(), now);
            (1..600).find_map(|second| {
                pace.moved(bytes, now + at(second));
                Some((second, pace.check(now + at(second)).err()?))
            })
        };
        assert_eq!(ends(1), Some((30, Stall::Slow(30, at(30)))));
        assert_eq!(ends(1100), None);
    }
}
