//! The workspace: its root, its members, and the files at the root that describe it.
//!
//! Goes in: a directory to start from. Comes out: every manifest, parsed. What depends on what is the lockfile's business.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use crate::git;
use crate::lockfile;
use crate::manifest::ManifestError;
use crate::manifest::npmrc::Npmrc;
use crate::manifest::package::Manifest;
use crate::manifest::turbo::{self, TurboManifest};
use crate::manifest::workspace::{self, WorkspaceManifest};
use crate::path::RepoPath;

/// A package of the workspace; the root project is one too.
#[derive(Debug)]
pub struct Member {
    /// Its directory.
    pub dir: RepoPath,
    /// Its `package.json`.
    pub manifest: Manifest,
    /// Its own `turbo.json`, if any.
    pub turbo: Option<TurboManifest>,
}

impl Member {
    /// The name that people call it by: the package's, or the directory where it has none.
    pub fn label(&self) -> String {
        self.manifest
            .name()
            .map_or_else(|| self.dir.to_string(), str::to_owned)
    }

    /// The importer's key in the lockfile.
    pub fn importer_key(&self) -> String {
        self.dir.to_string()
    }
}

/// Everything that describes the workspace.
#[derive(Debug)]
pub struct Workspace {
    /// Where it lies on disk.
    pub root: PathBuf,
    /// All members, the root project first, the others by directory.
    pub members: Vec<Member>,
    /// `pnpm-workspace.yaml`.
    pub settings: WorkspaceManifest,
    /// Its text.
    pub settings_text: String,
    /// The root's `turbo.json`, if any.
    pub turbo: Option<TurboManifest>,
    /// `.npmrc` without its secrets.
    pub npmrc: Npmrc,
    /// The text of `pnpm-lock.yaml`.
    pub lockfile_text: String,
}

/// Why there is no workspace, or no such app in it.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// No `pnpm-workspace.yaml` here or above.
    #[error("there is no `{}` in `{}` or above it", workspace::FILE, .0.display())]
    NoWorkspace(PathBuf),
    /// The directory to start from cannot be entered.
    #[error("cannot enter `{}`", .path.display())]
    NoDirectory {
        /// As it was given.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// No lockfile at the root.
    #[error("there is no `{}` beside `{}`", lockfile::FILE, workspace::FILE)]
    NoLockfile,
    /// A file cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A glob of `packages:` cannot be understood.
    #[error("`{}`: `{glob}` is not a glob: {problem}", workspace::FILE)]
    Glob {
        /// As it is written.
        glob: String,
        /// In globset's words.
        problem: String,
    },
    /// No member has that name or directory.
    #[error("there is no app `{name}` in this workspace")]
    UnknownApp {
        /// As it was given.
        name: String,
        /// Directories of members that look alike, best first.
        nearest: Vec<String>,
    },
    /// Several members have that name.
    #[error("`{name}` is the name of several packages: {}", .dirs.join(", "))]
    AmbiguousApp {
        /// As it was given.
        name: String,
        /// Their directories.
        dirs: Vec<String>,
    },
    /// The root project was named.
    #[error("the workspace's root is not an app")]
    RootIsNoApp {
        /// Some members that could be meant.
        members: Vec<String>,
    },
    /// The app's manifest has no name.
    #[error("`{0}` has no `name`")]
    Nameless(String),
}

impl WorkspaceError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoWorkspace(_) => Some(
                "run slimbuild inside a pnpm workspace, or name one with `-C DIR`; a repository becomes a workspace by a \
                 `pnpm-workspace.yaml` with `packages: ['apps/*', 'packages/*']`"
                    .to_owned(),
            ),
            Self::NoLockfile => Some("run `pnpm install` and commit the lockfile".to_owned()),
            Self::Manifest(error) => error.hint(),
            Self::UnknownApp { nearest, .. } if nearest.is_empty() => None,
            Self::UnknownApp { nearest, .. } => Some(format!("did you mean {}?", or_list(nearest))),
            Self::AmbiguousApp { .. } => Some("name the directory instead".to_owned()),
            Self::RootIsNoApp { members } if members.is_empty() => None,
            Self::RootIsNoApp { members } => Some(format!("name one of its packages: {}", or_list(members))),
            Self::Nameless(_) => Some("give it one: pnpm and turbo select packages by their names".to_owned()),
            Self::NoDirectory { .. } | Self::Glob { .. } => None,
        }
    }
}

/// `a`, `b` or `c`
fn or_list(names: &[String]) -> String {
    let ticked: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match ticked.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => ticked.concat(),
    }
}

