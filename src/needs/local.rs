//! Local directories that dependencies lead to: members, directories in members, modules installed
//! by others, and other directories.

use crate::lockfile::{Field, Importer, Lockfile, LockfileError};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::workspace::{Member, Workspace};

/// The directory of installed modules.
const MODULES: &str = "node_modules";

/// What a `link:` leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// A member, or a directory in it: its build output, as with
    /// `publishConfig.directory`, or a part of its sources.
    Member(MemberId),
    /// A package installed by a member: the member and the dependency's name.
    Installed(MemberId, String),
    /// A module that no member installs. pnpm links missing targets too, and there is nothing to
    /// copy.
    Nothing,
    /// A directory of the workspace that belongs to no member.
    Directory,
}

impl Local {
    pub(super) fn of(workspace: &Workspace, dir: &RepoPath) -> Self {
        if let Some(at) = workspace.member_in(dir) {
            return Self::Member(at);
        }
        let parts: Vec<&str> = dir.parts().collect();
        if let Some(modules) = parts.iter().position(|part| *part == MODULES) {
            let owner = RepoPath::new(&parts[..modules].join("/")).unwrap_or_default();
            let name = match parts[modules + 1..] {
                [scope, name, ..] if scope.starts_with('@') => format!("{scope}/{name}"),
                [name, ..] => name.to_owned(),
                [] => String::new(),
            };
            return match workspace.member_in(&owner) {
                Some(at) => Self::Installed(at, name),
                None => Self::Nothing,
            };
        }
        match workspace.enclosing(dir) {
            at if at.is_root() => Self::Directory,
            at => Self::Member(at),
        }
    }
}

/// A `link:` in a manifest that the lockfile does not record, as with `excludeLinksFromLockfile`.
#[derive(Debug)]
pub(super) struct Unrecorded<'m> {
    pub(super) field: Field,
    pub(super) alias: &'m str,
    target: &'m str,
}

impl Unrecorded<'_> {
    /// The linked directory.
    pub(super) fn dir(&self, member: &Member) -> Result<RepoPath, LockfileError> {
        member
            .dir
            .join(self.target)
            .map_err(|_| LockfileError::Outside {
                from: format!("`{}` in `{}`", self.alias, member.manifest.file()),
                target: format!("link:{}", self.target),
            })
    }
}

/// The links of a member that its importer lacks.
pub(super) fn unrecorded<'m>(
    lockfile: Option<&Lockfile<'_>>,
    importer: Option<&Importer<'_>>,
    member: &'m Member,
) -> Vec<Unrecorded<'m>> {
    let excluded = lockfile.is_some_and(Lockfile::excludes_links);
    let fields = Field::ALL.into_iter().filter(|_| excluded);
    let all = fields.flat_map(|field| {
        let map = member.manifest.dependencies(field);
        map.into_iter().filter_map(move |(alias, specifier)| {
            let target = specifier.strip_prefix("link:")?;
            Some(Unrecorded {
                field,
                alias,
                target,
            })
        })
    });
    let recorded = |alias: &str| {
        let mut all = importer
            .into_iter()
            .flat_map(|importer| &importer.dependencies);
        all.any(|one| one.alias == alias)
    };
    all.filter(|one| !recorded(one.alias)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, workspace};

    #[test]
    fn where_links_lead() {
        let (_dir, workspace) = workspace(&[
            ("packages/l/package.json", "{}"),
            ("vendor/x/package.json", "{}"),
        ]);
        let l = at(&workspace, "packages/l");
        let installed = |at, name: &str| Local::Installed(at, name.to_owned());
        for (dir, local) in [
            ("packages/l", Local::Member(l)),
            ("packages/l/dist", Local::Member(l)),
            ("node_modules/is-odd", installed(MemberId::ROOT, "is-odd")),
            ("node_modules/@s/x/lib", installed(MemberId::ROOT, "@s/x")),
            ("packages/l/node_modules/x", installed(l, "x")),
            ("vendor/x/node_modules/y", Local::Nothing),
            ("vendor/x", Local::Directory),
        ] {
            let dir = RepoPath::new(dir).unwrap();
            assert_eq!(Local::of(&workspace, &dir), local, "{dir}");
        }
    }
}
