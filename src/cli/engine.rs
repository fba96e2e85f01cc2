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
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Write the image to FILE, which docker, skopeo and umoci read; docker=FILE is for tools that do not know OCI, dir=DIR is an OCI
    /// layout. May be repeated. Docker is not used then [default without Docker: APP.oci.tar]
    #[arg(short, long = "output", value_name = "[oci=]FILE|docker=FILE|dir=DIR", value_parser = output)]
    pub outputs: Vec<Output>,

    /// Load the image into the Docker daemon, which is sent only the layers that it lacks; an image that Docker builds is there already
    #[arg(long)]
    pub load: bool,
    /// Push the image under all its names, which need a registry; without Docker, only missing layers are sent, and a file is written
    /// only if --output names one
    #[arg(long)]
    pub push: bool,

    /// Compress layers with
    #[arg(long, value_name = "METHOD", value_enum, default_value_t)]
    pub compression: CompressionArg,

    /// Add a label to the image; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,

    /// Run every step again; without Docker, every layer is packed and proved again too
    #[arg(long)]
    pub no_cache: bool,

    /// Ask the registry for newer base images; without it, a build without Docker asks once a day
    #[arg(long)]
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
