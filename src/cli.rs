//! The command line. Only this room uses clap; it turns arguments into the options of each command.

mod apps;
mod base;
mod bill;
mod builder;
mod cache;
mod ci;
mod completions;
mod engine;
mod hash;
mod index;
mod parse;
mod pipeline;
mod plan;
mod print;
mod promote;
mod prune;
mod rebase;
mod schema;
mod size;
mod smoke;
mod values;
mod workspace;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use apps::{AppsArg, Named, QueueArgs};
pub use base::{BaseArgs, SourceArgs};
pub use bill::{LicensesArgs, MachineArgs, SbomArgs, SbomFormat};
pub use builder::BuilderArgs;
pub use cache::{CacheArgs, CacheCommand, CacheDuArgs, CachePruneArgs, CacheSize};
pub use ci::{CiArgs, CiCommand, MatrixArgs};
pub use completions::{CompletionsArgs, VARIABLE, complete, manual, registration};
pub use engine::{EngineArg, EngineArgs};
pub use hash::HashArgs;
pub use index::IndexArgs;
pub use parse::{ParseError, color, is_command_name, meant_command, wants_json};
pub use pipeline::{CiArg, PipelineArgs};
pub use plan::PlanArgs;
pub use print::PrintArg;
pub use promote::{PromoteArgs, Target};
pub use prune::PruneArgs;
pub use rebase::RebaseArgs;
pub use schema::{SchemaArg, SchemaArgs};
pub use size::{DiffArgs, LookArgs, SizeArgs};
pub use smoke::SmokeArgs;
use values::tag_template;
pub use values::{BuildArg, SecretArg, SecretSource, SshArg};
pub use workspace::{AffectedArgs, GraphArgs, InitArgs, LsArgs, WhyArgs};

use crate::model::tag::TagTemplate;
use crate::show::progress::ProgressMode;

/// What the help of a build ends with.
const EXAMPLES: &str = "\
Examples:
  slimbuild ls                                list the apps
  slimbuild plan apps/server                  show every decision
  slimbuild apps/server                       build the image `server:latest`
  slimbuild apps/server -t shop/server:1.2    … under another name
  slimbuild apps/server --dry-run             print the Dockerfile, touch nothing
  slimbuild apps/server apps/worker           build both in one run
  slimbuild --all                             … every app that `slimbuild ls` lists
  docker run --rm $(slimbuild apps/server -q) build and run

Exit codes: 0 done · 1 the workspace or its configuration is wrong · 2 bad arguments
            3 no engine reached · 4 the image build failed, or the image does not come up
            5 the image is larger than its budget, or a licence is not allowed
            75 a service was unavailable: the same may succeed later · 130 interrupted
            Of several apps the worst counts: 4, 1, 2, 3, 5, and 75 if no other";

/// Turns one app of a pnpm/Turborepo monorepo into a slim Docker image that boots.
#[derive(Debug, Parser)]
#[command(
    name = "slimbuild",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    max_term_width = 100,
    after_long_help = EXAMPLES
)]
pub struct Cli {
    /// Run as if started in DIR
    #[arg(
        short = 'C',
        value_name = "DIR",
        global = true,
        help_heading = "All commands"
    )]
    pub directory: Option<PathBuf>,

    /// Print no warnings and no progress; errors are printed
    #[arg(short, long, global = true, help_heading = "All commands")]
    pub quiet: bool,

    /// Show what is decided, and every request
    ///
    /// A request is one to a registry, npm, a mirror, a Docker daemon or a builder: its method, address, status and time. No credential is
    /// shown. A build shows its plan too, as `slimbuild plan` does
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "quiet",
        hide_short_help = true,
        help_heading = "All commands"
    )]
    pub verbose: bool,

    /// Colour messages: auto, always, never
    ///
    /// auto is the default: colours on a terminal, unless the variable `NO_COLOR` is set
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        global = true,
        hide_short_help = true,
        help_heading = "All commands"
    )]
    pub color: ColorArg,

    /// What to do; without a command, an image is built
    #[command(subcommand)]
    pub command: Option<Command>,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub build: BuildArgs,
}

