//! The context's list: every file that the engine gets, with the reason for each.

use std::collections::{BTreeMap, BTreeSet};

use super::beside::Finder;
use super::code::Source;
use super::{
    Brought, ContextEntry, Engine, Place, PlanOptions, Proof, code, configured, context_entry,
    inputs, install, nginx, string_names, trim, verify,
};
use crate::detect::{Delivery, exports, loader};
use crate::files::File;
use crate::files::ignore::Rules;
use crate::lockfile;
use crate::lockfile::Lockfiles;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::needs::tasks::{self, Tasks};
use crate::plan::PlanError;
use crate::plan::runs::node_options;
use crate::plan::sources::Usage;
use crate::plan::template::TemplateError;
use crate::plan::verify::Proved;
use crate::workspace::Workspace;
use crate::workspace::manifest::workspace as workspace_file;

/// The input of the list.
pub(super) struct ContextList<'g, 'l, 'a> {
    pub(super) workspace: &'g Workspace,
    pub(super) lockfiles: &'g Lockfiles<'a>,
    pub(super) app: MemberId,
    pub(super) delivery: &'g Delivery,
    pub(super) build: &'g Closure<'l, 'a>,
    /// `None` if the image needs no production modules.
    pub(super) runtime: Option<&'g Closure<'l, 'a>>,
    /// The files of every member of the build closure.
    pub(super) files: &'g BTreeMap<MemberId, Vec<File>>,
    pub(super) rules: &'g Rules,
    pub(super) options: &'g PlanOptions,
    /// The node argument for signals, before the app's own arguments.
    pub(super) signals: Option<&'static str>,
    /// The tasks. If there are none, only files that the image keeps are sent.
    pub(super) tasks: &'g Tasks,
    /// Whether anything is built.
    pub(super) builds: bool,
}

/// The list, and other findings.
pub(super) struct Gathered {
    /// All entries in order.
    pub(super) context: Vec<ContextEntry>,
    /// Files that only the install of the runtime closure reads.
    pub(super) install_only: Vec<RepoPath>,
    /// Outputs of other packages for the image.
    pub(super) brought: Vec<Brought>,
    /// Warnings for the user.
    pub(super) warnings: Vec<String>,
}

