//! The names of an image: from the command line, slimbuild.json, or the package's name, with facts in
//! their places.

use std::path::PathBuf;

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

/// The names of an image before their facts are known.
pub(super) struct Names {
    templates: Vec<TagTemplate>,
    app: String,
    name: String,
    version: Option<String>,
    root: PathBuf,
    env: Env,
}

impl Names {
    /// The names of the command line, of slimbuild.json, or the package's name.
    pub(super) fn new(
        prepared: &Prepared<'_, '_>,
        plan: &Plan,
        given: Vec<TagTemplate>,
        env: &Env,
    ) -> Result<Self, Error> {
        let parsed = |texts: &[String]| -> Result<Vec<TagTemplate>, TagError> {
            texts.iter().map(|text| text.parse()).collect()
        };
        let templates = match &plan.configured.tags {
            _ if !given.is_empty() => given,
            Some(tags) => parsed(&tags.value).map_err(|error| Error::usage(error.to_string()))?,
            None => parsed(std::slice::from_ref(&plan.image))
                .map_err(|error| Error::usage(error.to_string()))?,
        };
        let parts = plan.app.name.trim_start_matches('@').split('/');
        Ok(Self {
            templates,
            app: plan.image.clone(),
            name: parts.map(image_name).collect::<Vec<_>>().join("/"),
            version: prepared.version(),
            root: prepared.root().to_path_buf(),
            env: env.clone(),
        })
    }

    /// Whether a name has the identity in it.
    pub(super) fn have_the_identity(&self) -> bool {
        self.templates.iter().any(|name| name.needs(Fact::Hash))
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
            let arguments = build::arguments(given.to_vec(), plan, &self.env);
            let platforms = options.platforms.clone();
            let found = identity::of(plan, options, platforms, &arguments, prepared.root())?;
            hash = Some(found.digest());
        }
        self.fill(hash.as_ref())
    }

    /// The names with all facts. The identity must be known if a name has it.
    pub(super) fn fill(&self, identity: Option<&Digest>) -> Result<Vec<ImageRef>, Error> {
        let names = self.templates.iter();
        let names = names.map(|name| name.fill(|fact| self.fact(fact, identity)));
        names.collect()
    }

    fn fact(&self, fact: Fact, identity: Option<&Digest>) -> Result<String, Error> {
        let found = match fact {
            Fact::App => Some(self.app.clone()),
            Fact::Name => Some(self.name.clone()),
            Fact::Version => self.version.as_deref().map(tag_part),
            Fact::Hash => identity.map(|identity| identity.hex().to_owned()),
            Fact::Sha => self.commit(),
            Fact::Short => self.commit().map(|commit| commit.chars().take(7).collect()),
            Fact::Branch => self.branch().as_deref().map(tag_part),
            Fact::Date => Some(self.date()?),
        };
        found.filter(|text| !text.is_empty()).ok_or_else(|| {
            let why = match fact {
                Fact::Version => "the app's package.json has no `version`",
                Fact::Branch => "no branch is checked out, and no pipeline names one",
                _ => "the workspace is in no git repository with a commit",
            };
            let place = format!("{{{}}}", fact.word());
            Error::Usage {
                message: format!("`{place}` in the image's name is not known: {why}"),
                hint: Some("name the image otherwise, with `--tag`".to_owned()),
            }
        })
    }

    fn commit(&self) -> Option<String> {
        let of_pipeline = || COMMITS.iter().find_map(|name| self.env.get(name));
        git::commit(&self.root).or_else(|| of_pipeline().map(str::to_owned))
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
