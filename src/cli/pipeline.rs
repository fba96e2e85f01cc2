//! What a pipeline gets of a build.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What a pipeline gets of a build.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Pipelines")]
pub struct PipelineArgs {
    /// Write for the log of: auto, github, gitlab, none
    ///
    /// auto is the default: GitHub where `GITHUB_ACTIONS` is `true`, GitLab where `GITLAB_CI` is set. Logs get sections that fold. GitHub gets
    /// errors beside their files, outputs of the step (image, digest, identity; of several apps: images) and a summary too. With `--progress
    /// json`, auto means none
    #[arg(
        long,
        value_name = "WHERE",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true,
        hide_short_help = true
    )]
    pub ci: CiArg,

    /// Write the image's name, digest and identity to FILE, as variables
    ///
    /// For GitLab's `artifacts: {reports: {dotenv: FILE}}`: `SLIMBUILD_IMAGE`, `SLIMBUILD_DIGEST`, `SLIMBUILD_REFERENCE` and
    /// `SLIMBUILD_IDENTITY`; of several apps, `SLIMBUILD_REFERENCE_APP` each, with the image's default name for `APP`
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub dotenv: Option<PathBuf>,
}

/// The pipelines that are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CiArg {
    /// By its variables
    #[default]
    Auto,
    /// GitHub Actions
    #[value(name = "github")]
    GitHub,
    /// GitLab
    #[value(name = "gitlab")]
    GitLab,
    /// None
    None,
}
