//! The interface of engines: a Docker daemon, a BuildKit on any machine, or slimbuild itself.

use std::path::Path;

use super::again::Patience;
use super::buildkit::BuildkitDriver;
use super::docker::DockerDriver;
use super::job::Job;
use super::native::NativeDriver;
use super::nodes::NodesDriver;
use super::outcome::Done;
use crate::cli::{EngineArg, EngineArgs};
use crate::commands::error::Error;
use crate::engine::buildkit::{Builder, Buildkit, Nodes, Share};
use crate::engine::docker::{Docker, EngineError};
use crate::engine::host::{self, Host};
use crate::model::image::{ImageRef, Platform};
use crate::plan::config::Base;
use crate::plan::{Engine, PlanOptions};
use crate::show::ui::Ui;
use crate::system::env::Env;

/// Makes images from plans.
pub(super) trait Driver {
    /// Fails for what it does not support, before anything is built.
    fn check(&self, job: &Job<'_>) -> Result<(), Error>;

    /// The platform of an image for which none is named, if it is not this machine's.
    fn platform(&self) -> Option<Platform> {
        None
    }

    /// The digest that the build will take for a base; `None` if it is not told in time, or by the
    /// build itself.
    fn base_digest(&self, job: &Job<'_>, base: &ImageRef) -> Option<String> {
        _ = (job, base);
        None
    }

    /// Makes the image, tries it if the job asks for that, and delivers it.
    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error>;
}

/// The engine of these arguments, before looking for a daemon. `auto` is Docker, unless the output
/// is a file or the base is one.
pub(super) fn engine(arg: EngineArg, args: &EngineArgs, options: &PlanOptions) -> Engine {
    if arg == EngineArg::Auto && !args.outputs.is_empty() {
        return Engine::Native;
    }
    arg.without_a_daemon(options)
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
    patience: Patience<'_>,
    ui: &mut Ui,
) -> Result<Option<Docker>, Error> {
    let host = host::resolve(env, host)?;
    match patience.retry(ui, |_| Ok(Docker::connect(&host)?)) {
        // A daemon that exists but refuses to work is for the user to fix: another engine would
        // hide that.
        Err(Error::Engine(error)) if is_dispensable(&error, arg, args, &host) => {
            let done = if args.push {
                "pushed"
            } else {
                "written to a file"
            };
            let note = format!(
                "no Docker daemon answers: the image is made on this machine and {done} (--engine docker insists)"
            );
            ui.note(&note)
                .map_err(Error::io("cannot write to stderr"))?;
            Ok(None)
        }
        reached => Ok(Some(reached?)),
    }
}

/// Whether slimbuild itself takes the place of a daemon that cannot be reached.
pub(super) fn is_dispensable(
    error: &EngineError,
    arg: EngineArg,
    args: &EngineArgs,
    host: &Host,
) -> bool {
    error.is_absence() && arg == EngineArg::Auto && host.is_default() && !args.load
}

/// Who works.
#[expect(clippy::large_enum_variant, reason = "a build has one")]
pub(super) enum Worker {
    /// A Docker daemon that answers.
    Daemon(Docker),
    /// A builder, of which the nodes that are needed answer. There is at least one.
    Builder(Vec<Share>),
    /// This process.
    Here,
}

impl Worker {
    /// A builder, once it answers.
    pub(super) fn builder(
        nodes: &Nodes,
        platforms: &[Platform],
        is_bound: bool,
        patience: Patience<'_>,
        ui: &mut Ui,
    ) -> Result<Self, Error> {
        let connect = |builder: &Builder| patience.retry(ui, |_| Ok(Buildkit::connect(builder)?));
        nodes
            .shares(platforms, is_bound, connect)
            .map(Self::Builder)
    }

