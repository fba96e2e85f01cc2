//! A time span as Docker's files write it: `30s`, `1m30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Units and their length in nanoseconds. `ms` comes before `m`, because the first match counts.
const UNITS: [(&str, u64); 4] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A time span in whole milliseconds that fits Docker's 63-bit count of nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

/// The text is not a time span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration such as `30s` or `1m30s`")]
pub struct NotASpan;

impl Span {
    /// The span in nanoseconds, as image configurations write it.
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let mut total: u64 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            let number: u64 = rest[..rest.len() - after.len()]
                .parse()
                .map_err(|_| NotASpan)?;
            let unit = UNITS.iter().find_map(|(unit, length)| {
                let behind = after.strip_prefix(unit)?;
                Some((behind, length))
            });
            let (behind, length) = unit.ok_or(NotASpan)?;
            total = number
                .checked_mul(*length)
                .and_then(|part| total.checked_add(part))
                .ok_or(NotASpan)?;
            rest = behind;
        }
        if text.is_empty() || i64::try_from(total).is_err() {
            return Err(NotASpan);
        }
        Ok(Self(Duration::from_nanos(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let parts = [
            (seconds / 3600, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
            (u64::from(millis), "ms"),
        ];
        if self.0.is_zero() {
            return out.write_str("0s");
        }
        for (number, unit) in parts.iter().filter(|(number, _)| *number > 0) {
            write!(out, "{number}{unit}")?;
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_as_docker_does() {
        for (text, milliseconds, written) in [
            ("30s", 30_000, "30s"),
            ("1m30s", 90_000, "1m30s"),
            ("90s", 90_000, "1m30s"),
            ("2h", 7_200_000, "2h"),
            ("250ms", 250, "250ms"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.nanoseconds(), milliseconds * 1_000_000, "{text}");
            assert_eq!(span.to_string(), written);
        }
    }

    #[test]
    fn what_docker_would_not_read_is_none() {
        for text in [
            "",
            "30",
            "3x",
            "s",
            "1.5h",
            "-1s",
            "5 s",
            "9999999h",
            "99999999999999999999s",
        ] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text}");
        }
    }
}
