//! The flags for the engine.

use clap::Args;

use crate::image::Platform;

/// What the engine is told.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Build for this platform (linux/arm64)
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,

    /// Add a label to the image; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,

    /// Run every step again
    #[arg(long)]
    pub no_cache: bool,

    /// Ask the registry for newer base images
    #[arg(long)]
    pub pull: bool,
}
