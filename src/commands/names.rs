//! The names of an image: from the command line, slimbuild.json, or the package's name, with facts in
//! their places.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::build;
use super::identity;
use super::prepared::Prepared;
use super::resources::named_epoch;
use crate::cli::BuildArg;
use crate::commands::error::Error;
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::model::tag::{Fact, TagError, TagTemplate, tag_part};
use crate::plan::{Plan, image_name};
use crate::system::env::Env;
use crate::workspace::git;

/// Variables of pipelines that have the commit, where there is no repository.
const COMMITS: [&str; 2] = ["GITHUB_SHA", "CI_COMMIT_SHA"];

/// Variables of pipelines that have the branch: a pipeline checks out a commit.
const BRANCHES: [&str; 4] = [
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_REF_NAME",
];

/// What may stand in the names of an app's image.
pub(super) struct Facts {
    app: String,
    name: String,
    version: Option<String>,
    registry: Option<String>,
    image: TagTemplate,
    root: PathBuf,
    env: Env,
}

/// The names of an image before their facts are known.
pub(super) struct Names {
    templates: Vec<TagTemplate>,
    facts: Facts,
}

impl Names {
    /// The names of the command line, of slimbuild.json, or the package's name.
    pub(super) fn new(
        prepared: &Prepared<'_, '_>,
        given: Vec<TagTemplate>,
        env: &Env,
    ) -> Result<Self, Error> {
        let facts = Facts::of(prepared, env)?;
        let tags = prepared.options().tags.as_ref();
        let templates = match tags {
            _ if !given.is_empty() => given,
            Some(tags) => tags.value.clone(),
            None => vec![facts.image.clone()],
        };
        Ok(Self { templates, facts })
    }

    /// Whether a name has the identity in it.
    pub(super) fn have_the_identity(&self) -> bool {
        let image = &self.facts.image;
        let has_it = |name: &TagTemplate| {
            name.needs(Fact::Hash) || (name.needs(Fact::Image) && image.needs(Fact::Hash))
        };
        self.templates.iter().any(has_it)
    }

    /// The names before the builder is known: it is taken to be like this machine. Fails
    /// for a fact that is not known.
    pub(super) fn early(
        &self,
        prepared: &Prepared<'_, '_>,
        plan: &Plan,
        given: &[BuildArg],
    ) -> Result<Vec<ImageRef>, Error> {
        let mut hash = None;
        if self.have_the_identity() {
            let options = prepared.options();
            let arguments = build::arguments(given.to_vec(), plan, &self.facts.env);
            let platforms = options.platforms.clone();
            let found = identity::of(plan, options, platforms, &arguments, prepared.root())?;
            hash = Some(found.digest());
        }
        self.fill(hash.as_ref())
    }

    /// The names with all facts. The identity must be known if a name has it.
    pub(super) fn fill(&self, identity: Option<&Digest>) -> Result<Vec<ImageRef>, Error> {
        let names = self.templates.iter();
        names.map(|name| self.facts.fill(name, identity)).collect()
    }
}

impl Facts {
    /// The facts of an app.
    pub(super) fn of(prepared: &Prepared<'_, '_>, env: &Env) -> Result<Self, Error> {
        let (name, app) = (prepared.name(), prepared.image());
        let options = prepared.options();
        let parts = name.trim_start_matches('@').split('/');
        let image = match options.image_pattern() {
            Some(image) => image.value,
            None => app
                .parse()
                .map_err(|error: TagError| Error::usage(error.to_string()))?,
        };
        Ok(Self {
            app,
            name: parts.map(image_name).collect::<Vec<_>>().join("/"),
            version: prepared.version(),
            registry: options.registry.as_ref().map(|given| given.value.clone()),
            image,
            root: prepared.root().to_path_buf(),
            env: env.clone(),
        })
    }

    /// The name of the image that files give, without a tag and before its facts are known.
    pub(super) fn image(&self) -> &TagTemplate {
        &self.image
    }

    /// A name with its facts. The identity must be known if the name has it.
    pub(super) fn fill(
        &self,
        name: &TagTemplate,
        identity: Option<&Digest>,
    ) -> Result<ImageRef, Error> {
        name.fill(|fact| self.fact(fact, identity))
    }

    fn fact(&self, fact: Fact, identity: Option<&Digest>) -> Result<String, Error> {
        let found = match fact {
            Fact::Registry => self.registry.clone(),
            Fact::Image => Some(self.fill(&self.image, identity)?.name().to_owned()),
            Fact::App => Some(self.app.clone()),
            Fact::Name => Some(self.name.clone()),
            Fact::Version => self.version.as_deref().map(tag_part),
            Fact::Hash => identity.map(|identity| identity.hex().to_owned()),
            Fact::Sha => commit(&self.root, &self.env),
            Fact::Short => {
                commit(&self.root, &self.env).map(|commit| commit.chars().take(7).collect())
            }
            Fact::Branch => self.branch().as_deref().map(tag_part),
            Fact::Date => Some(self.date()?),
        };
        found.filter(|text| !text.is_empty()).ok_or_else(|| {
            let why = match fact {
                Fact::Registry => "slimbuild.json has no `registry`",
                Fact::Hash => "this command does not compute it",
                Fact::Version => "the app's package.json has no `version`",
                Fact::Branch => "no branch is checked out, and no pipeline names one",
                _ => "the workspace is in no git repository with a commit",
            };
            let place = format!("{{{}}}", fact.word());
            let hint = match fact {
                Fact::Registry => {
                    "write `\"registry\": \"registry.example.com/shop\"` into the root's slimbuild.json"
                }
                Fact::Hash => "use a tag that the build has written",
                _ => "name the image otherwise, with `--tag`",
            };
            Error::Usage {
                message: format!("`{place}` in the image's name is not known: {why}"),
                hint: Some(hint.to_owned()),
            }
        })
    }

    fn branch(&self) -> Option<String> {
        let of_pipeline = || BRANCHES.iter().find_map(|name| self.env.get(name));
        git::branch(&self.root).or_else(|| of_pipeline().map(str::to_owned))
    }

    /// The day in UTC, of `SOURCE_DATE_EPOCH` or of now.
    fn date(&self) -> Result<String, Error> {
        let named = named_epoch(&self.env)?.and_then(|seconds| i64::try_from(seconds).ok());
        let time = match named {
            Some(seconds) => OffsetDateTime::from_unix_timestamp(seconds),
            None => Ok(OffsetDateTime::from(std::time::SystemTime::now())),
        };
        let text = time.map(|time| {
            let date = time.date();
            format!(
                "{:04}-{:02}-{:02}",
                date.year(),
                u8::from(date.month()),
                date.day()
            )
        });
        text.map_err(|error| Error::usage(format!("SOURCE_DATE_EPOCH is no time: {error}")))
    }
}

/// The commit that is checked out around `dir`, or that a pipeline names.
pub(super) fn commit(dir: &Path, env: &Env) -> Option<String> {
    let of_pipeline = || COMMITS.iter().find_map(|name| env.get(name));
    git::commit(dir).or_else(|| of_pipeline().map(str::to_owned))
}
