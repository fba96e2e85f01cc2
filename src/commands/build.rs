//! `slimbuild APP`: the image.
use crate::cli::BuildArgs;
use crate::env::Env;
use crate::error::Error;
use crate::ui::Ui;
use std::path::Path;
/// Builds.
pub fn run(args: BuildArgs, cwd: &Path, _env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let place = super::Place {
        cwd,
        app: args.app.app,
    };
    super::dockerfile::run(&place, &args.plan.into(), ui)
}
