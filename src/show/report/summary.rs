//! How the apps of a run ended, as a table in Markdown.

use std::fmt::Write as _;

use super::{duration, size};
use crate::show::metadata::Metadata;

/// How an app ended.
pub struct SummaryRow<'r> {
    /// Its directory.
    pub app: &'r str,
    /// The word for its state.
    pub state: &'static str,
    /// Its image, if it was made.
    pub image: Option<&'r Metadata>,
    /// How long it took, if it began.
    pub took: Option<std::time::Duration>,
    /// What went wrong.
    pub message: Option<&'r str>,
}

/// A row for each app, and the errors below.
pub fn summary(rows: &[SummaryRow<'_>]) -> String {
    let mut text =
        "| App | State | Size | Before | To pull | Time | Digest |\n| --- | --- | ---: | ---: | ---: | ---: | --- |\n"
            .to_owned();
    for row in rows {
        let image = row.image;
        let before = image.and_then(|image| Some(before(image.before?, image.size)));
        let shown = [
            code(row.app),
            plain(row.state),
            sized(image.and_then(|image| image.size)),
            before.unwrap_or_default(),
            sized(image.and_then(|image| image.compressed)),
            row.took.map(duration).unwrap_or_default(),
            image.map_or(String::new(), |image| short(image.digest.as_deref())),
        ];
        let _ = writeln!(text, "| {} |", shown.join(" | "));
    }
    let failed = rows.iter().filter_map(|row| Some((row.app, row.message?)));
    for (at, (app, message)) in failed.enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}- {}: {}", code(app), plain(message));
    }
    text + "\n"
}

fn sized(bytes: Option<u64>) -> String {
    bytes.map(size).unwrap_or_default()
}

/// `150.00 MB (−1.79 MB)`
fn before(before: u64, now: Option<u64>) -> String {
    let change = match now {
        Some(now) if now > before => format!(" (+{})", size(now - before)),
        Some(now) if now < before => format!(" (−{})", size(before - now)),
        _ => String::new(),
    };
    size(before) + &change
}

/// The first letters of a digest, as Docker shows them.
fn short(digest: Option<&str>) -> String {
    let hex = digest.and_then(|digest| digest.strip_prefix("sha256:"));
    hex.and_then(|hex| hex.get(..12))
        .map(code)
        .unwrap_or_default()
}

/// A word in a cell, as it is.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "\\|"))
}

/// Text on one line that means nothing in Markdown or HTML.
pub(super) fn plain(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => told.push(' '),
            '<' => told.push_str("&lt;"),
            '&' => told.push_str("&amp;"),
            '\\' | '|' | '*' | '_' | '[' | ']' | '#' | '~' | '!' => told.extend(['\\', letter]),
            letter => told.push(letter),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn apps_have_rows_and_errors_come_below() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let image = Metadata {
            digest: Some(digest),
            size: Some(148_210_000),
            compressed: Some(55_320_000),
            before: Some(150_000_000),
            ..Metadata::example()
        };
        let larger = Metadata {
            before: Some(148_000_000),
            ..image.clone()
        };
        let unknown = Metadata::example();
        let took = Some(std::time::Duration::from_millis(12_340));
        let row = |app, image, state| SummaryRow {
            app,
            state,
            image,
            took,
            message: None,
        };
        let failed = SummaryRow {
            message: Some("`node x` | <b>*wrong*</b>\n::error::[x](y)"),
            ..row("apps/web", None, "failed")
        };
        let skipped = SummaryRow {
            took: None,
            ..row("apps/z|`", None, "skipped")
        };
        let rows = [
            row("apps/a", Some(&image), "verified"),
            row("apps/b", Some(&larger), "pushed"),
            row("apps/c", Some(&unknown), "built"),
            failed,
            skipped,
        ];
        assert_snapshot!(summary(&rows), @r"
        | App | State | Size | Before | To pull | Time | Digest |
        | --- | --- | ---: | ---: | ---: | ---: | --- |
        | `apps/a` | verified | 148.21 MB | 150.00 MB (−1.79 MB) | 55.32 MB | 12.3 s | `0123456789ab` |
        | `apps/b` | pushed | 148.21 MB | 148.00 MB (+210.00 kB) | 55.32 MB | 12.3 s | `0123456789ab` |
        | `apps/c` | built |  |  |  | 12.3 s |  |
        | `apps/web` | failed |  |  |  | 12.3 s |  |
        | `apps/z\|'` | skipped |  |  |  |  |  |

        - `apps/web`: `node x` \| &lt;b>\*wrong\*&lt;/b> ::error::\[x\](y)
        ");
    }
}
