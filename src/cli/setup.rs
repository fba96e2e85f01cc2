//! The commands that get a workspace started.

use clap::Args;

use super::AppArg;

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

    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}
