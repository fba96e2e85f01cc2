//! What git knows about the workspace: the commit that changes are counted from, and its files.
//!
//! Input: the workspace's root and the names that a base may have. Output: a [`Commit`], and its tree
//! in a directory of slimbuild's own. The user's repository, index and working tree are only read.
//!
//! Unlike [`git`](crate::workspace::git), this runs git's program, which people who ask for changes
//! have. Hooks and file system monitors that a repository names do not run; filters of
//! `.gitattributes` do, as in every checkout.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Serialize;

use crate::model::path::RepoPath;

/// Names of the default branch, where nothing names a base.
const DEFAULTS: [&str; 5] = [
    "origin/HEAD",
    "origin/main",
    "origin/master",
    "main",
    "master",
];

/// How many commits the proposed command fetches.
const DEPTH: u32 = 200;

/// Why there is no base to compare with.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is no git.
    #[error("cannot run `git`")]
    NoGit(#[source] std::io::Error),
    /// The workspace is in no repository, or git does not trust its owner.
    #[error("`{dir}` is in no git repository that can be used: {said}")]
    NoRepository {
        /// The workspace.
        dir: String,
        /// git's words.
        said: String,
    },
    /// A name means nothing here.
    #[error("there is no commit `{name}` here{}", given_by(*by))]
    Missing {
        /// The name.
        name: String,
        /// What gave the name.
        by: Option<&'static str>,
        /// The command that brings it, if one can.
        fetch: Option<String>,
    },
    /// Nothing names a base, and there is no default branch.
    #[error("nothing says what to compare with: there is none of {}", DEFAULTS.join(", "))]
    NoDefault,
    /// The histories do not meet, or not within the part that is here.
    #[error("`{name}` and HEAD have no common ancestor{}", if *.shallow { " in this shallow clone" } else { "" })]
    Apart {
        /// The base's name.
        name: String,
        /// Whether history is cut off.
        shallow: bool,
        /// The command that brings more of it.
        fetch: Option<String>,
    },
    /// git failed.
    #[error("`git {command}` failed: {said}")]
    Git {
        /// The command.
        command: String,
        /// git's words.
        said: String,
    },
    /// The tree cannot be written.
    #[error("cannot write the files of an earlier commit")]
    Write(#[from] std::io::Error),
}

fn given_by(by: Option<&str>) -> String {
    by.map_or_else(String::new, |by| format!(", which {by} names"))
}

impl HistoryError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoGit(_) => Some("install git, or build all apps".to_owned()),
            Self::NoRepository { .. } => Some(
                "run it in a clone; where git speaks of dubious ownership, its `safe.directory` allows it".to_owned(),
            ),
            Self::Missing { fetch: Some(fetch), .. } | Self::Apart { fetch: Some(fetch), .. } => {
                Some(format!("fetch it: `{fetch}`"))
            }
            Self::Missing { .. } => Some("name a branch, a tag or a commit that `git log` knows".to_owned()),
            Self::Apart { .. } => Some("name another commit with `--affected=REF`".to_owned()),
            Self::NoDefault => Some("name one with `--affected=REF`".to_owned()),
            Self::Git { .. } | Self::Write(_) => None,
        }
    }
}

/// A name of the base, and what gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseName {
    /// A branch, a tag or a commit.
    pub text: String,
    /// The variable that gave it; `None` for the command line.
    pub by: Option<&'static str>,
    /// Whether it is the name of a branch of the remote repository.
    pub is_branch: bool,
}

/// The commit that changes are counted from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Commit {
    /// The name that led to it.
    pub name: String,
    /// Its id: the common ancestor of what the name means and HEAD.
    pub commit: String,
}

/// The repository around a workspace.
#[derive(Debug)]
pub struct History {
    /// The top of the working tree.
    top: PathBuf,
    /// The workspace's path below it.
    below: RepoPath,
}

impl History {
    /// Finds the repository around the workspace at `root`.
    pub fn around(root: &Path) -> Result<Self, HistoryError> {
        let output = run(root, &["rev-parse", "--show-toplevel"], None)?;
        if !output.status.success() {
            return Err(HistoryError::NoRepository {
                dir: root.display().to_string(),
                said: words(&output.stderr),
            });
        }
        let top = PathBuf::from(text(&output.stdout));
        let below = RepoPath::from_disk(&top, root).map_err(|error| HistoryError::Git {
            command: "rev-parse --show-toplevel".to_owned(),
            said: error.to_string(),
        })?;
        Ok(Self { top, below })
    }

