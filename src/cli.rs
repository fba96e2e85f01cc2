//! The command line. Only this room uses clap; it turns arguments into the options of each command.

mod base;
mod builder;
mod cache;
mod engine;
mod print;
mod prune;
mod smoke;
mod values;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use base::{BaseArgs, SourceArgs};
pub use builder::BuilderArgs;
pub use cache::{CacheArgs, CacheCommand, CacheDuArgs, CachePruneArgs, CacheSize};
pub use engine::{EngineArg, EngineArgs};
pub use print::PrintArg;
pub use prune::PruneArgs;
pub use smoke::SmokeArgs;
pub use values::{BuildArg, SecretArg, SecretSource};
use values::{SecretParser, distinct, entry, tag};
pub use workspace::{GraphArgs, InitArgs, LsArgs, WhyArgs};

use crate::detect::AppKind;
use crate::model::image::{ImageRef, Platform};
use crate::plan::PlanOptions;
use crate::plan::config::{Base, Given, Mirror, NodeArguments, Proof, insecure_registry};
use crate::show::progress::ProgressMode;

/// Turns one app of a pnpm/Turborepo monorepo into a slim Docker image that boots.
#[derive(Debug, Parser)]
#[command(
    name = "slimbuild",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Examples:
  slimbuild apps/server                       build the image `server:latest`
  slimbuild apps/server -t shop/server:1.2    … under another name
  slimbuild apps/server --dry-run             print the Dockerfile, touch nothing
  docker run --rm $(slimbuild apps/server -q) build and run

Exit codes: 0 done · 1 the workspace or its configuration is wrong · 2 bad arguments
            3 no engine reached · 4 the image build failed, or the image does not come up
            75 a service was unavailable, also after three retries: the same may succeed later · 130 interrupted"
)]
pub struct Cli {
    /// Run as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,

    /// What to do; without a command, an image is built
    #[command(subcommand)]
    pub command: Option<Command>,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub build: BuildArgs,
}

impl Cli {
    /// Parses the arguments.
    ///
    /// Because `build`'s options are also accepted at the top level, clap takes no option before a
    /// subcommand. By custom (git, make, pnpm) `-C DIR` comes first, so it is moved after the
    /// subcommand.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut args: Vec<OsString> = args.into_iter().collect();
        let leads = args
            .get(1)
            .and_then(|arg| arg.to_str())
            .is_some_and(|arg| arg.starts_with("-C"));
        let length = if args.get(1).is_some_and(|arg| arg == "-C") {
            2
        } else {
            1
        };
        if leads && args.len() > length + 1 {
            let moved: Vec<OsString> = args.drain(1..=length).collect();
            let end = args
                .iter()
                .position(|arg| arg == "--")
                .unwrap_or(args.len());
            args.splice(end..end, moved);
        }
        Self::try_parse_from(args).map_err(one_app)
    }
}

