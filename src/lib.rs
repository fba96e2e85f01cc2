//! slimbuild turns one app of a pnpm/Turborepo monorepo into a slim Docker image that boots.
//!
//! Data flows one way; each arrow is a plain value that can be printed, compared and tested:
//!
//! ```text
//! flags, slimbuild.json, the engine ─► PlanOptions                                  cli, plan::config
//! package.json, pnpm-workspace.yaml, turbo.json, pnpm-lock.yaml ─► Workspace        workspace (manifest, pnpmfile, javascript, git, toolchain), lockfile
//! Workspace ─► Survey: lockfiles, Graph ─► closures (build, runtime), tasks in order   needs (survey, graph, closure, spared, tasks)
//! lockfile, manifests, settings ─► would pnpm take them as they are?                 needs::frozen
//! files of the closures ─► roles; kind and start of the app                         files (forbidden, ignore), detect, plan::sources
//! all of it ─► Plan                                                                 plan
//! Plan, a tree that is installed and built ─► finished files                         finished (prebuilt, modules)
//! Plan ─► Dockerfile text                                                           render::dockerfile, plan::template, templates/
//! Plan ─► context tar, streamed                                                     render::context
//! Plan, contents ─► Identity; two of them ─► is the app affected, and by what?       render::identity, workspace::history, ask::affected
//! both ─► driver of an engine ─► events ─► progress, then the report                 commands::build, engine, show (downloads, progress, events, ci, report, metadata)
//! Identity ─► an image that is there already, which only gets its names              commands::build (unchanged), commands::promote, engine::registry
//! several apps ─► a queue ─► news of each ─► one view of all                         ask::selection, commands::build, show (seat, board)
//! the image ─► proof, trial start (templates/verify.mjs, trial.mjs), smoke test      plan::verify, plan::smoke, engine
//! ```
//!
//! Images are made without a daemon too:
//!
//! ```text
//! Debian's packages, npm's node ─► base ─► Layers ─┐                                  image::base, store::fetch
//! a registry, an image on the disk ─► Image ───────┤                                  engine::registry, image::oci
//! Plan, finished files ─► Layers ──────────────────┤                                  finished::assemble
//! Layer: paths, and where contents come from ──────┴─► blobs ─► Image ─► archive      image (layer, oci), store::cache
//!                                                                ├───► a registry    engine::registry
//! Image, unpacked ─► does it run? can it load its machine code? ─┘                    engine::native, image::machine
//!
//! an image, its base, another base ─► the same app on that base                        image (rebase, foundation), commands::rebase
//! an image of anybody, read ─► Contents ─► Size; of two: Difference ─► text, a page   image::contents, ask::size, show (report, page)
//! ```
//!
//! The folders of `src/` are rooms. They have a fixed order, and none uses a later one: [`system`],
//! [`model`], [`files`], [`lockfile`], [`workspace`], [`needs`], [`detect`], [`plan`], [`store`],
//! [`image`], [`render`], [`finished`], [`engine`], [`ask`], [`show`], [`cli`], [`commands`]. The
//! head of each room states its input and output.
//!
//! Files of the workspace are opened beneath its root by [`files::tree`]. Files of an image from
//! elsewhere are read and written beneath their own root by [`files::rooted`].
//!
//! Secrets are handled at the bottom: [`system::credential`] recognises credentials, and
//! [`system::mask`] removes the values of secrets from everything that is shown. What must not stay
//! behind is noted in [`system::leftovers`], and a signal removes it. Work directories come from
//! [`system::workdir`]. A step of a native build has a keeper (`engine::native`), which ends
//! everything that the step started.
//!
//! From the same closures, [`ask`] gives answers that need no image: a pruned workspace for a
//! user's own Dockerfile ([`ask::pruned`]), the chains that pull in a package ([`ask::why`]), the
//! graph of members ([`ask::overview`]), the list of what an app ships ([`ask::sbom`]) and its licences
//! ([`ask::licences`], and [`ask::policy`] for those that are allowed), the list of apps ([`ask::listing`]), which of them a user's
//! words mean ([`ask::selection`]) or a change affects ([`ask::affected`]), an initial configuration
//! file ([`ask::starter`]), and scripts and tasks for turbo ([`ask::turbo_task`]). `fuzzing` lists
//! the properties that hold for any input,
//! for tests and the fuzzer.
//!
//! **The [`Plan`](plan::Plan) is the product.** Everything before it is pure and decides;
//! everything after it executes and decides nothing. Nothing after `plan` imports manifests, graph
//! or lockfile. Nothing below `commands` knows the command line, the terminal, the environment or
//! the working directory. Async code exists in `engine` alone. A test checks this by reading the
//! `use crate::` lines.
//!
//! Terms: an *app* is a workspace package that an image is made of, a *member* any workspace
//! package, the *root* the workspace root's project. The root may be an app too, and is the only
//! member of a repository with one package. A *closure* is everything reachable, to *prune* is to
//! remove the rest, a *skeleton* is a manifest reduced to what an install reads. Plan, stage, step,
//! layer, context and engine have BuildKit's meaning; importer, snapshot and depPath have pnpm's.

