//! `slimbuild prune`: a part of the workspace, for a user's own Dockerfile.

use std::path::PathBuf;

use clap::Args;

use crate::ask::pruned::{PruneOptions, Scope};

/// `slimbuild prune`
#[derive(Debug, Args)]
#[command(after_long_help = "\
DIR gets json/ (manifests and the lockfile: all that an install reads), full/ (sources), pnpm-lock.yaml and
pnpm-workspace.yaml. In the Dockerfile:
  COPY out/json/ .
  RUN pnpm install --frozen-lockfile
  COPY out/full/ .
  RUN pnpm turbo run build --filter=APP

Examples:
  slimbuild prune apps/server                 into out
  slimbuild prune apps/server --production    without dev dependencies
  slimbuild prune apps/server apps/worker     what both need")]
pub struct PruneArgs {
    /// The apps: directories (apps/server) or package names
    #[arg(value_name = "APP", required = true)]
    pub apps: Vec<String>,

    /// Write to DIR: one that does not exist yet, is empty, or holds an earlier output, which is replaced
    #[arg(
        short,
        long,
        value_name = "DIR",
        visible_alias = "out-dir",
        default_value = "out"
    )]
    pub out: PathBuf,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub options: PruneOptionArgs,
}

/// The options for a pruned workspace.
#[derive(Debug, Args)]
pub struct PruneOptionArgs {
    /// Keep only what the apps need when they run: without dev dependencies, in manifests and lockfile
    #[arg(long)]
    pub production: bool,

    /// Keep these files too, even if they are ignored; a glob relative to the workspace root
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,

    /// Leave these files out
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Accepted for compatibility with turbo; the layout is always this one
    #[arg(long)]
    pub docker: bool,

    /// Accepted as turbo's default; for ignored files that a build needs there is --include
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = gitignored
    )]
    pub use_gitignore: Option<bool>,
}

/// turbo's `--use-gitignore=false` takes every file along, secrets and modules among them.
fn gitignored(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Err(
            "ignored files are left out: name those that a build needs with `--include GLOB`"
                .to_owned(),
        ),
        _ => Err("`true` is the only value".to_owned()),
    }
}

impl From<PruneOptionArgs> for PruneOptions {
    fn from(args: PruneOptionArgs) -> Self {
        let PruneOptionArgs {
            production,
            include,
            exclude,
            docker: _,
            use_gitignore: _,
        } = args;
        let scope = if production {
            Scope::Production
        } else {
            Scope::Build
        };
        Self {
            scope,
            include,
            exclude,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::PruneArgs;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        prune: PruneArgs,
    }

    #[test]
    fn flags_of_turbo_are_taken_or_answered() {
        let parse = |flag: &str| {
            let line = [
                "slimbuild",
                "web",
                "@x/api",
                "--docker",
                "--out-dir=o",
                flag,
            ];
            Line::try_parse_from(line).map_err(|error| error.to_string())
        };
        for flag in ["--production", "--use-gitignore", "--use-gitignore=true"] {
            let line = parse(flag).unwrap();
            assert_eq!(line.prune.apps, ["web", "@x/api"], "{flag}");
        }
        let words = parse("--use-gitignore=false").unwrap_err();
        assert!(words.contains("with `--include GLOB`"), "{words}");
    }
}
