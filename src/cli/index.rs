//! `slimbuild index`: joins images into an index.

use clap::Args;

use super::values::tag;
use crate::model::image::ImageRef;
use crate::plan::config::insecure_registry;

/// `slimbuild index`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Layers stay where they are: only descriptions are read and written. The images must be in the registry of NAME.

Examples:
  slimbuild index shop.example.com/server:1 shop.example.com/server:1-amd64 shop.example.com/server:1-arm64
  slimbuild index -q shop.example.com/server:1 shop.example.com/server@sha256:… shop.example.com/server@sha256:…")]
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
