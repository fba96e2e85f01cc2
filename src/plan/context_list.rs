//! The context's list: every file that the engine gets, with the reason for each.

use std::collections::{BTreeMap, BTreeSet};

use super::beside::Finder;
use super::{
    Brought, Content, ContextEntry, Engine, LOADER, PlanOptions, Proof, code, configured, inputs,
    install, nginx, place, trim, verify,
};
use crate::detect::{Delivery, exports, loader};
use crate::files::File;
use crate::files::ignore::Rules;
use crate::lockfile;
use crate::lockfile::Lockfiles;
use crate::needs::closure::Closure;
use crate::needs::tasks::{self, Tasks};
use crate::plan::PlanError;
use crate::plan::runs::node_options;
use crate::plan::sources::Usage;
use crate::plan::template::TemplateError;
use crate::plan::verify::Proved;
use crate::workspace::Workspace;
use crate::workspace::manifest::workspace as workspace_file;

/// What the list is made from.
pub(super) struct ContextList<'g, 'l, 'a> {
    pub(super) workspace: &'g Workspace,
    pub(super) lockfiles: &'g Lockfiles<'a>,
    pub(super) app: usize,
    pub(super) delivery: &'g Delivery,
    pub(super) build: &'g Closure<'l, 'a>,
    /// Nothing where the image needs no production modules.
    pub(super) runtime: Option<&'g Closure<'l, 'a>>,
    /// The files of every member of the build closure.
    pub(super) files: &'g BTreeMap<usize, Vec<File>>,
    pub(super) rules: &'g Rules,
    pub(super) options: &'g PlanOptions,
    /// What node is given before the app's own arguments.
    pub(super) signals: Option<&'static str>,
    /// What is built; where that is nothing, only what the image keeps is sent.
    pub(super) tasks: &'g Tasks,
    /// Whether anything is built.
    pub(super) builds: bool,
}

/// The list, and what else was found on the way.
pub(super) struct Gathered {
    /// All entries in order.
    pub(super) context: Vec<ContextEntry>,
    /// Outputs of other packages that the image gets.
    pub(super) brought: Vec<Brought>,
    /// What a reader should know.
    pub(super) warnings: Vec<String>,
}

