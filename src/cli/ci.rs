//! `slimbuild ci`: documents for pipelines.

use clap::{Args, Subcommand};

use super::AffectedArgs;

/// `slimbuild ci`
#[derive(Debug, Args)]
#[command(
    disable_help_subcommand = true,
    after_long_help = "\
Examples:
  slimbuild ci matrix --affected >> matrix.json    what a job of GitHub builds
  slimbuild ci matrix --gitlab > child.yml         a child pipeline of GitLab"
)]
pub struct CiArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(subcommand)]
    pub command: CiCommand,
}

/// What to print.
#[derive(Debug, Subcommand)]
pub enum CiCommand {
    /// Print the apps as a matrix of jobs
    Matrix(MatrixArgs),
}

/// `slimbuild ci matrix`
#[derive(Debug, Args)]
#[command(after_long_help = "\
GitHub's form is one line of JSON: {\"include\":[{\"app\":\"apps/server\",\"name\":\"server\"}]}. GitLab's form is a child
pipeline whose job extends `.image` of the file that --include names, with the variables APP and NAME. Without
--github and --gitlab, it is GitLab's form in GitLab's jobs, which set GITLAB_CI, and GitHub's elsewhere.

Examples:
  echo \"matrix=$(slimbuild ci matrix --affected)\" >> \"$GITHUB_OUTPUT\"
  slimbuild ci matrix --gitlab --affected > child.yml")]
pub struct MatrixArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub affected: AffectedArgs,

    /// Print GitHub's form
    #[arg(long, conflicts_with = "gitlab")]
    pub github: bool,

    /// Print GitLab's form
    #[arg(long)]
    pub gitlab: bool,

    /// The file of the repository with the job `.image`, for GitLab
    #[arg(long, value_name = "FILE", default_value = ".gitlab/slimbuild.yml")]
    pub include: String,
}