mod ask;
mod cli;
mod commands;
mod detect;
mod engine;
mod files;
mod finished;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod image;
mod lockfile;
mod model;
mod needs;
mod plan;
mod render;
mod show;
mod store;
mod system;
#[cfg(test)]
mod testing;
mod workspace;

use std::ffi::OsString;
use std::path::Path;

pub use crate::commands::error::ExitCode;
pub use crate::engine::interrupt::{handle_panics, handle_signals};
pub use crate::engine::native::keeper;
pub use crate::show::ui::Ui;
pub use crate::system::env::Env;

use crate::cli::{Cli, ColorArg, Command, ParseError};
use crate::commands::error::Error;
use crate::commands::{AppChoice, Format};
use crate::engine::docker::EngineError;
use crate::engine::interrupt;
use crate::show::ui::Volume;
use crate::system::trail;

/// What tests and benches use below the command line. It may change at any time.
#[doc(hidden)]
pub mod internals {
    pub use crate::ask::listing::Listing;
    pub use crate::ask::pruned::{self, PruneOptions, Pruned, Scope};
    pub use crate::detect::native::{NativePackage, Natives, Target};
    pub use crate::engine::buildkit::{BuildRequest, Builder, Buildkit, Export};
    pub use crate::engine::docker::Docker;
    pub use crate::engine::host::{self, Address};
    pub use crate::engine::native::{Outside, available};
    pub use crate::engine::registry::{Named, Registries, Trust, questions};
    pub use crate::engine::{Interrupt, Logins};
    pub use crate::files::ignore::{Reason, Rules, Verdict};
    pub use crate::lockfile::{LockfileError, Lockfiles, Texts};
    pub use crate::model::digest::Digest;
    pub use crate::model::image::ImageRef;
    pub use crate::model::member::MemberId;
    pub use crate::model::path::RepoPath;
    pub use crate::needs::closure::Closure;
    pub use crate::needs::frozen;
    pub use crate::needs::graph::Graph;
    pub use crate::needs::spared::Tools;
    pub use crate::needs::tasks::{Because, Tasks};
    pub use crate::plan::{Plan, PlanOptions};
    pub use crate::render::dockerfile;
    pub use crate::show::progress::{Progress, ProgressMode};
    pub use crate::store::cache::Cache;
    pub use crate::store::fetch::{Patience, Proxies};
    pub use crate::workspace::{Workspace, toolchain};
}

/// Runs the program with the arguments, the working directory, the environment and the output
/// streams.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    cwd: &Path,
    env: &Env,
    ui: &mut Ui,
) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(shell) = env.get(cli::VARIABLE) {
        let done = commands::completions::answer(shell, args, cwd, ui);
        ui.flush();
        return done.map_or_else(|error| error.exit_code(), |()| ExitCode::Success);
    }
    // Errors in the arguments are events too.
    ui.set_json(cli::wants_json(&args));
    match cli::color(&args) {
        ColorArg::Auto => {}
        color => ui.set_color(color == ColorArg::Always),
    }
    let code = match Cli::from_args(args) {
        Ok(cli) => {
            ui.set_volume(match (cli.quiet, cli.verbose) {
                (true, _) => Volume::Quiet,
                (_, true) => Volume::Verbose,
                _ => Volume::Normal,
            });
            let _kept = cli.verbose.then(trail::keep);
            let words = match &cli.command {
                None => cli.build.app.apps.clone(),
                Some(_) => Vec::new(),
            };
            let code = ended(dispatch(cli, cwd, env, ui), &words, ui);
            // What was asked for last.
            ui.trail();
            code
        }
        Err(ParseError::Wrong { message, hint }) => {
            let code = ExitCode::Usage;
            ui.error(&ui.fault(&Error::usage(message), Some(&hint), code as u8));
            code
        }
        Err(ParseError::Clap(error)) => {
            ui.clap(&error);
            if error.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Success
            }
        }
    };
    ui.flush();
    code
}

/// Reports how a command ended. `words` are the apps of `slimbuild APP…`, of which the first may be a
/// misspelt command.
fn ended(done: Result<(), Error>, words: &[String], ui: &mut Ui) -> ExitCode {
    system::leftovers::wait_if_ending();
    match done {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            let signal = interrupt::signalled().and_then(ExitCode::of_signal);
            if let Some(code) = signal {
                // The signal caused the error, so there is nothing else to report.
                ui.error(&ui.fault(&EngineError::Interrupted, None, code as u8));
                return code;
            }
            let (mut code, mut hint) = (error.exit_code(), error.hint());
            if let Some(meant) = meant(words).filter(|_| error.may_mean_a_command()) {
                let similar = similar_apps(hint.as_deref());
                if meant.is_certain(similar) {
                    code = ExitCode::Usage;
                }
                hint = Some(meant.hint(similar));
            }
            if code != ExitCode::Success {
                let fault = ui.fault(&error, hint.as_deref(), code as u8);
                let fault = ui.fault_at(fault, error.places());
                if !matches!(error, Error::Apps { .. }) {
                    ui.annotate(None, &fault);
                }
                ui.error(&fault);
            }
            code
        }
    }
}

