//! What a user asks of a pruned workspace.

/// What to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Everything that builds need.
    #[default]
    Build,
    /// What the apps need at run time: no dev dependencies, neither members nor packages.
    Production,
}

/// How the output is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// `json/` and `full/`, as by `turbo prune --docker`.
    #[default]
    Split,
    /// One workspace, as by `turbo prune`.
    Flat,
}

/// The user's options, in addition to the apps' `slimbuild.json`.
#[derive(Debug, Clone, Default)]
pub struct PruneOptions {
    /// What to keep.
    pub scope: Scope,
    /// How the output is laid out.
    pub shape: Shape,
    /// Whether files that git ignores are kept.
    pub ignored: bool,
    /// Globs of files to keep, even ignored ones.
    pub include: Vec<String>,
    /// Globs of files to leave out.
    pub exclude: Vec<String>,
}