/// The nearest directory with a `pnpm-workspace.yaml`, from `start` upwards.
pub fn find_root(start: &Path) -> Result<PathBuf, WorkspaceError> {
    let no_directory = |source| WorkspaceError::NoDirectory {
        path: start.to_path_buf(),
        source,
    };
    let start = fs_err::canonicalize(start).map_err(no_directory)?;
    let root = start
        .ancestors()
        .find(|dir| dir.join(workspace::FILE).is_file());
    root.map(Path::to_path_buf)
        .ok_or(WorkspaceError::NoWorkspace(start.clone()))
}

impl Workspace {
    /// Reads the workspace whose root is `root`.
    pub fn load(root: &Path) -> Result<Self, WorkspaceError> {
        let settings_text = read(root, workspace::FILE)?.unwrap_or_default();
        let settings = WorkspaceManifest::parse(&settings_text)?;
        let turbo = turbo_manifest(root, &RepoPath::ROOT)?;
        let npmrc = read(root, ".npmrc")?
            .map(|text| Npmrc::parse(&text))
            .unwrap_or_default();
        let by_branch = settings
            .git_branch_lockfile
            .unwrap_or(npmrc.get("git-branch-lockfile") == Some("true"));
        let branch = git::branch(root)
            .filter(|_| by_branch)
            .map(|branch| lockfile::branch_file(&branch));
        let files: Vec<String> = branch
            .into_iter()
            .chain([lockfile::FILE.to_owned()])
            .collect();
        let lockfile_text = lockfile::load(root, &files)
            .map_err(ManifestError::from)?
            .ok_or(WorkspaceError::NoLockfile)?;
        let mut members = vec![member(root, RepoPath::ROOT)?];
        for dir in expand(root, settings.packages.as_deref().unwrap_or_default())? {
            members.push(member(root, dir)?);
        }
        Ok(Self {
            root: root.to_path_buf(),
            members,
            settings,
            settings_text,
            turbo,
            npmrc,
            lockfile_text,
        })
    }

    /// The root project.
    pub fn root_member(&self) -> &Member {
        &self.members[0]
    }

    /// The position of the member in this directory.
    pub fn position(&self, dir: &RepoPath) -> Option<usize> {
        self.members
            .binary_search_by(|member| member.dir.cmp(dir))
            .ok()
    }

    /// The member whose directory is the deepest that holds `path`; the root project where no other does.
    pub fn enclosing(&self, path: &RepoPath) -> usize {
        let mut dir = Some(path.clone());
        while let Some(at) = dir {
            if let Some(found) = self.position(&at) {
                return found;
            }
            dir = at.parent();
        }
        0
    }

    /// Finds the app that a user names: by directory (seen from `cwd`, or from the root) or by package name.
    pub fn find_app(&self, name: &str, cwd: &Path) -> Result<usize, WorkspaceError> {
        let here = fs_err::canonicalize(cwd)
            .ok()
            .and_then(|cwd| RepoPath::from_disk(&self.root, &cwd).ok());
        let from_here = match (&here, Path::new(name).is_absolute()) {
            (_, true) => fs_err::canonicalize(name)
                .ok()
                .and_then(|path| RepoPath::from_disk(&self.root, &path).ok()),
            (Some(here), false) => here.join(name).ok(),
            (None, false) => None,
        };
        let by_dir = |dir: Option<RepoPath>| dir.and_then(|dir| self.position(&dir));
        // `.` deep inside an app means that app.
        let enclosing = || match (name, &here) {
            ("." | "./", Some(here)) => Some(self.enclosing(here)),
            _ => None,
        };
        let found = by_dir(from_here)
            .or_else(enclosing)
            .or_else(|| by_dir(RepoPath::new(name).ok()));
        let at = match found {
            Some(at) => at,
            None => self.find_by_name(name)?,
        };
        if at == 0 {
            return Err(WorkspaceError::RootIsNoApp {
                members: self.app_dirs(),
            });
        }
        let member = &self.members[at];
        if member.manifest.name().is_none() {
            return Err(WorkspaceError::Nameless(member.manifest.file().to_owned()));
        }
        Ok(at)
    }

    fn find_by_name(&self, name: &str) -> Result<usize, WorkspaceError> {
        let named: Vec<usize> = (0..self.members.len())
            .filter(|&at| self.members[at].manifest.name() == Some(name))
            .collect();
        match named[..] {
            [at] => Ok(at),
            [] => Err(WorkspaceError::UnknownApp {
                name: name.to_owned(),
                nearest: self.nearest(name),
            }),
            _ => Err(WorkspaceError::AmbiguousApp {
                name: name.to_owned(),
                dirs: named
                    .iter()
                    .map(|&at| self.members[at].dir.to_string())
                    .collect(),
            }),
        }
    }

