//! What a pipeline gets of a run, besides its log: GitHub's outputs and summary, a file of variables.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::{BuildArgs, CiArg};
use crate::commands::error::Error;
use crate::plan::image_name;
use crate::show::ci::Ci;
use crate::show::metadata::Metadata;
use crate::show::progress::ProgressMode;
use crate::show::report::{self, SummaryRow};
use crate::system::atomic_file::AtomicFile;
use crate::system::env::Env;
use crate::workspace::find_root;

/// Where a pipeline wants something.
#[derive(Default)]
pub(super) struct Pipeline {
    /// Whose log stderr is.
    pub(super) ci: Ci,
    /// GitHub's files, to which steps append.
    outputs: Option<PathBuf>,
    summary: Option<PathBuf>,
    /// The user's file of variables.
    dotenv: Option<PathBuf>,
}

impl Pipeline {
    /// What the arguments and the environment say.
    pub(super) fn new(args: &BuildArgs, cwd: &Path, env: &Env) -> Self {
        let own = Self {
            dotenv: args.pipeline.dotenv.as_ref().map(|file| cwd.join(file)),
            ..Self::default()
        };
        let is_json = args.progress == ProgressMode::Json;
        let auto = args.pipeline.ci == CiArg::Auto && !is_json;
        match args.pipeline.ci {
            _ if args.dry_run => own,
            CiArg::GitHub => own.on_github(cwd, env),
            _ if auto && env.get("GITHUB_ACTIONS") == Some("true") => own.on_github(cwd, env),
            CiArg::GitLab => own.on_gitlab(),
            _ if auto && env.get("GITLAB_CI").is_some() => own.on_gitlab(),
            CiArg::Auto | CiArg::None => own,
        }
    }

    fn on_github(self, cwd: &Path, env: &Env) -> Self {
        let file = |name: &str| env.get(name).map(PathBuf::from);
        Self {
            ci: Ci::github(below_checkout(cwd, env).unwrap_or_default()),
            outputs: file("GITHUB_OUTPUT"),
            summary: file("GITHUB_STEP_SUMMARY"),
            ..self
        }
    }

    fn on_gitlab(self) -> Self {
        Self {
            ci: Ci::GitLab,
            ..self
        }
    }

    /// Tells how an app ended that was built alone.
    pub(super) fn tell_one(&self, row: &SummaryRow<'_>) -> Result<(), Error> {
        if let Some(image) = row.image {
            let facts = facts(image);
            let lines = facts
                .each_ref()
                .map(|(name, value)| format!("{name}={value}\n"));
            append(self.outputs.as_deref(), &lines.concat())?;
            let lines =
                facts.map(|(name, value)| format!("SLIMBUILD_{}={value}\n", name.to_uppercase()));
            self.write_variables(&lines.concat())?;
        }
        append(
            self.summary.as_deref(),
            &report::summary(std::slice::from_ref(row)),
        )
    }

    /// Tells how the apps of a run ended. `names` are the names of their packages.
    pub(super) fn tell_all(&self, names: &[String], rows: &[SummaryRow<'_>]) -> Result<(), Error> {
        let image = |row: &SummaryRow<'_>| {
            let mut told = json!({ "app": row.app, "state": row.state });
            for (name, value) in row.image.map(facts).into_iter().flatten() {
                told[name] = value.into();
            }
            told
        };
        let images: Vec<_> = rows.iter().map(image).collect();
        let text = format!("images={}\n", json!(images));
        append(self.outputs.as_deref(), &text)?;
        let variable = |(name, row): (&String, &SummaryRow<'_>)| {
            let name = variable(&image_name(name));
            let [(_, image), (_, _), (_, reference), _] = facts(row.image?);
            let value = if reference.is_empty() {
                image
            } else {
                reference
            };
            Some(format!("SLIMBUILD_REFERENCE_{name}={value}\n"))
        };
        let lines: String = names.iter().zip(rows).filter_map(variable).collect();
        self.write_variables(&lines)?;
        append(self.summary.as_deref(), &report::summary(rows))
    }

    fn write_variables(&self, text: &str) -> Result<(), Error> {
        let Some(file) = &self.dotenv else {
            return Ok(());
        };
        AtomicFile::begin(file)?.write(|out| out.write_all(text.as_bytes()))?;
        Ok(())
    }
}

/// What later jobs use, in a fixed order. What is not known is empty.
fn facts(image: &Metadata) -> [(&'static str, String); 4] {
    let first = image.names.split(',').next().unwrap_or_default();
    let identity = image.identity.as_ref().map(ToString::to_string);
    [
        ("image", first.to_owned()),
        ("digest", image.digest.clone().unwrap_or_default()),
        ("reference", image.reference.clone().unwrap_or_default()),
        ("identity", identity.unwrap_or_default()),
    ]
}

/// The part of a variable's name for an image: `SHOP_SERVER`.
fn variable(image: &str) -> String {
    let letter = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_uppercase(),
        _ => '_',
    };
    image.chars().map(letter).collect()
}

/// The workspace's directory in GitHub's checkout: nothing, or `js/`.
fn below_checkout(cwd: &Path, env: &Env) -> Option<String> {
    let checkout = fs_err::canonicalize(env.get("GITHUB_WORKSPACE")?).ok()?;
    let root = fs_err::canonicalize(find_root(cwd).ok()?).ok()?;
    let below = root.strip_prefix(checkout).ok()?.to_str()?;
    Some(below)
        .filter(|below| !below.is_empty())
        .map(|below| format!("{below}/"))
}

/// Adds to a file of GitHub's, which the steps of a job share.
fn append(file: Option<&Path>, text: &str) -> Result<(), Error> {
    let Some(file) = file else {
        return Ok(());
    };
    let cannot = Error::io(format!("cannot write `{}`", file.display()));
    let opened = fs_err::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(cannot)
}