    /// The common ancestor of HEAD and the named base. Without a name, the base is the default
    /// branch.
    pub fn base(&self, name: Option<&BaseName>) -> Result<Commit, HistoryError> {
        let (name, id) = match name {
            Some(name) => self.named(name)?,
            None => self.default_branch()?,
        };
        let output = self.run(&["merge-base", "HEAD", &id])?;
        let found = text(&output.stdout);
        if output.status.success() && !found.is_empty() {
            return Ok(Commit {
                commit: found,
                name,
            });
        }
        let shallow = self.is_shallow()?;
        Err(HistoryError::Apart {
            fetch: shallow.then(|| format!("git fetch --deepen={DEPTH} origin")),
            name,
            shallow,
        })
    }

    /// A name and what it means here.
    fn named(&self, name: &BaseName) -> Result<(String, String), HistoryError> {
        let remote = format!("origin/{}", name.text);
        let tried: &[&str] = if name.is_branch {
            &[&remote, &name.text]
        } else {
            &[&name.text, &remote]
        };
        for name in tried {
            if let Some(id) = self.commit(name)? {
                return Ok(((*name).to_owned(), id));
            }
        }
        let branch = name.text.strip_prefix("origin/").unwrap_or(&name.text);
        let is_id = name.text.len() >= 7 && name.text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let plain = branch
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
        let fetch = if is_id {
            Some(format!("git fetch --depth={DEPTH} origin {}", name.text))
        } else if plain && !branch.starts_with('-') {
            Some(format!(
                "git fetch --depth={DEPTH} origin {branch}:refs/remotes/origin/{branch}"
            ))
        } else {
            None
        };
        Err(HistoryError::Missing {
            name: name.text.clone(),
            by: name.by,
            fetch,
        })
    }

    fn default_branch(&self) -> Result<(String, String), HistoryError> {
        for name in DEFAULTS {
            if let Some(id) = self.commit(name)? {
                return Ok((name.to_owned(), id));
            }
        }
        Err(HistoryError::NoDefault)
    }