/// Explains a second app, which clap reports as a command in the wrong place.
fn one_app(error: clap::Error) -> clap::Error {
    let text = error.to_string();
    let second = text
        .strip_prefix("error: the subcommand '")
        .and_then(|rest| rest.split('\'').next());
    match (error.kind(), second) {
        (ErrorKind::ArgumentConflict, Some(second)) => {
            let message = format!(
                "unexpected `{second}`: one app is built at a time, and commands come first\n"
            );
            clap::Error::raw(ErrorKind::UnknownArgument, message)
        }
        _ => error,
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an app's image (what `slimbuild APP` does)
    Build(Box<BuildArgs>),
    /// Show every decision about an app's image, with its reason
    Plan(PlanCommandArgs),
    /// Print the Dockerfile
    Dockerfile(DockerfileArgs),
    /// Write the build context, with the Dockerfile: everything that Docker gets
    Context(ContextArgs),
    /// Write the part of the workspace that apps need, for a Dockerfile of your own (as `turbo prune --docker`)
    Prune(PruneArgs),
    /// Show why an app has a package: the shortest chains of dependencies that lead to it
    Why(WhyArgs),
    /// Show the workspace's packages and who depends on whom
    Graph(GraphArgs),
    /// List the apps: what each is, how much it needs, whether it needs a decision
    Ls(LsArgs),
    /// Write a slimbuild.json with what was detected, as comments
    Init(InitArgs),
    /// Make the built-in base image, without a daemon or a registry, and show what is in it
    Base(BaseArgs),
    /// Show or clear the cache that builds without Docker use
    Cache(CacheArgs),
    /// Print the JSON Schema of slimbuild.json
    Schema,
    /// Become the program of an image: slimbuild starts itself so, in namespaces
    #[command(name = "__enter", hide = true)]
    Enter {
        /// What to start
        start: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct AppArg {
    /// The app: its directory (apps/server, or . inside of it) or its package name
    #[arg(value_name = "APP")]
    pub app: Option<String>,
}

/// The options that affect the plan.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Args)]
#[command(next_help_heading = "Plan")]
pub struct PlanArgs {
    /// Start the image from: auto, distroless, slim, alpine, or an image that has node (for a site: nginx); without Docker, also from an
    /// image on disk (oci:DIR, oci-archive:FILE, docker-archive:FILE)
    /// [default: auto, which is distroless if the app needs no shell and no system package]
    #[arg(long, value_name = "BASE")]
    pub base: Option<Base>,

    /// Build in IMAGE instead of node:VERSION-slim; it needs node and npm
    #[arg(long, value_name = "IMAGE")]
    pub build_base: Option<ImageRef>,

    /// Pull the images that slimbuild picks from a mirror: node:22-slim becomes PREFIX/library/node:22-slim, gcr.io/… becomes
    /// PREFIX/gcr.io/…; with REGISTRY=, only images of that registry (gcr.io=PREFIX); may be repeated
    #[arg(long = "registry-mirror", value_name = "[REGISTRY=]PREFIX")]
    pub registry_mirrors: Vec<Mirror>,

    /// Use this registry without a verified connection: with any certificate, or without TLS; a Docker daemon has a list of its own.
    /// May be repeated
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]", value_parser = insecure_registry)]
    pub insecure_registries: Vec<String>,

    /// Pin base images by digest: the daemon's, or the registry's if the daemon has none (with build --pull: always the registry's)
    #[arg(long)]
    pub pin: bool,

    /// Use this Docker daemon instead of the one that Docker's command line would use
    #[arg(short = 'H', long, value_name = "URL", help_heading = "Engine")]
    pub host: Option<String>,

    /// Make the image with: auto, docker, native
    #[arg(
        long,
        value_name = "ENGINE",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        help_heading = "Engine"
    )]
    pub engine: EngineArg,

    /// Build for these platforms (linux/arm64; several, as in linux/amd64,linux/arm64, make one index)
    #[arg(
        long = "platform",
        value_name = "OS/ARCH,…",
        value_delimiter = ',',
        help_heading = "Engine"
    )]
    pub platforms: Vec<Platform>,

    /// Use this node: a line (22) or an exact version (22.11.0)
    #[arg(long, value_name = "VERSION")]
    pub node: Option<String>,

    /// The kind of app, if slimbuild cannot detect it
    #[arg(long, value_name = "KIND", value_enum)]
    pub kind: Option<KindArg>,

    /// Start this file, relative to the app (dist/main.js)
    #[arg(long, value_name = "FILE", value_parser = entry)]
    pub entry: Option<String>,

    /// Add these files to the build and the image, even if they are ignored; a glob relative to the workspace root
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,

    /// Leave these files out of the build and the image
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Take modules and outputs as they are on this machine; install and build nothing
    #[arg(long)]
    pub prebuilt: bool,

    /// Skip the trial start, and the proof that every file parses and everything it loads is there
    #[arg(long)]
    pub no_verify: bool,

    /// Skip the trial start: before the image gets its name, the app runs without a network until it listens, for at most 5 seconds, or 20 while it computes
    #[arg(long)]
    pub no_trial: bool,

    /// Keep files in modules that are not needed at run time: type declarations, source maps, documents, tests
    #[arg(long)]
    pub whole_modules: bool,

    /// Set a variable for the tasks that declare it in turbo.json; without a value, it is taken from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]", value_parser = BuildArg::parse)]
    pub build_args: Vec<BuildArg>,

    /// Give a secret to the steps that need it: from the variable NAME, from VAR, or from FILE; no layer contains it
    #[arg(long = "secret", value_name = "id=NAME[,env=VAR|,src=FILE]", value_parser = SecretParser)]
    pub secrets: Vec<SecretArg>,
}

