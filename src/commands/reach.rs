//! Who makes an image: a daemon, or slimbuild itself.

use crate::cli::{EngineArg, EngineArgs};
use crate::engine::docker::Docker;
use crate::engine::host;
use crate::error::Error;
use crate::model::image::DiskImage;
use crate::plan::Plan;
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::system::env::Env;

/// The daemon, or nothing where slimbuild makes the image itself: where no daemon is there, and nobody named one.
pub(super) fn reach(
    engine: &EngineArgs,
    daemon: Option<&str>,
    plan: &Plan,
    env: &Env,
    mode: ProgressMode,
    ui: &mut Ui,
) -> Result<Option<Docker>, Error> {
    match (engine.engine, engine.outputs.first()) {
        (EngineArg::Native, _) | (EngineArg::Auto, Some(_)) => return Ok(None),
        (EngineArg::Auto, None) if DiskImage::parse(&plan.runtime_base.value.image).is_some() => {
            return Ok(None);
        }
        (EngineArg::Docker, Some(output)) => {
            return Err(Error::Usage {
                message:
                    "the image of a Docker daemon stays there: `--output` is for `--engine native`"
                        .to_owned(),
                hint: Some(format!(
                    "leave one of them out, or write it with `docker save --output {}`",
                    output.path().display()
                )),
            });
        }
        (EngineArg::Auto | EngineArg::Docker, None) => {}
    }
    let host = host::resolve(env, daemon)?;
    match Docker::connect(&host) {
        // A daemon that is there and does not serve is the person's business: another engine would hide that.
        Err(error)
            if error.is_absence()
                && engine.engine == EngineArg::Auto
                && host.is_default()
                && !engine.load =>
        {
            if mode != ProgressMode::Quiet {
                let done = if engine.push {
                    "pushed"
                } else {
                    "written to a file"
                };
                writeln!(ui.err(), "no Docker daemon answers: the image is made on this machine and {done} (--engine docker insists)").map_err(Error::io("cannot write to stderr"))?;
            }
            Ok(None)
        }
        reached => Ok(Some(reached?)),
    }
}

/// The daemon that is given an image which slimbuild makes itself, where that is asked for.
pub(super) fn loader(
    engine: &EngineArgs,
    daemon: Option<&str>,
    env: &Env,
) -> Result<Option<Docker>, Error> {
    if !engine.load {
        return Ok(None);
    }
    Ok(Some(Docker::reach(&host::resolve(env, daemon)?)?))
}
