//! Decides which files of a workspace may enter a context, and why the others may not.
//!
//! Input: the root's `.dockerignore`, every `.gitignore` that applies, and the `include` and
//! `exclude` options. Output: a [`Verdict`] on a path, with the [`Reason`] if it is dropped. This
//! module does not walk: a caller that descends (see [`crate::files`]) carries a [`RuleScope`] along,
//! so that nested `.gitignore` files are found on the way.
//!
//! The rules, strongest first:
//!
//! 1. some names never enter: `node_modules`, `.git`, `.env*`, `.npmrc` and the like (see
//!    [`crate::files::forbidden`]);
//! 2. a path that an `exclude` glob matches is dropped, with everything below it;
//! 3. a path that an `include` glob matches is kept, with everything below it;
//! 4. a path that git ignores is dropped; no `.gitignore` can bring back anything below it;
//! 5. a path that the root's `.dockerignore` drops is dropped; its exceptions apply below dropped
//!    directories too;
//! 6. a name that likely means secrets is dropped.
//!
//! Env files that `publicEnvFiles` names are kept as if `include` named them, except those that git
//! ignores.
//!
//! Rules 4 and 5 follow git and moby. The docs of `gitignore` and `pattern` state the exceptions.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use crate::files::forbidden::{self, Area, RuleKind};
use crate::files::tree::{Limit, Tree, TreeError};
use crate::model::path::RepoPath;

use self::dockerignore::{DockerIgnore, Inherited};
use self::gitignore::{Entry, GitIgnores};
use self::globs::Globs;

mod dockerignore;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gitignore;
mod globs;
mod pattern;
mod unmatched;

pub use self::error::IgnoreError;
pub use self::globs::GlobError;
pub use self::pattern::Malformed;

/// The file in the workspace root.
const DOCKERIGNORE: &str = ".dockerignore";

/// All rules for the files of one workspace.
#[derive(Debug)]
pub struct Rules {
    tree: Tree,
    include: Globs,
    exclude: Globs,
    public: Globs,
    docker: DockerIgnore,
    git: GitIgnores,
}

/// Whether a path is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept.
    Keep,
    /// It is dropped.
    Drop(Reason),
}

/// Why a path is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "rule", rename_all = "kebab-case")]
pub enum Reason {
    /// Its name never enters a context.
    Never {
        /// The rule that bars it.
        name: &'static str,
    },
    /// An `exclude` glob matches it or a directory above it.
    Exclude {
        /// The glob.
        pattern: String,
    },
    /// Git ignores it.
    GitIgnore {
        /// The path of the `.gitignore` from the workspace root.
        file: String,
        /// The pattern in it.
        pattern: String,
    },
    /// The root's `.dockerignore` drops it.
    DockerIgnore {
        /// The line, counted from 1.
        line: usize,
        /// The pattern on it.
        pattern: String,
    },
    /// Its name likely means secrets. An `include` glob brings it.
    Secret {
        /// The rule that bars it.
        name: &'static str,
        /// Whether it is barred only if it contains a private key.
        if_private: bool,
    },
    /// It is neither a file, a directory nor a symlink.
    Special {
        /// Its kind.
        kind: &'static str,
    },
}

/// The rules within one directory, to judge the paths in it.
#[derive(Debug)]
pub struct RuleScope<'rules> {
    rules: &'rules Rules,
    fate: Fate,
    docker: Inherited,
}

/// How the verdict on a directory affects everything in it.
#[derive(Debug)]
enum Fate {
    /// Git does not ignore the directory. Its `.gitignore` files decide what is ignored in it.
    Open(GitIgnores),
    /// Git ignores the directory, and so everything in it.
    Ignored(Reason),
    /// An `include` glob matches it.
    Included,
}

impl Rules {
    /// Loads the rules of the workspace at `root`, an absolute path, and those of the options.
    pub fn load(root: &Path, include: &[String], exclude: &[String]) -> Result<Self, IgnoreError> {
        let globs = |option, globs| {
            Globs::compile(globs).map_err(|(glob, problem)| IgnoreError::Glob {
                option,
                glob,
                problem,
            })
        };
        let tree = Tree::open(root)?;
        let file = RepoPath::child(&RepoPath::ROOT, DOCKERIGNORE);
        let docker = match tree.read_text_optional(&file, Limit::Settings)? {
            Some(text) => DockerIgnore::parse(&text).map_err(|(line, pattern, problem)| {
                IgnoreError::DockerPattern {
                    line,
                    pattern,
                    problem,
                }
            })?,
            None => DockerIgnore::default(),
        };
        Ok(Self {
            git: GitIgnores::load(root, &tree)?,
            tree,
            include: globs("include", include)?,
            exclude: globs("exclude", exclude)?,
            public: Globs::default(),
            docker,
        })
    }

