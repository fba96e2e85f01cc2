//! `slimbuild promote`: more tags for images of a registry.

use clap::Args;

use super::apps::AppsArg;
use super::values::{tag_template, target};
use crate::model::digest::Digest;
use crate::model::tag::TagTemplate;
use crate::plan::config::insecure_registry;

/// `slimbuild promote`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Nothing is built, pulled or sent: the registry is asked for the description of the image, and gets it back under the
other tag. The names are those of the build, from `tags`, `image` or `registry` of slimbuild.json, or from --image. If
a source is missing, nothing is promoted.

Examples:
  slimbuild promote apps/server --from main --to production
  slimbuild promote --all --from '{git.sha}' --to production     what this commit's build has pushed
  slimbuild promote apps/server --from sha256:… --to production  back to an earlier image
  slimbuild promote apps/server --from 1.4.0-rc2 --to 1.4.0 --to latest
  slimbuild promote apps/server --from main --to 'shop.example.com/live/{app}:1'")]
pub struct PromoteArgs {
    /// The apps: directories (apps/server) or package names; without one, the app around the working directory
    #[arg(value_name = "APP")]
    pub apps: Vec<String>,

    /// Every app that `slimbuild ls` lists
    #[arg(long, conflicts_with = "apps")]
    pub all: bool,

    /// The apps that turbo's filter selects, as for a build; may be repeated
    #[arg(short = 'F', long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,

    /// The image to promote
    ///
    /// A tag or a digest (sha256:…) in the repository of the image's name, or a whole name. Facts may stand in it, as in -t
    #[arg(long, value_name = "TAG|DIGEST|NAME:TAG", value_parser = target)]
    pub from: Target,

    /// The tag that it gets; may be repeated
    ///
    /// A whole name may be in another repository of the same registry. Facts may stand in it, as in -t
    #[arg(long, value_name = "TAG|NAME:TAG", value_parser = target, required = true)]
    pub to: Vec<Target>,

    /// The name of the images, without a tag: shop.example.com/{app}
    ///
    /// The default is what slimbuild.json says, in `tags`, `image` or `registry`
    #[arg(long, value_name = "NAME", value_parser = tag_template)]
    pub image: Option<TagTemplate>,

    /// Use this registry without a verified connection: with any certificate, or without TLS; may be repeated
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]", value_parser = insecure_registry)]
    pub insecure_registries: Vec<String>,
}

/// An image, as far as a word says which one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A tag, with places for facts.
    Tag(String),
    /// An image of the same repository.
    Digest(Digest),
    /// A whole name.
    Name(TagTemplate),
}

impl PromoteArgs {
    /// The words for apps, as a build has them.
    pub fn app(&self) -> AppsArg {
        AppsArg {
            apps: self.apps.clone(),
            all: self.all,
            filters: self.filters.clone(),
            affected: None,
        }
    }
}