impl ContextList<'_, '_, '_> {
    /// Makes the list.
    pub(super) fn entries(&self) -> Result<Gathered, PlanError> {
        let mut entries = Vec::new();
        self.sources(&mut entries)?;
        let sources = self.running()?;
        let named = string_names::found(self, &sources);
        let beside = Finder::new(self, &entries).find(&sources)?;
        entries.extend(beside.files);
        let build = self.builds.then_some((self.build, Place::Build));
        let runtime = self.runtime.map(|closure| (closure, Place::Prod));
        let mut install_only = Vec::new();
        for (closure, place) in build.into_iter().chain(runtime) {
            self.manifests(closure, place, &mut entries);
            entries.extend(install::local_files(
                self.workspace,
                closure,
                self.files,
                self.rules,
                place,
            )?);
            let settings = install::settings_files(self.workspace, closure)?;
            let why = "pnpm reads it when it installs";
            for file in &settings {
                entries.push(ContextEntry::source(place, file, why));
            }
            if place == Place::Prod {
                install_only.extend(settings.into_iter().map(|file| file.path));
            }
        }
        if let Some(runtime) = self.runtime {
            let linked = inputs::linked(self.workspace, runtime, self.rules, Place::Prod)?;
            entries.extend(linked);
        }
        let builds = [Place::Src, Place::Run, Place::Top, Place::Home];
        for (within, to) in [
            (&builds[..], Place::Root),
            (&[Place::Run, Place::Home, Place::Prod], Place::Beside),
        ] {
            if to == Place::Root || self.runtime.is_some() {
                let led = inputs::link_targets(self.workspace, self.rules, &entries, within, to)?;
                entries.extend(led);
            }
        }
        entries.extend(install::bin_stubs(self.workspace, self.build, Place::Build));
        entries.extend(self.served()?);
        if self.runtime.is_some() && !self.options.keeps_whole_modules() {
            entries.push(trim::entry());
        }
        if super::configured::is_writable(self.options, self.delivery) {
            entries.push(writable());
        }
        if self.options.proof != Proof::None {
            let of = |places: &[Place]| -> BTreeSet<&str> {
                let inside = entries.iter().filter(|entry| places.contains(&entry.place));
                inside.map(|entry| entry.path.as_str()).collect()
            };
            let read = of(&[Place::Src, Place::Root, Place::Top]);
            let kept = of(&[Place::Run, Place::Home, Place::Beside]);
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
                named: &named,
            };
            let proof = verify::entries(&proved)?;
            entries.extend(proof);
        }
        if !self.builds {
            let kept = [
                Place::Prod,
                Place::Run,
                Place::Home,
                Place::Trim,
                Place::Verify,
                Place::Own,
                Place::Beside,
            ];
            entries.retain(|entry| kept.contains(&entry.place));
        }
        context_entry::sort(&mut entries);
        Ok(Gathered {
            context: entries,
            install_only,
            brought: beside.brought,
            warnings: [beside.warnings, string_names::warnings(&named)].concat(),
        })
    }

    /// The sources that may run; none if the image has no modules.
    fn running(&self) -> Result<Vec<Source>, PlanError> {
        match self.runtime.filter(|_| self.delivery.start().is_some()) {
            Some(runtime) => code::sources(self.workspace, self.rules, runtime.packages()),
            None => Ok(Vec::new()),
        }
    }

    /// How a site is served.
    fn served(&self) -> Result<Option<ContextEntry>, TemplateError> {
        let Delivery::Site(site) = self.delivery else {
            return Ok(None);
        };
        // All finished files have the same time, so times say nothing.
        let timeless = self.options.prebuilt || self.options.engine == Engine::Native;
        let port = configured::port(self.options, None).unwrap_or(configured::SITE_PORT);
        let own = &self.files[&self.app];
        let own = inputs::relative(own, &self.workspace.members[self.app].dir);
        let text = nginx::configuration(site, &own, port, timeless)?;
        let why = "how the site is served";
        Ok(Some(ContextEntry::made(
            Place::Serve,
            RepoPath::file("nginx.conf"),
            text,
            why,
        )))
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
            Place::Src,
        )?);
        self.loader_files(entries)?;
        let root = inputs::root_files(
            self.workspace,
            self.files,
            self.rules,
            &self.options.include,
            &tasks::inputs(self.tasks, |at| !at.is_root())
                .cloned()
                .collect::<Vec<_>>(),
        )?;
        entries.extend(
            root.values()
                .map(|(file, why)| ContextEntry::source(Place::Root, file, why)),
        );
        let is_app = self.app.is_root();
        let top = inputs::top_files(self.workspace, self.rules, self.tasks, is_app)?;
        entries.extend(top);
        Ok(())
    }

    /// The configuration that is read when the app starts.
    fn loader_files(&self, entries: &mut Vec<ContextEntry>) -> Result<(), PlanError> {
        let Some((start, runtime)) = self.delivery.start().zip(self.runtime) else {
            return Ok(());
        };
        let loaded = code::readers(self.workspace, self.rules, self.app)?;
        for path in loader::configuration(self.workspace, self.app, start, &loaded).files {
            let owner = self.workspace.enclosing(&path);
            let file = File::load(&self.workspace.tree, &path)?;
            let dir = &self.workspace.members[owner].dir;
            let place = if runtime.packages().any(|at| at == owner) {
                Place::kept(dir)
            } else {
                Place::Beside
            };
            // A package's file is sent once: as what the image keeps.
            let is_twice = |entry: &ContextEntry| {
                place != Place::Beside && entry.place == Place::read(dir) && entry.path == path
            };
            entries.retain(|entry| !is_twice(entry));
            let why = "configuration that is read when the app starts";
            entries.push(ContextEntry::source(place, &file, why));
        }
        Ok(())
    }

    /// How a member's files are used.
    fn usage(&self, at: MemberId, files: &BTreeSet<String>) -> Usage {
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
    fn manifests(&self, closure: &Closure<'_, '_>, place: Place, entries: &mut Vec<ContextEntry>) {
        let workspace = self.workspace;
        let mut made = |path: RepoPath, text: String, why: &str| {
            entries.push(ContextEntry::made(place, path, text, why));
        };
        let why = "the lockfile without what this closure does not reach";
        for (dir, text) in closure.lockfiles(workspace) {
            made(RepoPath::child(&dir, lockfile::FILE), text, why);
        }
        if let Some(settings) = closure.settings(workspace) {
            let why = "the settings, and the members of this closure";
            made(RepoPath::file(workspace_file::FILE), settings, why);
        }
        for (path, text) in install::npmrcs(workspace, closure) {
            made(path, text.to_owned(), "the settings without credentials");
        }
        let why = "what an install reads of the manifest";
        let copied = closure.copied_directories();
        let root = workspace.root_member().manifest.file();
        made(
            RepoPath::file(root),
            closure.skeleton(workspace, MemberId::ROOT),
            why,
        );
        for &at in closure.members.keys().filter(|at| !at.is_root()) {
            let member = &workspace.members[at];
            let text = if copied.contains(&member.dir) {
                closure.manifest(workspace, at)
            } else {
                closure.skeleton(workspace, at)
            };
            let path = RepoPath::new(member.manifest.file()).unwrap_or_default();
            made(path, text, why);
        }
    }
}

/// The program that makes directories writable for the image's user.
fn writable() -> ContextEntry {
    let program = include_str!("../../templates/writable.cjs");
    let why = "makes the directories that the app writes to";
    ContextEntry::made(
        Place::Own,
        RepoPath::file("writable.cjs"),
        program.to_owned(),
        why,
    )
}