    /// The same rules, which also keep env files that match these globs, unless git ignores them.
    pub fn with_public(mut self, globs: &[String]) -> Result<Self, IgnoreError> {
        self.public = Globs::compile(globs).map_err(|(glob, problem)| IgnoreError::Glob {
            option: "publicEnvFiles",
            glob,
            problem,
        })?;
        Ok(self)
    }

    /// The same rules without rule 4.
    #[must_use]
    pub fn regardless_of_git(mut self) -> Self {
        self.git = GitIgnores::off();
        self
    }

    /// Whether git ignores a file.
    pub fn git_ignores(&self, path: &RepoPath) -> Result<bool, IgnoreError> {
        let (_, scope) = self.scope(&path.parent().unwrap_or_default())?;
        Ok(scope.is_none_or(|scope| match &scope.fate {
            Fate::Open(git) => git.ignored(path, Entry::File).is_some(),
            Fate::Ignored(_) => true,
            Fate::Included => false,
        }))
    }

    /// The rules within the workspace root.
    pub fn root_scope(&self) -> RuleScope<'_> {
        RuleScope {
            rules: self,
            fate: Fate::Open(self.git.clone()),
            docker: Inherited::default(),
        }
    }

    /// The verdict on a directory, and the rules within it unless nothing below it can be kept.
    pub fn scope(&self, dir: &RepoPath) -> Result<(Verdict, Option<RuleScope<'_>>), IgnoreError> {
        let mut verdict = Verdict::Keep;
        let mut scope = self.root_scope();
        for dir in lineage(dir) {
            let (own, inner) = scope.enter(&dir, GitIgnores::again_in)?;
            verdict = own;
            match inner {
                Some(inner) => scope = inner,
                None => return Ok((verdict, None)),
            }
        }
        Ok((verdict, Some(scope)))
    }

    /// The verdict on a single file anywhere in the workspace.
    pub fn file(&self, path: &RepoPath) -> Result<Verdict, IgnoreError> {
        Ok(match self.scope(&path.parent().unwrap_or_default())? {
            (_, Some(scope)) => scope.file(path),
            (verdict, None) => verdict,
        })
    }

    /// The `include` glob that matches this path itself.
    pub fn included_by(&self, path: &RepoPath) -> Option<&str> {
        self.include.matching(path.as_str())
    }

    /// Only the `.dockerignore`, to measure what Docker itself would send.
    pub(crate) fn docker(&self) -> DockerScope<'_> {
        DockerScope {
            docker: &self.docker,
            inherited: Inherited::default(),
        }
    }
}

/// The directories from below the root down to `dir`, which is the last.
fn lineage(dir: &RepoPath) -> Vec<RepoPath> {
    let mut dirs: Vec<RepoPath> = std::iter::successors(Some(dir.clone()), RepoPath::parent)
        .filter(|dir| !dir.is_root())
        .collect();
    dirs.reverse();
    dirs
}

