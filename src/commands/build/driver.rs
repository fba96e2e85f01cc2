//! The interface of engines: a Docker daemon, or slimbuild itself.

use super::docker::DockerDriver;
use super::job::Job;
use super::native::NativeDriver;
use super::outcome::Done;
use crate::cli::{EngineArg, EngineArgs};
use crate::commands::error::Error;
use crate::engine::docker::Docker;
use crate::engine::host;
use crate::plan::config::Base;
use crate::plan::{Engine, PlanOptions};
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::system::env::Env;

/// Makes images from plans.
pub(super) trait Driver {
    /// Fails for what it does not support, before anything is built.
    fn check(&self, job: &Job<'_>) -> Result<(), Error>;

    /// Makes the image, tries it if the job asks for that, and delivers it.
    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error>;
}

/// The engine of these arguments, before looking for a daemon. `auto` is Docker, unless the output
/// is a file or the base is one.
pub(super) fn engine(
    arg: EngineArg,
    args: &EngineArgs,
    options: &PlanOptions,
) -> Result<Engine, Error> {
    match (arg, args.outputs.first()) {
        (EngineArg::Docker, Some(output)) => Err(Error::Usage {
            message:
                "the image of a Docker daemon stays there: `--output` is for `--engine native`"
                    .to_owned(),
            hint: Some(format!(
                "leave one of them out, or write it with `docker save --output {}`",
                output.path().display()
            )),
        }),
        (EngineArg::Auto, Some(_)) => Ok(Engine::Native),
        _ => Ok(arg.without_a_daemon(options)),
    }
}

impl EngineArg {
    /// The engine if no daemon is looked for.
    pub(in crate::commands) fn without_a_daemon(self, options: &PlanOptions) -> Engine {
        let base = options.base.as_ref().map(|base| &base.value);
        match self {
            Self::Native => Engine::Native,
            Self::Auto if matches!(base, Some(Base::Disk(_))) => Engine::Native,
            Self::Auto | Self::Docker => Engine::Docker,
        }
    }
}

/// Connects to the daemon; `None` if there is none and none is required.
pub(super) fn daemon(
    arg: EngineArg,
    args: &EngineArgs,
    host: Option<&str>,
    env: &Env,
    mode: ProgressMode,
    ui: &mut Ui,
) -> Result<Option<Docker>, Error> {
    let host = host::resolve(env, host)?;
    match Docker::connect(&host) {
        // A daemon that exists but refuses to work is for the user to fix: another engine would
        // hide that.
        Err(error)
            if error.is_absence() && arg == EngineArg::Auto && host.is_default() && !args.load =>
        {
            if mode != ProgressMode::Quiet {
                let done = if args.push {
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

/// The driver of an engine. `daemon` is the connected one.
pub(super) fn driver(
    daemon: Option<Docker>,
    args: &EngineArgs,
    host: Option<&str>,
    env: &Env,
) -> Result<Box<dyn Driver>, Error> {
    if let Some(docker) = daemon {
        return Ok(Box::new(DockerDriver { docker }));
    }
    let load = if args.load {
        Some(Docker::reach(&host::resolve(env, host)?)?)
    } else {
        None
    };
    Ok(Box::new(NativeDriver { load }))
}
