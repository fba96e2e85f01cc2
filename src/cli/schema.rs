//! `slimbuild schema`

use clap::{Args, ValueEnum};

/// `slimbuild schema`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  slimbuild schema > slimbuild.schema.json      for editors, where slimbuild.json names it as `$schema`
  slimbuild schema events                       for programs that read `--progress json`")]
pub struct SchemaArgs {
    /// The document
    #[arg(value_name = "NAME", value_enum, default_value_t)]
    pub name: SchemaArg,
}

/// A document with a schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum SchemaArg {
    /// slimbuild.json
    #[default]
    Config,
    /// `slimbuild plan APP --json`
    Plan,
    /// `slimbuild ls --json`, also with --affected
    Ls,
    /// `slimbuild hash --json`
    Hash,
    /// `slimbuild why APP PACKAGE --json`
    Why,
    /// `slimbuild graph --format json`
    Graph,
    /// `slimbuild size --json`
    Size,
    /// `slimbuild diff --json`
    Diff,
    /// `slimbuild rebase --json`
    Rebase,
    /// `slimbuild licenses --json`
    Licenses,
    /// `slimbuild base --json`
    Base,
    /// `slimbuild cache du --json`, also of cache prune
    Cache,
    /// `slimbuild ci matrix`
    Matrix,
    /// What --metadata-file writes
    Metadata,
    /// A line of `--progress json`
    Events,
}
