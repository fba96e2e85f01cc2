//! Asks on the terminal which of several things is meant.

use std::io;

use dialoguer::FuzzySelect;
use dialoguer::console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};

use crate::system::terminal::one_line;

/// The row that the user chooses, or `None` after Escape. Typed letters filter the rows.
pub(super) fn choose(question: &str, rows: &[String], colors: bool) -> io::Result<Option<usize>> {
    let colorful = ColorfulTheme::default();
    let theme: &dyn Theme = if colors { &colorful } else { &SimpleTheme };
    let terminal = Term::stderr();
    let chosen = FuzzySelect::with_theme(theme)
        .with_prompt(question)
        .items(rows.iter().map(|row| one_line(row)))
        .default(0)
        .max_length(12)
        .report(false)
        .interact_on_opt(&terminal);
    // After Ctrl-C it stays hidden.
    drop(terminal.show_cursor());
    chosen.map_err(|dialoguer::Error::IO(error)| error)
}
