//! The pauses before retries, and how a retry is said.

use std::error::Error;

/// The seconds before each retry.
pub const PAUSES: [u32; 3] = [1, 2, 4];

/// One line for the retry with this number, counted from 1.
pub fn said(error: &dyn Error, number: usize, seconds: u32) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = format!("{message}: {inner}");
        cause = inner.source();
    }
    let of = PAUSES.len();
    let message = format!("{message}; trying again in {seconds} s ({number} of {of})");
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