    /// Up to three members that look like `name`.
    fn nearest(&self, name: &str) -> Vec<String> {
        let wanted = name.trim_end_matches('/').to_lowercase();
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_lowercase();
        let alike = |text: &str| {
            let whole = strsim::normalized_damerau_levenshtein(&wanted, &text.to_lowercase());
            whole.max(strsim::normalized_damerau_levenshtein(
                &last(&wanted),
                &last(text),
            ))
        };
        let mut scored: Vec<(f64, String)> = self.members[1..]
            .iter()
            .map(|member| {
                let dir = member.dir.to_string();
                let score = member.manifest.name().map_or(0.0, &alike).max(alike(&dir));
                (score, dir)
            })
            .filter(|(score, _)| *score > 0.55)
            .collect();
        scored.sort_by(|left, right| {
            right
                .0
                .total_cmp(&left.0)
                .then_with(|| left.1.cmp(&right.1))
        });
        let found: Vec<String> = scored.into_iter().take(3).map(|(_, dir)| dir).collect();
        if found.is_empty() {
            self.app_dirs()
        } else {
            found
        }
    }

    /// The directories of members that are apps by their place, or of all, for lists in messages.
    pub fn app_dirs(&self) -> Vec<String> {
        let dirs = || {
            self.members[1..]
                .iter()
                .map(|member| member.dir.to_string())
        };
        let apps: Vec<String> = dirs()
            .filter(|dir| dir.starts_with("apps/"))
            .take(8)
            .collect();
        if apps.is_empty() {
            dirs().take(8).collect()
        } else {
            apps
        }
    }
}

