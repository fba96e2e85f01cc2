//! All lockfiles of a workspace: one at the root for every project, or one beside each manifest
//! (`sharedWorkspaceLockfile: false`).
//!
//! Callers ask for a project and get the right lockfile, however many there are.

use std::collections::BTreeMap;

use super::{Importer, Lockfile, LockfileError, Text};
use crate::model::path::RepoPath;

/// The texts of a workspace's lockfiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Texts {
    /// One at the root serves all projects.
    Shared(Text),
    /// Each project has its own, by directory.
    PerProject(BTreeMap<RepoPath, Text>),
}

impl Texts {
    /// The text at the root, or else any; all have the same format.
    pub fn first(&self) -> Option<&Text> {
        match self {
            Self::Shared(text) => Some(text),
            Self::PerProject(texts) => texts.values().next(),
        }
    }
}

/// The lockfiles of a workspace.
#[derive(Debug)]
pub struct Lockfiles<'a> {
    shared: bool,
    /// Sorted by directory.
    all: Vec<Lockfile<'a>>,
}

/// Where to find a project.
#[derive(Debug, PartialEq, Eq)]
pub struct Home {
    /// The lockfile, by position in [`Lockfiles::all`].
    pub lockfile: usize,
    /// The importer's key.
    pub key: String,
}

impl<'a> Lockfiles<'a> {
    /// Indexes the texts.
    pub fn parse(texts: &'a Texts) -> Result<Self, LockfileError> {
        match texts {
            Texts::Shared(text) => Ok(Self {
                shared: true,
                all: vec![Lockfile::read(RepoPath::ROOT, text)?],
            }),
            Texts::PerProject(texts) => {
                let parse = |(dir, text): (&RepoPath, &'a Text)| {
                    Lockfile::read(dir.clone(), text).map_err(|error| error.of(dir))
                };
                Ok(Self {
                    shared: false,
                    all: texts.iter().map(parse).collect::<Result<_, _>>()?,
                })
            }
        }
    }

    /// Whether one lockfile serves all projects.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// All lockfiles, by directory.
    pub fn all(&self) -> &[Lockfile<'a>] {
        &self.all
    }

    /// Where to look up the project in `dir`; `None` if its own lockfile is missing.
    pub fn home(&self, dir: &RepoPath) -> Option<Home> {
        let (lockfile, key) = if self.shared {
            (0, dir.to_string())
        } else {
            let at = self.all.binary_search_by(|one| one.dir().cmp(dir)).ok()?;
            (at, RepoPath::ROOT.to_string())
        };
        Some(Home { lockfile, key })
    }

    /// The importer of the project in `dir`, with its lockfile's position.
    pub fn project(&self, dir: &RepoPath) -> Option<(usize, &Importer<'a>)> {
        let home = self.home(dir)?;
        let importer = self.all[home.lockfile].importer(&home.key)?;
        Some((home.lockfile, importer))
    }

    /// How many packages an install of the whole workspace unpacks.
    pub fn package_total(&self) -> usize {
        self.all.iter().map(Lockfile::package_total).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      lib:
        specifier: workspace:*
        version: link:../../packages/lib
      x:
        specifier: '1'
        version: 1.0.0
";

    fn texts(dirs: &[(&str, &str)]) -> Texts {
        let own = dirs
            .iter()
            .map(|(dir, text)| (RepoPath::new(dir).unwrap(), Text::from(*text)));
        Texts::PerProject(own.collect())
    }

    #[test]
    fn a_project_is_known_to_its_own_lockfile() {
        let empty = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n";
        let texts = texts(&[(".", empty), ("apps/a", TEXT)]);
        let lockfiles = Lockfiles::parse(&texts).unwrap();
        let dir = |text| RepoPath::new(text).unwrap();
        let (at, importer) = lockfiles.project(&dir("apps/a")).unwrap();
        let lockfile = &lockfiles.all()[at];
        assert_eq!(lockfile.dir(), &dir("apps/a"));
        assert_eq!(
            lockfile.local_target(importer, &importer.dependencies[0]),
            Some(dir("packages/lib"))
        );
        assert_eq!(lockfiles.project(&dir(".")).unwrap().0, 0);
        assert_eq!(lockfiles.home(&dir("packages/lib")), None);
        let shared = Texts::Shared(TEXT.into());
        let shared = Lockfiles::parse(&shared).unwrap();
        let key = "packages/lib".to_owned();
        assert_eq!(
            shared.home(&dir("packages/lib")),
            Some(Home { lockfile: 0, key })
        );
        assert!(shared.project(&dir("packages/lib")).is_none());
    }

    #[test]
    fn messages_say_which_lockfile() {
        let error = |text| {
            let texts = texts(&[("apps/a", text)]);
            let error = Lockfiles::parse(&texts).unwrap_err();
            (error.to_string(), error.hint().is_some())
        };
        let expected = "`apps/a/pnpm-lock.yaml` has no `lockfileVersion`".to_owned();
        assert_eq!(error("importers:\n"), (expected, true));
        let expected = "cannot read `apps/a/pnpm-lock.yaml`, line 2: ";
        assert!(
            error("lockfileVersion: '9.0'\n\tx\n")
                .0
                .starts_with(expected)
        );
    }
}
