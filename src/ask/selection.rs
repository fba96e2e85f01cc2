//! Which apps of a workspace are meant: by globs, by turbo's filters, or all of them.
//!
//! Input: the workspace, and the words of a user. Output: identities of apps, each once. Only apps
//! that [`listing`](super::listing) lists are selected, those that need a decision among them: they
//! fail when they are planned, and so are never left out without a word.

mod error;
mod filter;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;

use crate::ask::listing::Listing;
use crate::files::glob::{self, Dialect};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::survey::Survey;
use crate::plan::PlanError;
use crate::workspace::Workspace;

pub use error::SelectionError;

use filter::{Around, Filter, Pattern};

/// The letters that make a glob of a word.
const WILD: [char; 4] = ['*', '?', '[', '{'];

/// Whether a word is a glob.
pub fn is_glob(word: &str) -> bool {
    word.contains(WILD)
}

/// The apps of a workspace, to select from.
pub struct Selection<'s> {
    survey: &'s Survey<'s>,
    /// The directory in the workspace that paths may start at.
    here: RepoPath,
    /// Sorted by directory.
    apps: Vec<MemberId>,
}

impl<'s> Selection<'s> {
    /// Finds the apps. Paths may start at `cwd` or at the root.
    pub fn new(survey: &'s Survey<'s>, cwd: &Path) -> Result<Self, PlanError> {
        let workspace = survey.workspace;
        let listed = Listing::of(survey)?.apps;
        let here = fs_err::canonicalize(cwd).ok();
        let here = here.and_then(|here| RepoPath::from_disk(&workspace.root, &here).ok());
        Ok(Self {
            survey,
            here: here.unwrap_or_default(),
            apps: listed
                .iter()
                .filter_map(|app| workspace.member_in(&app.dir))
                .collect(),
        })
    }

    /// All apps.
    pub fn all(&self) -> Result<Vec<MemberId>, SelectionError> {
        if self.apps.is_empty() {
            return Err(SelectionError::NoApps);
        }
        Ok(self.apps.clone())
    }

    /// The apps whose directory or name a glob matches.
    pub fn glob(&self, word: &str) -> Result<Vec<MemberId>, SelectionError> {
        let matched = self.by_glob(word)?;
        self.apps_of(word, &matched, &matched)
    }

    /// Adds what the filters select to the apps that are named already, and removes what they leave
    /// out. If there are only filters that leave out, they begin with all apps.
    pub fn filter(
        &self,
        named: Vec<MemberId>,
        filters: &[String],
    ) -> Result<Vec<MemberId>, SelectionError> {
        let filters = filters.iter().map(|text| Filter::parse(text));
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        let mut selected = named;
        if selected.is_empty() && filters.iter().all(|filter| filter.excludes) {
            selected = self.all()?;
        }
        for filter in filters.iter().filter(|filter| !filter.excludes) {
            selected.extend(self.selected(filter)?);
        }
        for filter in filters.iter().filter(|filter| filter.excludes) {
            let matched = self.matched(filter)?;
            let excluded = self.around(filter.around, &matched);
            selected.retain(|app| !excluded.contains(app));
        }
        if selected.is_empty() {
            return Err(SelectionError::NothingLeft);
        }
        Ok(once_each(selected))
    }

    /// The apps that a filter selects.
    fn selected(&self, filter: &Filter<'_>) -> Result<Vec<MemberId>, SelectionError> {
        let matched = self.matched(filter)?;
        let around = self.around(filter.around, &matched);
        self.apps_of(filter.text, &matched, &around)
    }

    /// The apps among these members; `matched` are those that the word itself names.
    fn apps_of(
        &self,
        word: &str,
        matched: &BTreeSet<MemberId>,
        members: &BTreeSet<MemberId>,
    ) -> Result<Vec<MemberId>, SelectionError> {
        let apps = self.apps.iter().copied();
        let apps: Vec<MemberId> = apps.filter(|app| members.contains(app)).collect();
        if !apps.is_empty() {
            return Ok(apps);
        }
        let users = self.around(Around::USERS, matched);
        Err(SelectionError::NoAppAmong {
            word: word.to_owned(),
            members: self.dirs(matched.iter().copied()),
            users: self.dirs(self.apps.iter().copied().filter(|app| users.contains(app))),
        })
    }

    /// The members that the filter's pattern names.
    fn matched(&self, filter: &Filter<'_>) -> Result<BTreeSet<MemberId>, SelectionError> {
        let workspace = self.survey.workspace;
        match filter.pattern {
            Pattern::Directories(glob) => self.by_directory(filter.text, glob, &self.place(glob)),
            Pattern::Names(name) if is_glob(name) => self.by_glob(name),
            Pattern::Names(name) => {
                let named = self.exactly(name);
                if named.is_empty() {
                    return Err(self.unknown(filter.text, name));
                }
                debug_assert!(
                    named
                        .iter()
                        .all(|at| at.position() < workspace.members.count())
                );
                Ok(named)
            }
        }
    }