    /// Who it is, and what named it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Daemon(docker) => format!("Docker {} at {}", docker.version(), docker.host()),
            Self::Builder(shares) => {
                let all = shares
                    .iter()
                    .map(|share| share.buildkit.builder().to_string());
                all.collect::<Vec<_>>().join(", ")
            }
            Self::Here => "slimbuild on this machine, without Docker".to_owned(),
        }
    }

    /// Why the plan's trial start cannot be a step there.
    pub(super) fn without_trial(&self) -> Option<String> {
        let runs = |share: &Share| share.buildkit.abilities().runs_steps_without_a_network();
        let (who, also) = match self {
            Self::Daemon(docker) if !docker.runs_steps_without_a_network() => (
                format!("Docker {}", docker.version()),
                " (`--smoke` starts it)",
            ),
            Self::Builder(shares) if !shares.iter().all(runs) => {
                ("a builder older than BuildKit 0.11".to_owned(), "")
            }
            _ => return None,
        };
        Some(format!(
            "the app is not started before the image gets its name: {who} cannot run a step without a network{also}"
        ))
    }

    /// The driver for it.
    pub(super) fn driver(
        self,
        args: &EngineArgs,
        host: Option<&str>,
        env: &Env,
        patience: Patience<'_>,
        ui: &mut Ui,
    ) -> Result<Box<dyn Driver>, Error> {
        let load = |ui: &mut Ui| -> Result<Option<Docker>, Error> {
            if !args.load {
                return Ok(None);
            }
            let host = host::resolve(env, host)?;
            let reached = patience.retry(ui, |_| Ok(Docker::reach(&host)?));
            reached.map(Some)
        };
        Ok(match self {
            Self::Daemon(docker) => {
                let builder = Builder::of_daemon(docker.host());
                let buildkit = patience.retry(ui, |_| Ok(Buildkit::connect(&builder)?))?;
                Box::new(DockerDriver { docker, buildkit })
            }
            Self::Builder(mut shares) => match shares.pop() {
                Some(Share { buildkit, .. }) if shares.is_empty() => Box::new(BuildkitDriver {
                    load: load(ui)?,
                    buildkit,
                }),
                last => {
                    shares.extend(last);
                    Box::new(NodesDriver { shares })
                }
            },
            Self::Here => {
                if let Some(flag) = args.builder.first_for_buildkit() {
                    return Err(Error::Usage {
                        message: format!(
                            "`{flag}` is for BuildKit, and the image is made on this machine"
                        ),
                        hint: Some("leave it out, start Docker, or name a builder with `--builder tcp://HOST:PORT`".to_owned()),
                    });
                }
                Box::new(NativeDriver { load: load(ui)? })
            }
        })
    }
}

/// The builder that `--builder`, `BUILDKIT_HOST` or `BUILDX_BUILDER` names. A variable only stands for
/// the flag where nothing else names an engine.
pub(super) fn builder(
    arg: EngineArg,
    args: &EngineArgs,
    host: Option<&str>,
    cwd: &Path,
    env: &Env,
) -> Result<Option<Nodes>, Error> {
    let usage = |message: String, hint: &str| {
        Err(Error::Usage {
            message,
            hint: Some(hint.to_owned()),
        })
    };
    let flags = &args.builder;
    if let (Some(_), EngineArg::Docker | EngineArg::Native) = (&flags.builder, arg) {
        let engine = if arg == EngineArg::Docker {
            "docker"
        } else {
            "native"
        };
        return usage(
            format!("`--builder` and `--engine {engine}` name two engines"),
            "leave one of them out",
        );
    }
    if flags.builder.is_some() && host.is_some() && !args.load {
        return usage(
            "`--builder` builds, and nothing is done with the Docker daemon of `--host`".to_owned(),
            "leave one of them out, or add `--load` to load the image into that daemon",
        );
    }
    let variable = |variable: &'static str| {
        let named = env.get(variable).filter(|text| !text.is_empty())?;
        (arg == EngineArg::Auto && (host.is_none() || args.load)).then_some((named, variable))
    };
    let flag = flags.builder.as_deref().map(|text| (text, "--builder"));
    let Some((text, origin)) = flag.or_else(|| variable("BUILDKIT_HOST")) else {
        if let Some((name, _)) = variable("BUILDX_BUILDER") {
            return Ok(Builder::of_variable(name, env)?);
        }
        return match flags.builder_tls {
            Some(_) => usage(
                "`--builder-tls` is for a builder, and none is named".to_owned(),
                "name one with `--builder tcp://HOST:PORT`",
            ),
            None => Ok(None),
        };
    };
    let certificates = flags.builder_tls.as_ref().map(|files| files.below(cwd));
    let builder = Builder::named(text, origin, certificates, env)?;
    Ok(Some(builder))
}
