//! The flags of the smoke test.

use std::path::PathBuf;

use clap::Args;

use super::values::{port, request_path};
use crate::plan::smoke::Port;

/// How the image is tried.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Smoke test")]
pub struct SmokeArgs {
    /// Start the image, and wait for its port or for an answer of PATH
    ///
    /// The image gets its name only after that
    #[arg(long, value_name = "PATH", num_args = 0..=1, value_parser = request_path, conflicts_with = "dry_run")]
    #[expect(
        clippy::option_option,
        reason = "clap's form of an option with an optional value"
    )]
    pub smoke: Option<Option<String>>,

    /// Set a variable in the smoke test's container, to VALUE or to its value here; may be repeated
    #[arg(
        short,
        long,
        value_name = "NAME[=VALUE]",
        requires = "smoke",
        conflicts_with = "dry_run",
        hide_short_help = true
    )]
    pub env: Vec<String>,

    /// Set the variables of FILE, in the form that `docker run --env-file` reads
    #[arg(
        long,
        value_name = "FILE",
        requires = "smoke",
        conflicts_with = "dry_run",
        hide_short_help = true
    )]
    pub env_file: Vec<PathBuf>,

    /// Connect to this port [default: the plan's, or else any that the app opens]; with none, the app only has to keep running
    #[arg(long, value_name = "PORT", value_parser = port, requires = "smoke", conflicts_with = "dry_run", hide_short_help = true)]
    pub smoke_port: Option<Port>,

    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), requires = "smoke", hide_short_help = true)]
    pub smoke_timeout: u64,
}
