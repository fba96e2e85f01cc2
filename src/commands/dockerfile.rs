//! `slimbuild dockerfile APP`: the Dockerfile on stdout.

use super::native::refuse_disk;
use super::{Place, planned, warn, warn_of_secrets};
use crate::error::Error;
use crate::plan::PlanOptions;
use crate::render::dockerfile;
use crate::show::ui::Ui;

/// Prints the template that Dockerfiles are made from.
pub fn template(ui: &mut Ui) -> Result<(), Error> {
    ui.data()
        .write_all(dockerfile::TEMPLATE.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}

/// Prints the Dockerfile.
pub fn run(place: &Place<'_>, options: &PlanOptions, ui: &mut Ui) -> Result<(), Error> {
    let (_, plan) = planned(place, options)?;
    refuse_disk(&plan)?;
    warn(&plan, ui)?;
    warn_of_secrets(&plan, ui)?;
    let text = dockerfile::render(&plan)?;
    ui.data()
        .write_all(text.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}
