//! `slimbuild schema`: the JSON Schema of `slimbuild.json`.

use crate::commands::error::Error;
use crate::plan::config;
use crate::show::ui::Ui;

/// Prints the schema.
pub fn run(ui: &mut Ui) -> Result<(), Error> {
    ui.out()
        .write_all(config::SCHEMA.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}
