//! `slimbuild hash`: the identity of an app's image.

use clap::Args;

use super::PlanArgs;

/// `slimbuild hash`
#[derive(Debug, Args)]
#[command(after_long_help = "\
The identity is equal on every machine and in every directory. It differs where anything differs that reaches the
image: files, packages of the lockfile, tasks, settings, base images by name (with --pin: by digest), platform,
values of build arguments. Times, --label and the values of secrets are no part of it. Images that Docker makes from
sources have it as the label dev.slimbuild.identity.

Examples:
  slimbuild hash apps/server              one digest
  slimbuild hash apps/server apps/web     a line for each
  slimbuild hash --all --json             all apps, with every input")]
pub struct HashArgs {
    /// The apps: directories (apps/server) or package names; without one, the app around the working directory
    #[arg(value_name = "APP")]
    pub apps: Vec<String>,

    /// All apps that `slimbuild ls` lists and that can be built
    #[arg(long, conflicts_with = "apps")]
    pub all: bool,

    /// Print the digests of all inputs as JSON
    #[arg(long)]
    pub json: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub plan: PlanArgs,
}
