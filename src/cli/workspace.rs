//! The commands about the whole workspace: its graph, its apps, an initial configuration.

use clap::{Args, ValueEnum};

use super::AppArg;
use crate::show::report::Notation;

/// `slimbuild ls`
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,
}

/// `slimbuild init`
#[derive(Debug, Args)]
pub struct InitArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Replace an existing file
    #[arg(long)]
    pub force: bool,
}

/// `slimbuild why`
#[derive(Debug, Args)]
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