/// A command among words that should be apps.
enum Meant {
    /// The first word looks like the name of a command: this whole line.
    Misspelt(String),
    /// A later word is one.
    Late(String),
}

/// The command that is meant by the words of `slimbuild APP…`, if they look so.
fn meant(words: &[String]) -> Option<Meant> {
    let (first, rest) = words.split_first()?;
    let line = |command: &str, rest: &[String]| {
        let words = std::iter::once(command).chain(rest.iter().map(String::as_str));
        words.collect::<Vec<_>>().join(" ")
    };
    if let Some(at) = rest.iter().position(|word| cli::is_command_name(word)) {
        let mut others = words.to_vec();
        let command = others.remove(at + 1);
        return Some(Meant::Late(line(&command, &others)));
    }
    let command = cli::meant_command(first)?;
    Some(Meant::Misspelt(line(&command, rest)))
}

/// The apps that the hint for an app that is not there names, because they are called nearly so.
fn similar_apps(hint: Option<&str>) -> Option<&str> {
    hint?.strip_prefix("did you mean ")?.strip_suffix('?')
}

impl Meant {
    /// Whether it can only be a command, so that the arguments are wrong and not the workspace.
    fn is_certain(&self, similar_apps: Option<&str>) -> bool {
        matches!(self, Self::Late(_)) || similar_apps.is_none()
    }

    /// The hint for an app that is not there.
    fn hint(&self, similar_apps: Option<&str>) -> String {
        match (self, similar_apps) {
            (Self::Late(line), _) => format!("commands come first: `slimbuild {line}`"),
            (Self::Misspelt(line), Some(apps)) => {
                format!("did you mean {apps}, or the command `slimbuild {line}`?")
            }
            (Self::Misspelt(line), None) => {
                format!("did you mean the command `slimbuild {line}`?")
            }
        }
    }
}

fn dispatch(cli: Cli, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    // Printed paths are relative to the user's directory.
    let here = cwd;
    let cwd = cli
        .directory
        .map_or_else(|| cwd.to_path_buf(), |directory| cwd.join(directory));
    let place = |app: Option<String>| AppChoice { cwd: &cwd, app };
    match cli.command.unwrap_or(Command::Build(Box::new(cli.build))) {
        Command::Build(args) => commands::build::run(*args, cli.quiet, &cwd, here, env, ui),
        Command::Plan(args) => {
            let place = place(args.app.app);
            commands::plan::run(&place, args.plan, format(args.json), env, ui)
        }
        Command::Dockerfile(args) if args.template => commands::dockerfile::template(ui),
        Command::Dockerfile(args) => {
            commands::dockerfile::run(&place(args.app.app), args.plan, env, ui)
        }
        Command::Context(args) => {
            let place = place(args.app.app);
            commands::context::run(&place, args.plan, &args.output, env, ui)
        }
        Command::Graph(args) => commands::graph::run(&place(args.app.app), args.format.into(), ui),
        Command::Why(args) => {
            let place = place(Some(args.app));
            commands::why::run(&place, &args.package, format(args.json), ui)
        }
        Command::Ls(args) => commands::ls::run(&args, &cwd, env, ui),
        Command::Hash(args) => commands::hash::run(args, &cwd, env, ui),
        Command::Sbom(args) => commands::bill::sbom(args, &cwd, env, ui),
        Command::Licenses(args) => commands::bill::licenses(&args, &cwd, ui),
        Command::Ci(args) => commands::ci::run(&args, &cwd, env, ui),
        Command::Init(args) => {
            commands::init::run(&place(args.app.app), args.force, args.turbo, ui)
        }
        Command::Size(args) => commands::size::run(&args, &cwd, env, ui),
        Command::Diff(args) => commands::diff::run(&args, &cwd, env, ui),
        Command::Base(args) => commands::base::run(args, &cwd, env, ui),
        Command::Cache(args) => commands::cache::run(args, &cwd, env, ui),
        Command::Promote(args) => commands::promote::run(&args, &cwd, env, ui),
        Command::Rebase(args) => commands::rebase::run(&args, &cwd, env, ui),
        Command::Index(args) => commands::index::run(&args, env, ui),
        Command::Schema(args) => commands::schema::run(args.name, ui),
        Command::Completions(args) => commands::completions::run(&args, ui),
        Command::Version => commands::version(ui),
        Command::Man { command } => commands::completions::manual(command.as_deref(), ui),
        Command::Mount { layers, writable } => commands::enter::mount(&cwd, &layers, &writable),
        Command::Enter { start } => commands::enter::run(&cwd.join(start), ui),
        Command::Prune(args) => {
            let apps = [args.scope, args.apps].concat();
            commands::prune::run(&apps, &args.out, args.options.into(), &cwd, ui)
        }
    }
}

fn format(json: bool) -> Format {
    if json { Format::Json } else { Format::Text }
}
