//! `slimbuild index`: joins images into an index.

use clap::Args;

use super::values::tag;
use crate::model::image::ImageRef;
use crate::plan::config::insecure_registry;

/// `slimbuild index`
#[derive(Debug, Args)]
#[command(after_help = "\
Layers stay where they are: only descriptions are read and written. The images must be in the
registry of NAME. Example, after two machines have pushed:
  slimbuild index registry.example.com/shop:1 \\
    registry.example.com/shop@sha256:… registry.example.com/shop:1-arm64")]
pub struct IndexArgs {
    /// The name of the index
    #[arg(value_name = "NAME", value_parser = tag)]
    pub name: ImageRef,

    /// The images, each for another platform, by tag or digest; an index counts as all of its images
    #[arg(value_name = "REF", required = true)]
    pub images: Vec<ImageRef>,

    /// Use this registry without a verified connection: with any certificate, or without TLS; may be repeated
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]", value_parser = insecure_registry)]
    pub insecure_registries: Vec<String>,

    /// Print only the reference
    #[arg(short, long)]
    pub quiet: bool,
}