impl ContextList<'_, '_, '_> {
    /// Makes the list.
    pub(super) fn entries(&self) -> Result<Gathered, PlanError> {
        let mut entries = Vec::new();
        self.sources(&mut entries)?;
        let beside = Finder::new(self, &entries).find()?;
        entries.extend(beside.files);
        let build = self.builds.then_some((self.build, place::BUILD));
        let runtime = self.runtime.map(|closure| (closure, place::PROD));
        for (closure, place) in build.into_iter().chain(runtime) {
            self.manifests(closure, place, &mut entries);
            entries.extend(install::local_files(
                self.workspace,
                closure,
                self.files,
                self.rules,
                place,
            )?);
            let why = "pnpm reads it when it installs";
            let install_files = install::settings_files(self.workspace, closure)?;
            entries.extend(
                install_files
                    .iter()
                    .map(|file| inputs::source(place, file, why)),
            );
        }
        if let Some(runtime) = self.runtime {
            let linked = inputs::linked(self.workspace, runtime, self.rules, place::PROD)?;
            entries.extend(linked);
        }
        let builds = [place::SRC, place::RUN, place::TOP];
        for (within, to) in [
            (&builds[..], place::ROOT),
            (&[place::RUN, place::BESIDE], place::PROD),
        ] {
            if to != place::PROD || self.runtime.is_some() {
                let led = inputs::led_to(self.workspace, self.rules, &entries, within, to)?;
                entries.extend(led);
            }
        }
        entries.extend(install::bin_stubs(self.workspace, self.build, place::BUILD));
        entries.extend(self.served()?);
        if self.runtime.is_some() && !self.options.whole_modules {
            entries.push(trim::entry());
        }
        if super::configured::is_writable(self.options, self.delivery) {
            entries.push(writable());
        }
        if self.options.proof != Proof::None {
            let of = |place: &str| -> BTreeSet<&str> {
                let paths = entries.iter().map(|entry| entry.path.as_str());
                let inside = paths.filter_map(|path| path.strip_prefix(place)?.strip_prefix('/'));
                inside.collect()
            };
            let (read, kept) = (
                &of(place::SRC) | &of(place::ROOT),
                &of(place::RUN) | &of(place::BESIDE),
            );
            let proved = Proved {
                workspace: self.workspace,
                lockfiles: self.lockfiles,
                app: self.app,
                delivery: self.delivery,
                signals: self.signals,
                node_options: {
                    let set = self.options.env.get("NODE_OPTIONS");
                    node_options(set.map(|given| &*given.value), self.delivery)
                },
                sources: (&read - &kept).into_iter().collect(),
            };
            let proof = verify::entries(&proved)?;
            entries.extend(proof);
        }
        if !self.builds {
            entries.retain(|entry| {
                let kept = [
                    place::PROD,
                    place::RUN,
                    place::TRIM,
                    place::VERIFY,
                    place::OWN,
                    place::BESIDE,
                ];
                kept.into_iter()
                    .any(|place| entry.path.starts_with(&format!("{place}/")))
            });
        }
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        entries.dedup_by(|later, first| later.path == first.path);
        Ok(Gathered {
            context: entries,
            brought: beside.brought,
            warnings: beside.warnings,
        })
    }

    /// How a site is served.
    fn served(&self) -> Result<Option<ContextEntry>, TemplateError> {
        let Delivery::Site(site) = self.delivery else {
            return Ok(None);
        };
        // Finished files all have one time, so that nothing can be told from it.
        let timeless = self.options.prebuilt || self.options.engine == Engine::Native;
        let port = configured::port(self.options, None).unwrap_or(configured::SITE_PORT);
        let own = &self.files[&self.app];
        let own = inputs::relative(own, &self.workspace.members[self.app].dir);
        Ok(Some(ContextEntry {
            path: format!("{}/nginx.conf", place::SERVE),
            content: Content::Made {
                text: nginx::configuration(site, &own, port, timeless)?.into(),
                executable: false,
            },
            why: "how the site is served".to_owned(),
        }))
    }

    /// Sources of members, and other files that builds read.
    fn sources(&self, entries: &mut Vec<ContextEntry>) -> Result<(), PlanError> {
        let forced = inputs::globs(&self.options.include);
        for (&at, files) in self.files {
            let dir = &self.workspace.members[at].dir;
            let usage = self.usage(at, &inputs::relative(files, dir));
            inputs::sources(files, dir, usage, &forced, entries);
        }
        entries.extend(inputs::linked(
            self.workspace,
            self.build,
            self.rules,
            place::SRC,
        )?);
        self.loader_files(entries)?;
        let root = inputs::root_files(
            self.workspace,
            self.files,
            self.rules,
            &self.options.include,
            &tasks::inputs(self.tasks, |at| at != 0)
                .cloned()
                .collect::<Vec<_>>(),
        )?;
        entries.extend(
            root.values()
                .map(|(file, why)| inputs::source(place::ROOT, file, why)),
        );
        entries.extend(inputs::top_files(self.workspace, self.rules, self.tasks)?);
        Ok(())
    }

    /// The configuration that is read when the app starts. What belongs to no package of the image lies beside its modules.
    fn loader_files(&self, entries: &mut Vec<ContextEntry>) -> Result<(), PlanError> {
        let Some((start, runtime)) = self.delivery.start().zip(self.runtime) else {
            return Ok(());
        };
        let loaded = code::of_app(self.workspace, self.rules, self.app)?;
        for path in loader::configuration(self.workspace, self.app, start, &loaded).files {
            let owner = self.workspace.enclosing(&path);
            let place = if owner != 0 && runtime.members.contains_key(&owner) {
                place::RUN
            } else {
                place::PROD
            };
            let file = File::load(&self.workspace.tree, &path)?;
            entries.retain(|entry| {
                place != place::RUN || entry.path != format!("{}/{path}", place::SRC)
            });
            entries.push(inputs::source(place, &file, LOADER));
        }
        Ok(())
    }

    /// How a member's files are used.
    fn usage(&self, at: usize, files: &BTreeSet<String>) -> Usage {
        if !self
            .runtime
            .is_some_and(|runtime| runtime.members.contains_key(&at))
        {
            return Usage::BuildOnly;
        }
        let from_sources = if at == self.app {
            self.delivery.start().is_some_and(|start| !start.built)
        } else {
            !self.tasks.run_in(at) || exports::uses_sources(self.workspace, at, files)
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
                text: text.into(),
                executable: false,
            };
            entries.push(ContextEntry {
                path: format!("{place}/{path}"),
                content: made,
                why: why.to_owned(),
            });
        };
        let why = "the lockfile without what this closure does not reach";
        for (dir, text) in closure.lockfiles(workspace) {
            made(
                dir.join(lockfile::FILE).unwrap_or_default().as_str(),
                text,
                why,
            );
        }
        made(
            workspace_file::FILE,
            closure.settings(workspace),
            "the settings, and the members of this closure",
        );
        for (path, text) in install::npmrcs(workspace, closure) {
            made(
                path.as_str(),
                text.to_owned(),
                "the settings without credentials",
            );
        }
        let why = "what an install reads of the manifest";
        let copied = closure.copied_directories();
        let root = workspace.root_member().manifest.file();
        made(root, closure.skeleton(workspace, 0), why);
        for &at in closure.members.keys().filter(|at| **at != 0) {
            let member = &workspace.members[at];
            let text = if copied.contains(&member.dir) {
                closure.manifest(workspace, at)
            } else {
                closure.skeleton(workspace, at)
            };
            made(member.manifest.file(), text, why);
        }
    }
}

/// The program that makes directories which the image's user may write to.
fn writable() -> ContextEntry {
    let program = include_str!("../../templates/writable.cjs");
    ContextEntry {
        path: format!("{}/writable.cjs", place::OWN),
        content: Content::Made {
            text: program.to_owned().into(),
            executable: false,
        },
        why: "makes the directories that the app writes to".to_owned(),
    }
}
