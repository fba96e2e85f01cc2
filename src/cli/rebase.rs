//! `slimbuild rebase`: images of a registry on a new base.

use std::path::PathBuf;

use clap::Args;

use super::base::SourceArgs;
use crate::model::image::ImageRef;
use crate::plan::config::insecure_registry;

/// `slimbuild rebase`
#[derive(Debug, Args)]
#[command(after_long_help = "\
An image gets new layers below, and keeps those of the app. It is written in its registry: the layers of the app are not
pulled and not sent. The image must say by digest which base it has, and its first layers must be those of that base.
Images of slimbuild say so.

Before anything is written, the two bases are compared: all that the old one gives to programs and modules, the new one
must give too (the C library, symbol versions of all libraries, the major version of node). If it lacks something, the
layers of the app are read to see whether the app needs it.

Nothing changed means that nothing is written. A failed image does not keep others from being written.

Examples:
  slimbuild rebase shop.example.com/server:main                      the base's tag as it is now
  slimbuild rebase shop.example.com/a:main shop.example.com/b:main   several at once
  slimbuild rebase shop.example.com/server:main --dry-run            what would change?
  slimbuild rebase shop.example.com/server:1.4.0 --tag 1.4.0-1       under another tag
  slimbuild rebase shop.example.com/server:main --prove              start it on the new base first")]
pub struct RebaseArgs {
    /// The images, by tag or digest; an index means all of its images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageRef>,

    /// The new base
    ///
    /// The default is the name of the old one, as it is in its registry now
    #[arg(long, value_name = "REF")]
    pub base: Option<ImageRef>,

    /// The base that the images have, if they do not say so themselves (NAME@sha256:…)
    #[arg(long, value_name = "REF")]
    pub old_base: Option<ImageRef>,

    /// The tag that the new images get, or a whole name; the default is the tag that they have
    #[arg(short, long, value_name = "TAG|NAME:TAG")]
    pub tag: Option<String>,

    /// Start each app on the new base before its image is written
    ///
    /// The image is pulled and unpacked. Its own node looks for all that the app loads, and the app is started without a network
    #[arg(long)]
    pub prove: bool,

    /// Say what would change; write nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,

    /// Use this registry without a verified connection: with any certificate, or without TLS; may be repeated
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]", value_parser = insecure_registry, hide_short_help = true)]
    pub insecure_registries: Vec<String>,

    /// Keep layers of bases in DIR [default: ~/.cache/slimbuild]
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub cache_dir: Option<PathBuf>,
}

impl RebaseArgs {
    /// Where the cache is.
    pub fn sources(&self) -> SourceArgs {
        SourceArgs::cache_in(self.cache_dir.clone())
    }
}
