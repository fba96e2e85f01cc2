//! The flags for the engine.

use clap::{Args, ValueEnum};

use super::base::{CompressionArg, SourceArgs};
use super::builder::BuilderArgs;
use super::values::output;
use crate::image::oci::Output;

/// The options for the engine.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Write the image to a file
    ///
    /// docker, skopeo and umoci read FILE (or oci=FILE). docker=FILE is for tools that do not know OCI, and dir=DIR adds the image to an OCI
    /// layout (also type=dir,dest=DIR and so on). Docker is used then only with --engine docker, whose daemon keeps the image too. The
    /// default without Docker is APP.oci.tar. {app} in a path stands for the image's name, which several apps need. May be repeated
    #[arg(short, long = "output", value_name = "FILE", value_parser = output)]
    pub outputs: Vec<Output>,

    /// Load an image that Docker did not build into the Docker daemon
    ///
    /// Only the layers that the daemon lacks are sent
    #[arg(long, hide_short_help = true)]
    pub load: bool,

    /// Push the image under all its names
    ///
    /// The names need a registry. Without Docker, only missing layers are sent, and a file is written only if --output names one
    #[arg(long)]
    pub push: bool,

    /// Build nothing that is there already: an image of the same identity only gets its names
    ///
    /// With --push in the registry, where it is found by a tag `slimbuild-…` that such runs leave; otherwise in the Docker daemon. No answer within
    /// 2 seconds means that it is built. Base images count by name, with --pin by digest
    #[arg(long, conflicts_with = "no_cache", hide_short_help = true)]
    pub skip_unchanged: bool,

    /// Compress layers with
    #[arg(
        long,
        value_name = "METHOD",
        value_enum,
        default_value_t,
        hide_short_help = true
    )]
    pub compression: CompressionArg,

    /// Add a label to the image; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", hide_short_help = true)]
    pub labels: Vec<String>,

    /// Run every step again
    ///
    /// Without Docker, every layer is packed and proved again too
    #[arg(long, hide_short_help = true)]
    pub no_cache: bool,

    /// Ask the registry for newer base images
    ///
    /// Otherwise a build without Docker asks once a day
    #[arg(long, hide_short_help = true)]
    pub pull: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub builder: BuilderArgs,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub sources: SourceArgs,
}

/// What makes the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// Docker if a daemon answers, else native
    #[default]
    Auto,
    /// A Docker daemon
    Docker,
    /// slimbuild itself, on this machine
    Native,
}
