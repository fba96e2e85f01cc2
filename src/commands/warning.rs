//! How a command says a warning: as a line, or as an event of the JSON stream.

use crate::commands::error::Error;
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::system::terminal::escape_json;

/// Says a warning on stderr, unless the build is quiet.
pub(in crate::commands) fn warn(
    message: &str,
    mode: ProgressMode,
    ui: &mut Ui,
) -> Result<(), Error> {
    let said = match mode {
        ProgressMode::Quiet => Ok(()),
        // Each line of this stream must be a JSON object.
        ProgressMode::Json => {
            let event = serde_json::json!({ "event": "warning", "message": message });
            let text = ui.mask().text(&escape_json(&event.to_string()));
            writeln!(ui.err(), "{text}")
        }
        _ => ui.warn(message),
    };
    said.map_err(Error::io("cannot write to stderr"))
}
