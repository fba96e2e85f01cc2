//! How a command says a warning.

use crate::commands::error::Error;
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;

/// Says a warning on stderr, unless the build is quiet.
pub(in crate::commands) fn warn(
    message: &str,
    mode: ProgressMode,
    ui: &mut Ui,
) -> Result<(), Error> {
    match mode {
        ProgressMode::Quiet => Ok(()),
        _ => ui.warn(message),
    }
    .map_err(Error::io("cannot write to stderr"))
}
