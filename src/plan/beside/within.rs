//! Files of a package itself that its code certainly reads, though they look as if they were for
//! developers only: `docs/openapi.json`, `scripts/worker.js`.

use super::Finder;
use crate::detect::exports::is_code;
use crate::detect::reads::Path;
use crate::files::ignore::Verdict;
use crate::files::tree::{FileKind, optional};
use crate::files::{self, File};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::PlanError;
use crate::plan::sources::{Role, Usage, role};

impl Finder<'_, '_, '_, '_> {
    /// Adds what a path in a package's code leads to within the package. `bases` are the directories
    /// that it may be relative to.
    pub(super) fn within(
        &mut self,
        of: MemberId,
        path: &Path,
        bases: &[RepoPath],
        by: &str,
    ) -> Result<(), PlanError> {
        let list = self.list;
        let (workspace, own) = (list.workspace, &list.workspace.members[of].dir);
        let targets = bases.iter().filter_map(|base| {
            let target = base.join(path.path.trim_start_matches('/')).ok()?;
            let inside = target.strip(own).filter(|inside| !inside.is_empty())?;
            let is_kept = role(inside, Usage::Sources).0 == Role::Image;
            let is_own = workspace.enclosing(&target) == of;
            (is_own && !is_kept).then_some(target)
        });
        for target in targets.collect::<Vec<_>>() {
            let Some(found) = optional(workspace.tree.metadata(&target))? else {
                continue;
            };
            if self.is_kept(&target) || !self.seen.insert(target.clone()) {
                continue;
            }
            let why = format!("{by} reads it");
            if found.kind == FileKind::Directory {
                let nested = workspace.nested(&target).map(|member| member.dir.clone());
                let nested = nested.collect();
                let files = files::walk(&workspace.tree, &target, &nested, list.rules)?.files;
                if files.len() <= super::MAX_FILES {
                    for file in &files {
                        self.take(file, &why);
                    }
                }
                continue;
            }
            if !matches!(list.rules.file(&target)?, Verdict::Keep) {
                continue;
            }
            self.take(&File::load(&workspace.tree, &target)?, &why);
            if is_code(target.as_str()) {
                let dir = target.parent().unwrap_or_default();
                let name = format!("./{}", target.file_name().unwrap_or_default());
                self.follow(None, vec![(dir, name)], by)?;
            }
        }
        Ok(())
    }
}