fn read(root: &Path, file: &str) -> Result<Option<String>, ManifestError> {
    match fs_err::read_to_string(root.join(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn turbo_manifest(root: &Path, dir: &RepoPath) -> Result<Option<TurboManifest>, ManifestError> {
    for name in turbo::FILES {
        let file = below(dir, name);
        if let Some(text) = read(root, &file)? {
            return TurboManifest::parse(&file, &text).map(Some);
        }
    }
    Ok(None)
}

fn member(root: &Path, dir: RepoPath) -> Result<Member, ManifestError> {
    let file = below(&dir, "package.json");
    let manifest = match read(root, &file)? {
        Some(text) => Manifest::parse(&file, &text)?,
        // A root without a manifest is fine with pnpm.
        None => Manifest::parse(&file, "{}")?,
    };
    let turbo = if dir.is_root() {
        None
    } else {
        turbo_manifest(root, &dir)?
    };
    Ok(Member {
        dir,
        manifest,
        turbo,
    })
}

fn below(dir: &RepoPath, name: &str) -> String {
    if dir.is_root() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// The directories with a `package.json` that the globs of `packages:` name, as pnpm finds them: a `!` glob takes away wherever it stands in
/// the list (tried with pnpm 8, 9, 10 and 12), `node_modules` and `bower_components` are never entered, and `*` matches no leading dot
/// ([`find-packages`](https://github.com/pnpm/pnpm/blob/main/workspace/projects-reader)).
fn expand(root: &Path, globs: &[String]) -> Result<Vec<RepoPath>, WorkspaceError> {
    let (mut wanted, mut unwanted) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    let mut depth = 0;
    for glob in globs {
        let (set, pattern) = match glob.strip_prefix('!') {
            Some(pattern) => (&mut unwanted, pattern),
            None => (&mut wanted, glob.as_str()),
        };
        let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
        let fail = |error: &globset::Error| WorkspaceError::Glob {
            glob: glob.clone(),
            problem: error.kind().to_string(),
        };
        let built = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| fail(&error))?;
        set.add(built);
        if !glob.starts_with('!') {
            depth = depth.max(if pattern.contains("**") {
                usize::MAX
            } else {
                pattern.matches('/').count() + 1
            });
        }
    }
    let fail = |error: globset::Error| WorkspaceError::Glob {
        glob: globs.join(", "),
        problem: error.kind().to_string(),
    };
    let (wanted, unwanted): (GlobSet, GlobSet) = (
        wanted.build().map_err(fail)?,
        unwanted.build().map_err(fail)?,
    );
    let mut found = Vec::new();
    let enter =
        |name: &str| !name.starts_with('.') && !matches!(name, "node_modules" | "bower_components");
    let walk = WalkDir::new(root)
        .min_depth(1)
        .max_depth(depth)
        .into_iter()
        .filter_entry(|entry| {
            entry.depth() == 0
                || (entry.file_type().is_dir() && entry.file_name().to_str().is_some_and(enter))
        });
    for entry in walk {
        // What cannot be entered cannot be a member; pnpm passes over it too.
        let Ok(entry) = entry else { continue };
        let Ok(dir) = RepoPath::from_disk(root, entry.path()) else {
            continue;
        };
        let name = dir.as_str();
        if wanted.is_match(name)
            && !unwanted.is_match(name)
            && entry.path().join("package.json").is_file()
        {
            found.push(dir);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree;

    #[test]
    fn globs_as_pnpm_reads_them() {
        let manifest = "{}";
        let dir = tree(&[
            ("packages/a/package.json", manifest),
            ("packages/b/package.json", manifest),
            ("packages/.hidden/package.json", manifest),
            ("packages/deep/x/package.json", manifest),
            ("packages/b/node_modules/c/package.json", manifest),
            ("packages/none/readme", ""),
            ("apps/w/package.json", manifest),
        ]);
        let found = |globs: &[&str]| {
            let globs: Vec<String> = globs.iter().map(|&glob| glob.to_owned()).collect();
            expand(dir.path(), &globs)
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(found(&["packages/*"]), "packages/a packages/b");
        assert_eq!(
            found(&["!packages/a", "packages/**", "./apps/*/"]),
            "apps/w packages/b packages/deep/x"
        );
        assert_eq!(found(&["{apps,packages}/*", "!**/b"]), "apps/w packages/a");
        assert_eq!(found(&[]), "");
    }

    #[test]
    fn a_branch_may_have_a_lockfile_of_its_own() {
        let text = |setting: &str, head: &str| {
            let dir = tree(&[
                ("pnpm-workspace.yaml", setting),
                ("pnpm-lock.yaml", "main"),
                ("pnpm-lock.feature!x.yaml", "branch"),
                (".git/HEAD", head),
            ]);
            Workspace::load(dir.path()).unwrap().lockfile_text
        };
        assert_eq!(
            text("gitBranchLockfile: true\n", "ref: refs/heads/Feature/X\n"),
            "branch"
        );
        assert_eq!(
            text("gitBranchLockfile: true\n", "ref: refs/heads/other\n"),
            "main"
        );
        assert_eq!(
            text("packages: []\n", "ref: refs/heads/Feature/X\n"),
            "main"
        );
    }

    #[test]
    fn apps_by_directory_and_name() {
        let dir = tree(&[
            ("pnpm-workspace.yaml", "packages: ['apps/*', 'libs/*']"),
            ("pnpm-lock.yaml", ""),
            ("package.json", "{}"),
            ("apps/server/package.json", r#"{"name": "@shop/server"}"#),
            ("apps/server/src/x", ""),
            ("apps/nameless/package.json", "{}"),
            ("libs/a/package.json", r#"{"name": "twin"}"#),
            ("libs/b/package.json", r#"{"name": "twin"}"#),
        ]);
        let root = find_root(&dir.path().join("apps/server/src")).unwrap();
        let workspace = Workspace::load(&root).unwrap();
        let find = |name: &str, cwd: &str| match workspace.find_app(name, &root.join(cwd)) {
            Ok(at) => workspace.members[at].dir.to_string(),
            Err(error) => format!("{error}; {}", error.hint().unwrap_or_default()),
        };
        for (name, cwd) in [
            ("apps/server", ""),
            ("./apps/server/", ""),
            ("@shop/server", "libs/a"),
            (".", "apps/server"),
            (".", "apps/server/src"),
            ("../../apps/server", "libs/a"),
            ("apps/server", "libs/a"),
        ] {
            assert_eq!(find(name, cwd), "apps/server", "{name} in {cwd}");
        }
        assert_eq!(
            find("apps/sever", ""),
            "there is no app `apps/sever` in this workspace; did you mean `apps/server`?"
        );
        assert_eq!(
            find("twin", ""),
            "`twin` is the name of several packages: libs/a, libs/b; name the directory instead"
        );
        assert_eq!(
            find("apps/nameless", ""),
            "`apps/nameless/package.json` has no `name`; give it one: pnpm and turbo select packages by their names"
        );
        assert!(find(".", "").starts_with("the workspace's root is not an app; name one of its packages: `apps/nameless` or `apps/server`"));
    }
}