impl From<PlanArgs> for PlanOptions {
    fn from(args: PlanArgs) -> Self {
        let PlanArgs {
            base,
            build_base,
            registry_mirrors,
            insecure_registries,
            pin: _,
            host: _,
            engine: _,
            platforms,
            node,
            kind,
            entry,
            include,
            exclude,
            prebuilt,
            no_verify,
            no_trial,
            whole_modules,
            build_args,
            secrets,
        } = args;
        // The plan does not contain their values.
        let given = |arg: BuildArg| (arg.name, Given::by_flag(None, "--build-arg"));
        Self {
            node: node.map(|node| Given::by_flag(node, "--node")),
            build_base: build_base.map(|image| Given::by_flag(image, "--build-base")),
            base: base.map(|base| Given::by_flag(base, "--base")),
            registry_mirrors: registry_mirrors
                .into_iter()
                .map(|mirror| Given::by_flag(mirror, "--registry-mirror"))
                .collect(),
            insecure_registries,
            kind: kind.map(|kind| Given::by_flag(kind.into(), "--kind")),
            start: entry.map(|file| {
                let start = NodeArguments {
                    file,
                    ..NodeArguments::default()
                };
                Given::by_flag(start, "--entry")
            }),
            include,
            exclude,
            platforms: distinct(platforms),
            prebuilt,
            proof: match (no_verify, no_trial) {
                (true, _) => Proof::None,
                (false, true) => Proof::Verified,
                (false, false) => Proof::Started,
            },
            whole_modules,
            build_args: build_args.into_iter().map(given).collect(),
            secrets: secrets
                .into_iter()
                .map(|secret| Given::by_flag(secret.id, "--secret"))
                .collect(),
            ..Self::default()
        }
    }
}

/// The kinds of app.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KindArg {
    /// A program that node runs: a server, a worker, a command
    Node,
    /// A Next.js app
    Next,
    /// Files that any web server can serve
    StaticSite,
    /// Pages that a framework renders on a server
    ServerRendering,
}

impl From<KindArg> for AppKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Node => Self::Node,
            KindArg::Next => Self::Next,
            KindArg::StaticSite => Self::StaticSite,
            KindArg::ServerRendering => Self::ServerRendering,
        }
    }
}

/// `slimbuild [build]`
#[derive(Debug, Args)]
pub struct BuildArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Name the image; may be repeated [default: the package's name without its scope]
    #[arg(short, long = "tag", value_name = "NAME[:TAG]", value_parser = tag)]
    pub tags: Vec<ImageRef>,

    /// Print the Dockerfile on stdout (with --engine native: the plan) and a summary on stderr; Docker is not touched
    #[arg(long)]
    pub dry_run: bool,

    /// Print nothing but the line on stdout, and the log of a step that fails
    #[arg(short, long)]
    pub quiet: bool,

    /// Print on stdout: name (a file's, if the image is written to one), digest, reference (NAME@sha256:…), id
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub print: PrintArg,

    /// Show progress as: auto, tty, plain, json, quiet
    #[arg(long, value_name = "MODE", default_value_t, conflicts_with = "quiet")]
    pub progress: ProgressMode,

    /// Write the image's id, size and names to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub metadata_file: Option<PathBuf>,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub plan: PlanArgs,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub smoke: SmokeArgs,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// `slimbuild plan`
#[derive(Debug, Args)]
pub struct PlanCommandArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// `slimbuild dockerfile`
#[derive(Debug, Args)]
pub struct DockerfileArgs {
    /// Print the template of the Dockerfile; a template of yours may replace its blocks
    #[arg(long)]
    pub template: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// `slimbuild context`
#[derive(Debug, Args)]
pub struct ContextArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Where to: a file (ctx.tar), a directory that does not exist yet or is empty, or - for stdout
    #[arg(short, long, value_name = "FILE|DIR|-")]
    pub output: PathBuf,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub plan: PlanArgs,
}

#[cfg(test)]
mod tests;
