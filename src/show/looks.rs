//! What rows on a terminal look like, whether they are an app's steps or several apps.

use anstyle::{AnsiColor, Style};
use indicatif::ProgressStyle;

/// The width of the column with times.
pub(super) const COLUMN: usize = 6;

const CYAN: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();

/// The text in a style, if there are colours.
pub(super) fn paint(color: bool, style: Style, text: &str) -> String {
    if color {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// A row that moves: a spinner, how long it has run, and its message.
pub(super) fn moving(color: bool) -> ProgressStyle {
    let spinner = paint(color, CYAN, "{spinner}");
    let took = paint(color, DIM, &format!("{{prefix:>{COLUMN}}}"));
    template(&format!("{spinner} {took}  {{wide_msg}}")).tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}

/// A row below another, this much further to the right than the times.
pub(super) fn below(color: bool, indent: usize) -> ProgressStyle {
    let indent = " ".repeat(COLUMN + indent);
    template(&format!("{indent}{}", paint(color, DIM, "{wide_msg}")))
}

fn template(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well-formed")
}