    /// The members of this name, with or without its scope, or in this directory.
    fn exactly(&self, name: &str) -> BTreeSet<MemberId> {
        let members = &self.survey.workspace.members;
        let found = |is_it: &dyn Fn(&str, &RepoPath) -> bool| {
            let all = members.with_ids().filter(|(_, member)| {
                let name = member.manifest.name().unwrap_or_default();
                is_it(name, &member.dir)
            });
            all.map(|(at, _)| at).collect::<BTreeSet<_>>()
        };
        let path = RepoPath::new(name).ok();
        let whole = found(&|own, dir| own == name || Some(dir) == path.as_ref());
        if !whole.is_empty() {
            return whole;
        }
        // As in turbo and pnpm, the scope may be left out where that is clear.
        let bare = found(&|own, _| own.rsplit_once('/').is_some_and(|(_, own)| own == name));
        if bare.len() == 1 {
            bare
        } else {
            BTreeSet::new()
        }
    }

    /// The members whose directory or name a glob matches.
    fn by_glob(&self, word: &str) -> Result<BTreeSet<MemberId>, SelectionError> {
        let mut found = BTreeSet::new();
        if !word.starts_with('@') {
            found.extend(self.directories(word, word, &RepoPath::ROOT)?);
            found.extend(self.directories(word, word, &self.here)?);
        }
        let names = compiled(word, word)?;
        let members = self.survey.workspace.members.with_ids();
        let named = members.filter(|(_, member)| {
            let name = member.manifest.name().unwrap_or_default();
            names.is_match(name)
        });
        found.extend(named.map(|(at, _)| at));
        if found.is_empty() {
            return Err(self.unknown(word, word));
        }
        Ok(found)
    }

    fn by_directory(
        &self,
        word: &str,
        glob: &str,
        from: &RepoPath,
    ) -> Result<BTreeSet<MemberId>, SelectionError> {
        let found = self.directories(word, glob, from)?;
        if found.is_empty() {
            return Err(self.unknown(word, glob));
        }
        Ok(found)
    }

    /// The members in directories that a glob matches, relative to this one.
    fn directories(
        &self,
        word: &str,
        glob: &str,
        from: &RepoPath,
    ) -> Result<BTreeSet<MemberId>, SelectionError> {
        let Ok(glob) = from.join(glob) else {
            return Ok(BTreeSet::new());
        };
        let globs = compiled(word, glob.as_str())?;
        let members = self.survey.workspace.members.with_ids();
        let found = members.filter(|(_, member)| {
            member.dir == glob || (!member.dir.is_root() && globs.is_match(member.dir.as_str()))
        });
        Ok(found.map(|(at, _)| at).collect())
    }

    /// Where a path of a filter starts: here, if it says so.
    fn place(&self, glob: &str) -> RepoPath {
        if glob.starts_with('.') {
            self.here.clone()
        } else {
            RepoPath::ROOT
        }
    }

    /// These members with those around them that are asked for.
    fn around(&self, around: Around, members: &BTreeSet<MemberId>) -> BTreeSet<MemberId> {
        let mut found = BTreeSet::new();
        if around.itself {
            found.extend(members);
        }
        let needs = |at: MemberId| self.survey.graph.reachable(std::iter::once(at));
        if around.users {
            let users = self.survey.workspace.members.ids().filter(|at| {
                !members.contains(at) && needs(*at).iter().any(|needed| members.contains(needed))
            });
            found.extend(users);
        }
        if around.needs {
            let starts: Vec<MemberId> = if around.users {
                found.iter().copied().collect()
            } else {
                members.iter().copied().collect()
            };
            let needed = starts.into_iter().flat_map(needs);
            found.extend(
                needed
                    .filter(|at| !members.contains(at))
                    .collect::<Vec<_>>(),
            );
        }
        found
    }

    /// The error for a word that names nothing.
    fn unknown(&self, word: &str, name: &str) -> SelectionError {
        let plain = name.trim_start_matches("./").replace(WILD, "");
        SelectionError::Unknown {
            word: word.to_owned(),
            nearest: self.survey.workspace.nearest(&plain),
            apps: self.dirs(self.apps.iter().copied()),
        }
    }

    fn dirs(&self, members: impl Iterator<Item = MemberId>) -> Vec<String> {
        let workspace: &Workspace = self.survey.workspace;
        members
            .map(|at| workspace.members[at].dir.to_string())
            .collect()
    }
}

/// The same without repetitions, in the same order.
pub fn once_each(members: Vec<MemberId>) -> Vec<MemberId> {
    let mut seen = BTreeSet::new();
    let mut members = members;
    members.retain(|at| seen.insert(*at));
    members
}

fn compiled(word: &str, glob: &str) -> Result<glob::Globs, SelectionError> {
    let dialect = Dialect::default();
    glob::Globs::compile([glob], dialect).map_err(|(_, problem)| SelectionError::Glob {
        word: word.to_owned(),
        problem: problem.words(),
    })
}
