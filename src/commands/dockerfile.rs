//! `slimbuild dockerfile APP`: the Dockerfile on stdout.

use super::{AppChoice, planned_for_docker, warn, warn_of_secrets};
use crate::cli::PlanArgs;
use crate::commands::error::Error;
use crate::render::dockerfile;
use crate::show::ui::Ui;
use crate::system::env::Env;

/// Prints the template that Dockerfiles are made from.
pub fn template(ui: &mut Ui) -> Result<(), Error> {
    ui.data()
        .write_all(dockerfile::TEMPLATE.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}

/// Prints the Dockerfile.
pub fn run(place: &AppChoice<'_>, args: PlanArgs, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let (_, plan) = planned_for_docker(place, args, |_| (), env)?;
    warn(&plan, ui)?;
    warn_of_secrets(&plan, ui)?;
    let text = dockerfile::render(&plan)?;
    ui.data()
        .write_all(text.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}
