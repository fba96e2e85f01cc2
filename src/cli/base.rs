//! The flags of `slimbuild base`. Most also apply to other images made without a daemon.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::cache::CacheSize;
use super::values::{output, platform, tag};
use crate::image::oci::{Compression, Output};
use crate::model::image::{ImageRef, Platform};

/// `slimbuild base`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Made of Debian 12's libc6, libstdc++6, libgcc-s1, gcc-12-base, libssl3, ca-certificates, tzdata,
base-files and netbase, whose signature is checked against Debian's archive keys, and of node from
npm, by its integrity. It has no shell, and runs as the user nonroot (65532). For static sites it
has nginx instead (nginx, nginx-common, libpcre2-8-0, libcrypt1, zlib1g), run by the user 101.
Times are those of SOURCE_DATE_EPOCH, or zero.

Examples:
  slimbuild base                                 show what the base is made of, and its digest
  slimbuild base --node 22 -o base.oci.tar -t b  write it for docker load, skopeo, umoci
  slimbuild base --nginx                         the one that static sites start from
  slimbuild base --lock base.lock.json           keep the exact versions there from then on")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct BaseArgs {
    /// Add this node: a line (22) or an exact version (22.11.0)
    #[arg(long, value_name = "VERSION")]
    pub node: Option<String>,

    /// Add nginx, as for a static site
    #[arg(long, conflicts_with = "node")]
    pub nginx: bool,

    /// Take the symbols out of node: smaller by a seventh, but debuggers and profilers miss them
    #[arg(long, requires = "node")]
    pub strip: bool,

    /// Build it for this platform: linux/amd64 or linux/arm64 [default: this machine's processor]
    #[arg(long, value_name = "OS/ARCH", value_parser = platform)]
    pub platform: Option<Platform>,

    /// Write it to a file
    ///
    /// docker, skopeo and umoci read FILE (or oci=FILE). docker=FILE is for tools that do not know OCI, and dir=DIR is an OCI layout. May be repeated
    #[arg(short, long = "output", value_name = "FILE", value_parser = output)]
    pub outputs: Vec<Output>,

    /// Name the image in what is written; may be repeated
    #[arg(short, long = "tag", value_name = "NAME[:TAG]", value_parser = tag)]
    pub tags: Vec<ImageRef>,

    /// Use the exact versions in FILE; write those that are missing there
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Compress layers with
    #[arg(long, value_name = "METHOD", value_enum, default_value_t)]
    pub compression: CompressionArg,

    /// Ask for newer packages, even if slimbuild asked within the last day
    #[arg(long)]
    pub pull: bool,

    /// Print the contents as JSON
    #[arg(long)]
    pub json: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub sources: SourceArgs,
}

/// Where to download from, and where to cache.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Downloads")]
pub struct SourceArgs {
    /// Take Debian's packages from below URL, which has debian/ and debian-security/
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub debian_mirror: Option<String>,

    /// Take node from this npm registry
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub npm_registry: Option<String>,

    /// Keep downloads and layers in DIR [default: ~/.cache/slimbuild]
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub cache_dir: Option<PathBuf>,

    /// Remove the least recently used entries when DIR gets larger than SIZE (20GB, 500MB, none); see slimbuild cache
    /// [default: a tenth of the disk, at most 20 GB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub cache_size: Option<CacheSize>,
}

impl SourceArgs {
    /// The defaults, with a cache in this directory, if one is named.
    pub fn cache_in(cache_dir: Option<PathBuf>) -> Self {
        Self {
            debian_mirror: None,
            npm_registry: None,
            cache_dir,
            cache_size: None,
        }
    }
}

/// The compression methods.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum CompressionArg {
    /// What every engine and registry can read
    #[default]
    Gzip,
    /// Smaller and faster; Docker reads it since Engine 23
    Zstd,
}

impl From<CompressionArg> for Compression {
    fn from(compression: CompressionArg) -> Self {
        match compression {
            CompressionArg::Gzip => Self::Gzip,
            CompressionArg::Zstd => Self::Zstd,
        }
    }
}
