//! The context's list: every file that the engine gets, with the reason for each.

use std::collections::{BTreeMap, BTreeSet};

use super::{Content, ContextEntry, PlanOptions, inputs, place};
use crate::closure::Closure;
use crate::detect::start::{self, Start};
use crate::error::Error;
use crate::files::{self, File};
use crate::ignore::Rules;
use crate::lockfile::Lockfile;
use crate::manifest::workspace as workspace_file;
use crate::sources::Usage;
use crate::tasks;
use crate::workspace::Workspace;

/// What the list is made from.
pub(super) struct Gather<'g, 'l, 'a> {
    pub(super) workspace: &'g Workspace,
    pub(super) lockfile: &'g Lockfile<'a>,
    pub(super) app: usize,
    pub(super) start: &'g Start,
    pub(super) build: &'g Closure<'l, 'a>,
    pub(super) runtime: &'g Closure<'l, 'a>,
    /// The files of every member of the build closure.
    pub(super) files: &'g BTreeMap<usize, Vec<File>>,
    pub(super) rules: &'g Rules,
    pub(super) options: &'g PlanOptions,
}

impl Gather<'_, '_, '_> {
    /// All entries in order.
    pub(super) fn entries(&self) -> Result<Vec<ContextEntry>, Error> {
        let mut entries = Vec::new();
        self.sources(&mut entries)?;
        let install_files = inputs::install_files(self.workspace)?;
        for (closure, place) in [(self.build, place::BUILD), (self.runtime, place::PROD)] {
            self.manifests(closure, place, &mut entries);
            self.local_files(closure, place, &mut entries)?;
            let why = "pnpm reads it when it installs";
            entries.extend(
                install_files
                    .iter()
                    .map(|file| inputs::source(place, file, why)),
            );
        }
        self.bin_stubs(&mut entries);
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        entries.dedup_by(|later, first| later.path == first.path);
        Ok(entries)
    }

    /// Sources of members, and other files that builds read.
    fn sources(&self, entries: &mut Vec<ContextEntry>) -> Result<(), Error> {
        let forced = inputs::globs(&self.options.include);
        for (&at, files) in self.files {
            let dir = &self.workspace.members[at].dir;
            let usage = self.usage(at, &inputs::relative(files, dir));
            inputs::sources(files, dir, usage, &forced, entries);
        }
        for dir in &self.build.linked {
            let why = "a `link:` in the lockfile leads here";
            let linked =
                files::walk(&self.workspace.root, dir, &BTreeSet::new(), self.rules)?.files;
            entries.extend(
                linked
                    .iter()
                    .map(|file| inputs::source(place::SRC, file, why)),
            );
        }
        let root = inputs::root_files(
            self.workspace,
            self.files,
            self.rules,
            &self.options.include,
        )?;
        entries.extend(
            root.values()
                .map(|(file, why)| inputs::source(place::ROOT, file, why)),
        );
        Ok(())
    }

    /// How a member's files are used.
    fn usage(&self, at: usize, files: &BTreeSet<String>) -> Usage {
        if !self.runtime.members.contains_key(&at) {
            return Usage::BuildOnly;
        }
        let from_sources = if at == self.app {
            !self.start.built
        } else {
            tasks::scripts(self.workspace, at).is_empty()
                || start::uses_sources(self.workspace, at, files)
        };
        if from_sources {
            Usage::Sources
        } else {
            Usage::Outputs
        }
    }

    /// What an install reads: the lockfile, the workspace file, `.npmrc`, and the skeletons.
    fn manifests(&self, closure: &Closure<'_, '_>, place: &str, entries: &mut Vec<ContextEntry>) {
        let workspace = self.workspace;
        let mut made = |path: &str, text: String, why: &str| {
            let made = Content::Made {
                text,
                executable: false,
            };
            entries.push(ContextEntry {
                path: format!("{place}/{path}"),
                content: made,
                why: why.to_owned(),
            });
        };
        let dirs: Vec<String> = closure
            .members
            .keys()
            .filter(|at| **at != 0)
            .map(|&at| workspace.members[at].dir.to_string())
            .collect();
        made(
            "pnpm-lock.yaml",
            closure.lockfile(workspace, self.lockfile),
            "the lockfile without what this closure does not reach",
        );
        made(
            workspace_file::FILE,
            workspace_file::with_members(&workspace.settings_text, dirs.iter().map(String::as_str)),
            "the settings, and the members of this closure",
        );
        if !workspace.npmrc.text.is_empty() {
            made(
                ".npmrc",
                workspace.npmrc.text.clone(),
                "the settings without credentials",
            );
        }
        let why = "what an install reads of the manifest";
        made("package.json", closure.skeleton(workspace, 0), why);
        for &at in closure.members.keys().filter(|at| **at != 0) {
            let dir = &workspace.members[at].dir;
            let text = if closure.reach.copied_directories().contains(dir) {
                closure.manifest(workspace, at)
            } else {
                closure.skeleton(workspace, at)
            };
            made(&format!("{dir}/package.json"), text, why);
        }
    }

    /// Files that an install copies out of the workspace: tarballs, and the sources of packages that are not linked but copied.
    fn local_files(
        &self,
        closure: &Closure<'_, '_>,
        place: &str,
        entries: &mut Vec<ContextEntry>,
    ) -> Result<(), Error> {
        let workspace = self.workspace;
        for tarball in closure.reach.tarballs() {
            let file = File::load(&workspace.root, tarball).map_err(|_| Error::MissingFile {
                by: "pnpm-lock.yaml".to_owned(),
                path: tarball.to_string(),
            })?;
            entries.push(inputs::source(
                place,
                &file,
                "a `file:` in the lockfile names it",
            ));
        }
        let why = "pnpm copies this package when it installs";
        for dir in closure.reach.copied_directories() {
            let member = workspace.position(dir).and_then(|at| self.files.get(&at));
            let walked;
            let files = if let Some(files) = member {
                files
            } else {
                walked = files::walk(&workspace.root, dir, &BTreeSet::new(), self.rules)?.files;
                &walked
            };
            let manifest = dir.join("package.json").unwrap_or_default();
            let has_skeleton = workspace.position(dir).is_some();
            entries.extend(
                files
                    .iter()
                    .filter(|file| !has_skeleton || file.path != manifest)
                    .map(|file| inputs::source(place, file, why)),
            );
        }
        Ok(())
    }

    /// pnpm links only those binaries of a member whose files are there when it installs; sources and outputs come later. The stub's first line
    /// tells pnpm to call node.
    fn bin_stubs(&self, entries: &mut Vec<ContextEntry>) {
        let (workspace, closure) = (self.workspace, self.build);
        for &at in closure.members.keys().filter(|at| **at != 0) {
            let member = &workspace.members[at];
            let Some(bin) = member.manifest.get("bin") else {
                continue;
            };
            let files: Vec<&str> = match bin {
                serde_json::Value::String(file) => vec![file],
                serde_json::Value::Object(map) => {
                    map.values().filter_map(serde_json::Value::as_str).collect()
                }
                _ => Vec::new(),
            };
            for file in files {
                let Ok(path) = member.dir.join(file) else {
                    continue;
                };
                if path.is_within(&member.dir) {
                    let made = Content::Made {
                        text: "#!/usr/bin/env node\n".to_owned(),
                        executable: true,
                    };
                    let why =
                        "stands in for a binary that comes later: pnpm links only what is there"
                            .to_owned();
                    entries.push(ContextEntry {
                        path: format!("{}/{path}", place::BUILD),
                        content: made,
                        why,
                    });
                }
            }
        }
    }
}
