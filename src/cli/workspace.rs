//! The commands about the whole workspace: its graph, its apps, an initial configuration.

use clap::{Args, ValueEnum};

use super::AppArg;
use crate::show::report::Notation;

/// `slimbuild ls`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  slimbuild ls                          of the workspace around the working directory
  slimbuild ls --json                   for programs
  slimbuild ls --affected               only what changed since the default branch, and why
  slimbuild ls --affected=HEAD~1 -q     since the commit before the last")]
pub struct LsArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub affected: AffectedArgs,

    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which apps to look at.
#[derive(Debug, Args)]
pub struct AffectedArgs {
    /// Only apps whose image changes since REF would change
    ///
    /// What counts is the commit at which REF and HEAD parted, and the files as they are now, committed or not. Without REF, the pipeline's
    /// variables name it (`TURBO_SCM_BASE`, or GitHub's or GitLab's own), else it is the default branch
    #[arg(
        long,
        value_name = "REF",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub affected: Option<String>,
}

/// `slimbuild init`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  slimbuild init apps/server    apps/server/slimbuild.json
  slimbuild init                slimbuild.json at the root, for all apps
  slimbuild init . --turbo      … and `turbo run image` builds the image of the app in this directory")]
pub struct InitArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Replace an existing file
    #[arg(long)]
    pub force: bool,

    /// Add the scripts and tasks with which `turbo run image` builds the image
    ///
    /// The scripts `image` and `image:prebuilt` go into the app's package.json, the tasks into turbo.json. Comments and layout stay, and so
    /// does what is there. What is added is shown
    #[arg(long)]
    pub turbo: bool,
}

/// `slimbuild why`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  slimbuild why apps/server fast-uri          by name
  slimbuild why apps/server fast-uri@3.1.0    one version
  slimbuild why apps/server packages/events   a package of the workspace")]
pub struct WhyArgs {
    /// The app: its directory (apps/server, or . inside of it) or its package name
    #[arg(value_name = "APP")]
    pub app: String,

    /// The package: its name, name@version, or the directory of a workspace package
    #[arg(value_name = "PACKAGE")]
    pub package: String,

    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `slimbuild graph`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  slimbuild graph                                     the whole workspace
  slimbuild graph apps/server --format mermaid        for Markdown
  slimbuild graph --format dot | dot -Tsvg > g.svg    for Graphviz")]
pub struct GraphArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Write it as
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: GraphFormat,
}

/// The notations of `slimbuild graph`.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum GraphFormat {
    /// A tree for the terminal
    #[default]
    Tree,
    /// For Graphviz
    Dot,
    /// For Markdown
    Mermaid,
    /// For programs
    Json,
}

impl From<GraphFormat> for Notation {
    fn from(format: GraphFormat) -> Self {
        match format {
            GraphFormat::Tree => Self::Tree,
            GraphFormat::Dot => Self::Dot,
            GraphFormat::Mermaid => Self::Mermaid,
            GraphFormat::Json => Self::Json,
        }
    }
}
