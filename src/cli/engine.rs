//! The flags for the engine.

use clap::{Args, ValueEnum};

use super::base::{CompressionArg, SourceArgs};
use super::values::output;
use crate::image::oci::Output;

/// What the engine is told.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// Write the image to a file that docker, skopeo and umoci read, with docker=FILE to one for tools that know no OCI, or with dir=DIR
    /// as an OCI layout; may be repeated. No Docker is used then; without Docker, it is APP.oci.tar
    #[arg(short, long = "output", value_name = "[oci=]FILE|docker=FILE|dir=DIR", value_parser = output)]
    pub outputs: Vec<Output>,

    /// Give the image to the Docker daemon, only the layers that it lacks; what Docker builds is there anyway
    #[arg(long)]
    pub load: bool,
    /// Push the image by all its names, which need a registry; without Docker only what is missing there is sent, and no file is written
    /// unless --output names one
    #[arg(long)]
    pub push: bool,

    /// Compress the layers of what is written with
    #[arg(long, value_name = "METHOD", value_enum, default_value_t)]
    pub compression: CompressionArg,

    /// Add a label to the image; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,

    /// Run every step again; without Docker, every layer is packed and proved again too
    #[arg(long)]
    pub no_cache: bool,

    /// Ask the registry for newer base images; without Docker, one that was asked for within a day is not asked for again otherwise
    #[arg(long)]
    pub pull: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub sources: SourceArgs,
}

/// What makes the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// Docker where a daemon answers, else native
    #[default]
    Auto,
    /// A Docker daemon
    Docker,
    /// slimbuild itself, on this machine
    Native,
}