    /// The commit that a name means.
    fn commit(&self, name: &str) -> Result<Option<String>, HistoryError> {
        let wanted = format!("{name}^{{commit}}");
        let output = self.run(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &wanted,
        ])?;
        Ok(output.status.success().then(|| text(&output.stdout)))
    }

    fn is_shallow(&self) -> Result<bool, HistoryError> {
        let output = self.run(&["rev-parse", "--is-shallow-repository"])?;
        Ok(text(&output.stdout) == "true")
    }

    /// Whether the working tree certainly has the same files as a commit: no file differs, and there
    /// is none that the commit lacks, except modules.
    pub fn is_unchanged_since(&self, commit: &Commit) -> Result<bool, HistoryError> {
        let output = self.run(&["diff", "--quiet", "--no-ext-diff", &commit.commit, "--"])?;
        match output.status.code() {
            Some(0) => {}
            Some(1) => return Ok(false),
            _ => return Err(failed("diff", &output)),
        }
        let output = self.run(&["ls-files", "-z", "--others", "--directory"])?;
        let others = output.stdout.split(|byte| *byte == 0);
        let others = others
            .map(String::from_utf8_lossy)
            .filter(|path| !path.is_empty());
        let is_modules = |path: &str| path.trim_end_matches('/').ends_with("node_modules");
        Ok(output.status.success() && others.into_iter().all(|path| is_modules(&path)))
    }

    /// Writes a commit's files into an empty directory, and returns where the workspace is in it. Of a
    /// workspace below the repository's top, only its own files and ignore rules above it are
    /// written.
    pub fn lay_out(
        &self,
        commit: &Commit,
        head: Option<&str>,
        into: &Path,
    ) -> Result<PathBuf, HistoryError> {
        let index = into.join("index");
        let tree = into.join("tree");
        fs_err::create_dir(&tree)?;
        let index = Some(index.as_os_str());
        self.need(&["read-tree", &commit.commit], index)?;
        let mut prefix = tree.clone().into_os_string();
        prefix.push("/");
        let mut into = std::ffi::OsString::from("--prefix=");
        into.push(&prefix);
        let checkout = ["checkout-index", "--force", "--quiet"].map(OsStr::new);
        let mut words: Vec<&OsStr> = checkout.into_iter().chain([into.as_os_str()]).collect();
        if self.below.is_root() {
            words.push(OsStr::new("--all"));
            let output = run(&self.top, &words, index)?;
            succeeded("checkout-index", output)?;
        } else {
            words.extend(["-z", "--stdin"].map(OsStr::new));
            let listed = self.need(&["ls-files", "-z", "--cached"], index)?;
            self.check_out(&words, index, &self.wanted(&listed.stdout))?;
        }
        // Ignore rules and lockfiles of branches look for a repository.
        let git = tree.join(".git");
        fs_err::create_dir(&git)?;
        let head = head.map_or_else(String::new, |branch| format!("ref: refs/heads/{branch}\n"));
        fs_err::write(git.join("HEAD"), head)?;
        Ok(self.below.on_disk(&tree))
    }

    /// The files of the workspace, and ignore rules above it. Each path ends in a zero.
    fn wanted(&self, all: &[u8]) -> Vec<u8> {
        let below = self.below.prefix();
        let rules: Vec<String> = std::iter::successors(self.below.parent(), RepoPath::parent)
            .map(|dir| dir.prefix() + ".gitignore")
            .collect();
        let is_wanted = |path: &[u8]| {
            path.starts_with(below.as_bytes()) || rules.iter().any(|rule| rule.as_bytes() == path)
        };
        let paths = all.split_inclusive(|byte| *byte == 0);
        let wanted = paths.filter(|path| is_wanted(path.strip_suffix(&[0]).unwrap_or(path)));
        wanted.flatten().copied().collect()
    }

    /// Gives `checkout-index` the paths.
    fn check_out(
        &self,
        words: &[&OsStr],
        index: Option<&OsStr>,
        paths: &[u8],
    ) -> Result<(), HistoryError> {
        let mut git = command(&self.top, words, index);
        git.stdin(Stdio::piped());
        let mut child = git.spawn().map_err(HistoryError::NoGit)?;
        // It writes little while it reads, so neither waits for the other. An early end shows below.
        let written = child.stdin.take().map(|mut input| input.write_all(paths));
        let output = child.wait_with_output().map_err(HistoryError::NoGit)?;
        succeeded("checkout-index", output)?;
        Ok(written.transpose().map(drop)?)
    }

    fn run(&self, words: &[&str]) -> Result<Output, HistoryError> {
        run(&self.top, words, None)
    }

    /// Runs git, which must succeed.
    fn need(&self, words: &[&str], index: Option<&OsStr>) -> Result<Output, HistoryError> {
        let output = run(&self.top, words, index)?;
        succeeded(words.first().unwrap_or(&""), output)
    }
}

/// When the checked out commit was made, in seconds since 1970. `None` without git or a commit.
pub fn committed(dir: &Path) -> Option<u64> {
    let words = ["rev-list", "--max-count=1", "--timestamp", "HEAD"];
    let output = run(dir, &words, None).ok()?;
    let output = output.status.success().then_some(output)?;
    text(&output.stdout).split_whitespace().next()?.parse().ok()
}

fn succeeded(command: &str, output: Output) -> Result<Output, HistoryError> {
    if output.status.success() {
        Ok(output)
    } else {
        Err(failed(command, &output))
    }
}

fn failed(command: &str, output: &Output) -> HistoryError {
    HistoryError::Git {
        command: command.to_owned(),
        said: words(&output.stderr),
    }
}

fn run(
    dir: &Path,
    words: &[impl AsRef<OsStr>],
    index: Option<&OsStr>,
) -> Result<Output, HistoryError> {
    command(dir, words, index)
        .output()
        .map_err(HistoryError::NoGit)
}

/// git, which asks nobody, and runs nothing that a repository names.
fn command(dir: &Path, words: &[impl AsRef<OsStr>], index: Option<&OsStr>) -> Command {
    let mut git = Command::new("git");
    git.current_dir(dir)
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(words)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(index) = index {
        git.env("GIT_INDEX_FILE", index);
    }
    git
}

/// A line that git printed.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

/// git's own words about a failure, on one line.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text
        .lines()
        .map(|line| line.trim_start_matches("fatal: ").trim());
    let lines = lines.filter(|line| !line.is_empty());
    lines.take(3).collect::<Vec<_>>().join("; ")
}
