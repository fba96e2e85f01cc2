//! `slimbuild prune`: a part of the workspace, for a user's own Dockerfile.

use std::path::PathBuf;

use clap::Args;

use crate::ask::pruned::{PruneOptions, Scope, Shape};

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
  slimbuild prune apps/server apps/worker     what both need
  slimbuild prune apps/server --flat          one workspace, without json/ and full/")]
pub struct PruneArgs {
    /// The apps: directories (apps/server) or package names
    #[arg(value_name = "APP", required_unless_present = "scope")]
    pub apps: Vec<String>,

    /// The same as APP, as turbo's Dockerfiles have it
    #[arg(long, value_name = "APP")]
    pub scope: Vec<String>,

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

    /// Write one workspace into DIR, as `turbo prune` does without --docker; DIR must be new or empty
    #[arg(long, conflicts_with = "docker")]
    pub flat: bool,

    /// The layout with json/ and full/, which is the default; Dockerfiles for turbo name it
    #[arg(long)]
    pub docker: bool,

    /// Whether to leave out what git ignores [default: true]; secrets and installed modules stay out in any case
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub use_gitignore: Option<bool>,
}

impl From<PruneOptionArgs> for PruneOptions {
    fn from(args: PruneOptionArgs) -> Self {
        let PruneOptionArgs {
            production,
            include,
            exclude,
            flat,
            docker: _,
            use_gitignore,
        } = args;
        let scope = if production {
            Scope::Production
        } else {
            Scope::Build
        };
        Self {
            scope,
            shape: if flat { Shape::Flat } else { Shape::Split },
            ignored: use_gitignore == Some(false),
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
        for flag in [
            "--production",
            "--use-gitignore",
            "--use-gitignore=true",
            "--flat",
        ] {
            let line = match flag {
                "--flat" => Line::try_parse_from(["slimbuild", "web", "@x/api", flag]).unwrap(),
                flag => parse(flag).unwrap(),
            };
            assert_eq!(line.prune.apps, ["web", "@x/api"], "{flag}");
            assert_ne!(line.prune.options.use_gitignore, Some(false), "{flag}");
        }
        let all = parse("--use-gitignore=false").unwrap();
        assert_eq!(all.prune.options.use_gitignore, Some(false));
        let words = parse("--flat").unwrap_err();
        assert!(words.contains("--docker"), "{words}");
        let scoped =
            Line::try_parse_from(["slimbuild", "--scope=web", "--scope", "api", "--docker"]);
        assert_eq!(scoped.unwrap().prune.scope, ["web", "api"]);
        Line::try_parse_from(["slimbuild", "--docker"]).unwrap_err();
    }
}
