//! Reads one answer on its own thread, so that the caller can stop waiting at any time, whatever
//! the server, the name service or the kernel does.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::{RequestBuilder, Response};
use reqwest::{StatusCode, Url, redirect};

use super::timeouts::{Pace, Patience, Stall};
use super::{Cause, FetchError};

/// How often to check whether the user wants to stop.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How many bytes are read at a time.
const PIECE: usize = 1 << 16;
/// How many pieces may be queued.
const QUEUE_LENGTH: usize = 4;
/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// The status and headers of an answer.
pub(super) struct Head {
    pub(super) status: StatusCode,
}

enum Piece {
    Head(Head),
    Bytes(Vec<u8>),
    End,
    Redirect(Cause),
    Failed(Cause),
}

/// An answer that is being received.
pub(super) struct Transfer<'t> {
    /// The address, without credentials.
    url: String,
    pieces: Receiver<Piece>,
    patience: Patience,
    pace: Pace,
    stop: &'t dyn Fn() -> bool,
}

impl<'t> Transfer<'t> {
    /// Sends a request and waits until the answer begins.
    pub(super) fn begin(
        url: String,
        request: RequestBuilder,
        patience: Patience,
        stop: &'t dyn Fn() -> bool,
    ) -> Result<(Head, Self), FetchError> {
        let (sender, pieces) = sync_channel(QUEUE_LENGTH);
        // The thread is not joined: it ends when its receiver is gone, or by the client's own
        // timeout.
        thread::spawn(move || send(request, &sender));
        let began = Instant::now();
        let mut transfer = Self {
            url,
            pieces,
            patience,
            pace: Pace::new(patience, began),
            stop,
        };
        let answer = patience.answer;
        let piece = transfer.piece(|now| {
            let late = now.duration_since(began) >= answer;
            if late {
                return Err(Stall::Unanswered(answer));
            }
            Ok(())
        })?;
        transfer.pace = Pace::new(transfer.patience, Instant::now());
        match piece {
            Piece::Head(head) => Ok((head, transfer)),
            _ => Err(transfer.failed(Cause("the answer has no beginning".to_owned()))),
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        let mut pace = std::mem::replace(&mut self.pace, Pace::new(self.patience, Instant::now()));
        let piece = self.piece(|now| pace.check(now))?;
        let Piece::Bytes(bytes) = piece else {
            return Ok(None);
        };
        let now = Instant::now();
        pace.moved(bytes.len() as u64, now);
        // A server that never pauses may still be too slow.
        pace.check(now).map_err(|stall| self.stalled(stall))?;
        self.pace = pace;
        Ok(Some(bytes))
    }

    fn piece(
        &self,
        mut check: impl FnMut(Instant) -> Result<(), Stall>,
    ) -> Result<Piece, FetchError> {
        loop {
            if (self.stop)() {
                return Err(FetchError::Interrupted);
            }
            match self.pieces.recv_timeout(POLL_INTERVAL) {
                Ok(Piece::Failed(cause)) => return Err(self.failed(cause)),
                Ok(Piece::Redirect(reason)) => {
                    let url = self.url.clone();
                    return Err(FetchError::Redirect { url, reason });
                }
                Ok(piece) => return Ok(piece),
                Err(RecvTimeoutError::Timeout) => {
                    check(Instant::now()).map_err(|stall| self.stalled(stall))?;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.failed(Cause("the connection is gone".to_owned())));
                }
            }
        }
    }

    fn failed(&self, source: Cause) -> FetchError {
        let url = self.url.clone();
        FetchError::Unreached { url, source }
    }

    fn stalled(&self, source: Stall) -> FetchError {
        let url = self.url.clone();
        FetchError::Stalled { url, source }
    }
}

/// Sends a request and passes on the answer.
fn send(request: RequestBuilder, to: &SyncSender<Piece>) {
    // The receiver may have stopped waiting.
    let say = |piece: Piece| to.send(piece).is_ok();
    let mut answer = match request.send() {
        Ok(answer) => answer,
        Err(error) => {
            let is_redirect = error.is_redirect();
            let cause = Cause::of(&error.without_url());
            say(if is_redirect {
                Piece::Redirect(cause)
            } else {
                Piece::Failed(cause)
            });
            return;
        }
    };
    if !say(Piece::Head(head(&answer))) {
        return;
    }
    loop {
        let mut bytes = vec![0; PIECE];
        match answer.read(&mut bytes) {
            Ok(0) => {
                say(Piece::End);
                return;
            }
            Ok(read) => {
                bytes.truncate(read);
                if !say(Piece::Bytes(bytes)) {
                    return;
                }
            }
            Err(error) => {
                say(Piece::Failed(Cause::of(&error)));
                return;
            }
        }
    }
}

fn head(answer: &Response) -> Head {
    Head {
        status: answer.status(),
    }
}

/// Follows redirects up to a limit, and never to an insecure address.
pub fn redirects() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let followed = attempt.previous().len();
        let from = attempt.previous().last().map_or("", Url::scheme);
        match refused(from, attempt.url().scheme(), followed) {
            Some(reason) => attempt.error(Cause(reason)),
            None => attempt.follow(),
        }
    })
}

/// Why a redirect from one scheme to another is not followed.
fn refused(from: &str, to: &str, followed: usize) -> Option<String> {
    match (from, to) {
        _ if followed > REDIRECTS => Some(format!(
            "it is redirected more than {REDIRECTS} times, and there is no end"
        )),
        (_, "https") | ("http", "http") => None,
        _ => Some(format!(
            "it is redirected from {from}: to {to}:, which is not followed"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn a_redirect_never_leaves_what_is_safe() {
        for (from, to) in [("https", "https"), ("http", "https"), ("http", "http")] {
            assert_eq!(refused(from, to, 1), None, "{from} {to}");
        }
        for (from, to) in [
            ("https", "http"),
            ("https", "file"),
            ("http", "file"),
            ("http", "ftp"),
            ("https", "data"),
        ] {
            let reason = refused(from, to, 1).unwrap_or_default();
            assert!(reason.contains(&format!("{from}: to {to}:")), "{reason}");
        }
        assert!(refused("https", "https", 11).is_some());
    }
}
