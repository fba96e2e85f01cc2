//! `slimbuild size` and `slimbuild diff`.

use std::path::PathBuf;

use clap::Args;

use super::base::SourceArgs;
use super::values::platform;
use crate::model::image::Platform;
use crate::plan::config::insecure_registry;

/// `slimbuild size`
#[derive(Debug, Args)]
#[command(after_long_help = "\
IMAGE is a name, which is looked for in the Docker daemon and then in its registry; or an image on the disk:
  server.oci.tar, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME]
docker-daemon:NAME and docker://NAME ask only the daemon or only the registry.

All rows add up to the bytes of the layers: their tars (unpacked), and their blobs (what a pull transfers). Compressed
bytes of a file are what its part of the blob takes.

Examples:
  slimbuild size apps/server                         the image that `slimbuild apps/server` has made
  slimbuild size apps/server --image shop/server:1   another image of that app
  slimbuild size node:22-slim                        any image
  slimbuild size apps/server --html size.html        a map to walk into
  slimbuild size server.oci.tar --json               for programs")]
pub struct SizeArgs {
    /// The app whose image is meant, or an image
    ///
    /// An app (its directory or package name) means the image that its build has made, and its packages are explained by the
    /// workspace. Without a word, it is the app around the working directory
    #[arg(value_name = "APP|IMAGE")]
    pub word: Option<String>,

    /// The image of the app, if it is not the one that its build names
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,

    /// How many packages are shown
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub top: usize,

    /// Print all as JSON
    #[arg(long)]
    pub json: bool,

    /// Write a page with a map of the image to FILE
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Compare with this image: beside it on the page, and for a budget of growth
    #[arg(long, value_name = "IMAGE")]
    pub against: Option<String>,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub look: LookArgs,
}

/// `slimbuild diff`
#[derive(Debug, Args)]
#[command(after_long_help = "\
OLD and NEW are images as for `slimbuild size`: names, or images on the disk. Layers that both have are not read, and not
pulled.

Examples:
  slimbuild diff shop.example.com/server:main server:latest          what did this change do?
  slimbuild diff shop.example.com/server:main apps/server --markdown for a pull request
  slimbuild diff server:1.4.0 server:1.5.0 --json                    for programs")]
pub struct DiffArgs {
    /// The image before
    #[arg(value_name = "OLD")]
    pub old: String,

    /// The image now: an app means the image that its build has made
    #[arg(value_name = "NEW")]
    pub new: String,

    /// Explain new packages by the workspace, for this app
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,

    /// How many packages and files are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,

    /// Print all as JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,

    /// Print it as Markdown, for a pull request
    #[arg(long)]
    pub markdown: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub look: LookArgs,
}

/// Where images are looked for.
#[derive(Debug, Clone, Args)]
pub struct LookArgs {
    /// The image for this platform, if there are several (linux/arm64)
    #[arg(long, value_name = "OS/ARCH", value_parser = platform, hide_short_help = true)]
    pub platform: Option<Platform>,

    /// Ask this Docker daemon instead of the one that Docker's command line would ask
    #[arg(short = 'H', long, value_name = "URL", hide_short_help = true)]
    pub host: Option<String>,

    /// Use this registry without a verified connection: with any certificate, or without TLS; may be repeated
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]", value_parser = insecure_registry, hide_short_help = true)]
    pub insecure_registries: Vec<String>,

    /// Keep layers of registries in DIR [default: ~/.cache/slimbuild]
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub cache_dir: Option<PathBuf>,
}

impl LookArgs {
    /// Where the cache is.
    pub fn sources(&self) -> SourceArgs {
        SourceArgs::cache_in(self.cache_dir.clone())
    }
}
