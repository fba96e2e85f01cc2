//! The commands about what an app ships: a list for programs, and its licences.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::platform;
use super::{AppArg, LookArgs};
use crate::model::image::Platform;
use crate::plan::config::insecure_registry;

/// `slimbuild sbom`
#[derive(Debug, Args)]
#[command(after_long_help = "\
The list comes from the lockfile: the packages that the app needs at run time, with their digests and who needs whom.
It is no scan, and needs no image. With --image, the packages of the system that this image has are in it too. Licences are those of the packages that are
installed in the workspace; the others have none. The same input gives the same bytes on every machine.

Examples:
  slimbuild sbom apps/server                        CycloneDX, on stdout
  slimbuild sbom apps/server --format spdx -o FILE
  slimbuild sbom apps/server --image shop.example.com/server:1             with Debian's packages
  slimbuild sbom apps/server --image shop.example.com/server:1 --attach    beside the image, in its registry")]
pub struct SbomArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Write it as
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: SbomFormat,

    /// Write it to FILE instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Add the packages of the system (Debian's, Alpine's) that this image of the app has
    ///
    /// The image is looked for as for `slimbuild size`, and its layers are read
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,

    /// Attach the list to --image in its registry, as a referrer: one for each of its platforms
    #[arg(long, requires = "image", conflicts_with = "output")]
    pub attach: bool,

    /// Ask this Docker daemon for --image
    #[arg(
        short = 'H',
        long,
        value_name = "URL",
        requires = "image",
        hide_short_help = true
    )]
    pub host: Option<String>,

    /// Use this registry without a verified connection: with any certificate, or without TLS; may be repeated
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]", value_parser = insecure_registry, requires = "image", hide_short_help = true)]
    pub insecure_registries: Vec<String>,

    /// Keep layers of registries in DIR [default: ~/.cache/slimbuild]
    #[arg(long, value_name = "DIR", requires = "image", hide_short_help = true)]
    pub cache_dir: Option<PathBuf>,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl SbomArgs {
    /// Where the image is looked for.
    pub fn look(&self) -> LookArgs {
        LookArgs {
            platform: (!self.attach).then(|| self.machine.platform.clone()),
            host: self.host.clone(),
            insecure_registries: self.insecure_registries.clone(),
            cache_dir: self.cache_dir.clone(),
        }
    }
}

/// Which image is meant.
#[derive(Debug, Args)]
pub struct MachineArgs {
    /// The platform of the image: packages for others are not in it
    #[arg(long, value_name = "PLATFORM", value_parser = platform, default_value = "linux/amd64")]
    pub platform: Platform,
}

/// The formats of `slimbuild sbom`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SbomFormat {
    /// `CycloneDX` 1.6, in JSON
    #[default]
    Cyclonedx,
    /// SPDX 2.3, in JSON
    Spdx,
}

/// `slimbuild licenses`
#[derive(Debug, Args)]
#[command(after_long_help = "\
The packages have to be installed: their licences stand in their own files. `licenses` in slimbuild.json says which are
allowed, and a build obeys it too. Exit code 5 means that a package has another one.

Examples:
  slimbuild licenses apps/server                           by licence
  slimbuild licenses apps/server --texts > NOTICE          with all texts
  slimbuild licenses apps/server --allow MIT,ISC,0BSD      fails if a package has another one")]
pub struct LicensesArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub app: AppArg,

    /// Fail if a package has none of these licences, instead of what slimbuild.json allows
    ///
    /// Of alternatives (MIT OR GPL-3.0-only), one is enough. The names are those of SPDX, or what a package.json says; `BSD-*` stands for all
    /// that begin so. Packages below `licenses.exceptions` of slimbuild.json stay allowed
    #[arg(long, value_name = "LICENSE[,LICENSE…]", value_delimiter = ',')]
    pub allow: Vec<String>,

    /// Fail if a package has one of these licences, instead of what slimbuild.json denies
    #[arg(long, value_name = "LICENSE[,LICENSE…]", value_delimiter = ',')]
    pub deny: Vec<String>,

    /// Print the texts too, as a notice for users
    #[arg(long, conflicts_with = "json")]
    pub texts: bool,

    /// Print the list as JSON
    #[arg(long)]
    pub json: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub machine: MachineArgs,
}