/// When messages have colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an app's image (what `slimbuild APP` does)
    #[command(after_long_help = EXAMPLES)]
    Build(Box<BuildArgs>),
    /// Show every decision about an app's image, with its reason
    Plan(PlanCommandArgs),
    /// Print the Dockerfile
    Dockerfile(DockerfileArgs),
    /// Write the build context, with the Dockerfile: everything that Docker gets
    Context(ContextArgs),
    /// Write the part of the workspace that apps need, for a Dockerfile of your own
    Prune(PruneArgs),
    /// Show why an app has a package, by the shortest chains of dependencies
    Why(WhyArgs),
    /// Show the workspace's packages and who depends on whom
    Graph(GraphArgs),
    /// List the apps, and what each of them is
    Ls(LsArgs),
    /// Print the identity of an app's image: a digest over all that reaches it
    Hash(HashArgs),
    /// Print the list of what an app ships (SBOM)
    Sbom(SbomArgs),
    /// List the licences of what an app ships
    Licenses(LicensesArgs),
    /// Print documents for pipelines
    Ci(CiArgs),
    /// Show what is in an image: its bytes by layer and by package
    Size(SizeArgs),
    /// Show what differs between two images
    Diff(DiffArgs),
    /// Write a slimbuild.json with what was detected, as comments
    Init(InitArgs),
    /// Make the built-in base image, without a daemon or a registry, and show what is in it
    Base(BaseArgs),
    /// Join images that different machines have pushed into one index for several platforms
    Index(IndexArgs),
    /// Give images in a registry another tag, for a release or a rollback; nothing is built or sent
    Promote(PromoteArgs),
    /// Put images in a registry on a new base, without a build, for security fixes
    Rebase(RebaseArgs),
    /// Show or clear the cache that builds without Docker use
    Cache(CacheArgs),
    /// Print a JSON Schema: of slimbuild.json, or of a document that slimbuild prints
    Schema(SchemaArgs),
    /// Print a script that completes commands, options and apps in a shell
    Completions(CompletionsArgs),
    /// Print the version
    Version,
    /// Print the manual page of slimbuild, or of one command
    #[command(hide = true)]
    Man {
        /// The command
        command: Option<String>,
    },
    /// Mount the layers of an image: slimbuild starts itself so, in namespaces
    #[command(name = "__mount", hide = true)]
    Mount {
        /// The layers, the highest first, as `0:1:2`
        layers: String,
        /// Paths of the image that may be written to
        writable: Vec<String>,
    },
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

/// `slimbuild [build]`
#[derive(Debug, Args)]
pub struct BuildArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppsArg,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub queue: QueueArgs,

    /// Name the image
    ///
    /// The default is the package's name without its scope. Facts may stand in it: {app} is that default name, {name} the package's name as
    /// a path, {version} its version, {hash} what `slimbuild hash` prints; {git.sha}, {git.short}, {git.branch}, {date}; {registry} and {image}
    /// of slimbuild.json. May be repeated
    #[arg(short, long = "tag", value_name = "NAME[:TAG]", value_parser = tag_template)]
    pub tags: Vec<TagTemplate>,

    /// Print the Dockerfile and a summary; build nothing
    ///
    /// The Dockerfile (with --engine native: the plan) goes to stdout, the summary to stderr. Docker is not touched
    #[arg(long)]
    pub dry_run: bool,

    /// Print on stdout: name, digest, reference, id
    ///
    /// name is the default: the image's name, or the file that it was written to. reference is NAME@sha256:…, and id is what a Docker daemon
    /// shows
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        hide_short_help = true
    )]
    pub print: PrintArg,

    /// Show progress as: auto, tty, plain, json, quiet
    #[arg(
        long,
        value_name = "MODE",
        default_value_t,
        conflicts_with = "quiet",
        hide_short_help = true
    )]
    pub progress: ProgressMode,

    /// Write the image's id, size and names to FILE, as JSON
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub metadata_file: Option<PathBuf>,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub pipeline: PipelineArgs,

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
#[command(after_long_help = "\
Examples:
  slimbuild plan apps/server                    why is each package in the image?
  slimbuild plan apps/server --base slim        what would this option change?
  slimbuild plan apps/server --engine native    the plan without Docker
  slimbuild plan apps/server --json             for programs")]
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
#[command(after_long_help = "\
Examples:
  slimbuild dockerfile apps/server      review it
  slimbuild dockerfile --template       the template that it is made of")]
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
#[command(after_long_help = "\
Examples:
  slimbuild context apps/server -o ctx.tar      then: docker build - < ctx.tar
  slimbuild context apps/server -o ctx          as a directory
  slimbuild context apps/server -o - | tar t    list the files")]
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