impl RuleScope<'_> {
    /// The verdict on a file or symlink in this directory.
    pub fn file(&self, path: &RepoPath) -> Verdict {
        self.decide(path, Entry::File).0.into()
    }

    /// The verdict on a directory in this one, and the rules within it unless nothing below it can
    /// be kept. Files below a dropped directory are kept if an `include` glob or an exception in
    /// the `.dockerignore` matches them.
    pub fn directory(&self, path: &RepoPath) -> Result<(Verdict, Option<Self>), IgnoreError> {
        self.enter(path, GitIgnores::with_file_in)
    }

    fn enter(
        &self,
        path: &RepoPath,
        read: impl Fn(&GitIgnores, &Tree, &RepoPath) -> Result<GitIgnores, TreeError>,
    ) -> Result<(Verdict, Option<Self>), IgnoreError> {
        let rules = self.rules;
        let (decision, docker) = self.decide(path, Entry::Directory);
        let included_below = || rules.include.may_match_below(path.as_str());
        let kept_below = || included_below() || rules.docker.may_keep_below(path.as_str());
        let fate = match &decision {
            Decision::Included => Some(Fate::Included),
            Decision::Open { git, dropped } if dropped.is_none() || kept_below() => {
                let git = read(git, &rules.tree, path)?;
                Some(Fate::Open(git))
            }
            Decision::Ignored(reason) if included_below() => Some(Fate::Ignored(reason.clone())),
            Decision::Open { .. } | Decision::Ignored(_) | Decision::Barred(_) => None,
        };
        Ok((
            decision.into(),
            fate.map(|fate| Self {
                rules,
                fate,
                docker,
            }),
        ))
    }

    fn decide(&self, path: &RepoPath, entry: Entry) -> (Decision<'_>, Inherited) {
        let rules = self.rules;
        let (dropped_by, docker) = rules.docker.judge(path.as_str(), &self.docker);
        let forbidden = forbidden::barred(path.as_str(), Area::Sources);
        let is_public = forbidden.is_some_and(forbidden::Rule::can_be_public)
            && entry == Entry::File
            && rules.public.matching(path.as_str()).is_some()
            && matches!(&self.fate, Fate::Open(git) if git.ignored(path, entry).is_none());
        let forbidden = forbidden.filter(|_| !is_public);
        let decision = if let Some(rule) = forbidden.filter(|rule| !rule.can_be_included()) {
            Decision::Barred(Reason::Never { name: rule.name })
        } else if let Some(pattern) = rules.exclude.matching(path.as_str()) {
            Decision::Barred(Reason::Exclude {
                pattern: pattern.to_owned(),
            })
        } else if is_public || rules.include.matching(path.as_str()).is_some() {
            Decision::Included
        } else {
            match &self.fate {
                Fate::Included => Decision::Included,
                Fate::Ignored(reason) => Decision::Ignored(reason.clone()),
                Fate::Open(git) => match git.ignored(path, entry) {
                    Some(by) => Decision::Ignored(Reason::GitIgnore {
                        file: by.file,
                        pattern: by.pattern,
                    }),
                    None => match (dropped_by, forbidden) {
                        (None, Some(rule)) => Decision::Ignored(Reason::Secret {
                            name: rule.name,
                            if_private: rule.kind == RuleKind::Key,
                        }),
                        (dropped_by, _) => Decision::Open {
                            git,
                            dropped: dropped_by.map(|line| Reason::DockerIgnore {
                                line: line.number,
                                pattern: line.text.clone(),
                            }),
                        },
                    },
                },
            }
        };
        (decision, docker)
    }
}

/// A verdict, and its effect on the paths below.
enum Decision<'scope> {
    /// Rules 1 and 2: dropped with everything below.
    Barred(Reason),
    /// Rule 3: kept, with everything below that is not barred.
    Included,
    /// Rules 4 and 6: dropped with everything below that is not included.
    Ignored(Reason),
    /// Rule 5: the verdict of `.dockerignore`, which judges each path below separately.
    Open {
        git: &'scope GitIgnores,
        dropped: Option<Reason>,
    },
}

impl From<Decision<'_>> for Verdict {
    fn from(decision: Decision<'_>) -> Self {
        match decision {
            Decision::Included | Decision::Open { dropped: None, .. } => Self::Keep,
            Decision::Barred(reason)
            | Decision::Ignored(reason)
            | Decision::Open {
                dropped: Some(reason),
                ..
            } => Self::Drop(reason),
        }
    }
}

/// The rules of the `.dockerignore` alone within one directory.
#[derive(Debug, Clone)]
pub(crate) struct DockerScope<'rules> {
    docker: &'rules DockerIgnore,
    inherited: Inherited,
}

impl DockerScope<'_> {
    /// Whether a file in this directory is sent.
    pub(crate) fn sends(&self, path: &str) -> bool {
        self.docker.is_empty() || self.docker.judge(path, &self.inherited).0.is_none()
    }

    /// The rules within a directory in this one, unless nothing below it is sent.
    pub(crate) fn directory(&self, path: &str) -> Option<Self> {
        let (dropped_by, inherited) = self.docker.judge(path, &self.inherited);
        (dropped_by.is_none() || self.docker.may_keep_below(path)).then_some(Self {
            docker: self.docker,
            inherited,
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never { name } => write!(f, "`{name}` never enters an image"),
            Self::Exclude { pattern } => write!(f, "excluded by `{pattern}`"),
            Self::GitIgnore { file, pattern } => write!(f, "`{pattern}` in `{file}`"),
            Self::DockerIgnore { line, pattern } => {
                write!(f, "`{pattern}` on line {line} of `{DOCKERIGNORE}`")
            }
            Self::Secret { name, .. } => {
                write!(f, "it likely holds secrets by its name ({name})")
            }
            Self::Special { kind } => write!(f, "it is {kind}"),
        }
    }
}

#[cfg(test)]
mod tests;
