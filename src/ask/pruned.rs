//! Prunes a workspace for users who write their own Dockerfile, in the layout of `turbo prune
//! --docker`.
//!
//! Input: the workspace and the apps. Output: a [`Pruned`], the list of files with their contents.
//! `json/` has everything that an install reads, `full/` the sources and other files that builds
//! read, so that `COPY json`, install, `COPY full`, build caches the install. Writing is done by
//! [`output`]; nothing here decides about images.

pub mod options;
pub mod output;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::options::{PruneOptions, Scope, Shape};
use crate::files::File;
use crate::files::ignore::{IgnoreError, Rules};
use crate::files::tree::Limit;
use crate::lockfile;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::needs::spared::Tools;
use crate::needs::survey::Survey;
use crate::needs::tasks::{self, Tasks};
use crate::plan::PlanError;
use crate::plan::config;
use crate::plan::{MemberPlan, PlacedFile, PlanOptions, closures, inputs, install, secrets, study};
use crate::system::threads;
use crate::workspace::Workspace;
use crate::workspace::manifest::package::strip::strip;
use crate::workspace::manifest::{turbo, workspace as workspace_file};
use crate::workspace::toolchain;

/// Manifests and lockfile: everything that an install reads.
pub const JSON: &str = "json";
/// The sources, and everything else that builds read.
pub const FULL: &str = "full";

/// Root files that are copied with the sources if they exist.
const ROOT_FILES: [&str; 2] = [".gitignore", ".gitattributes"];

/// How many members a thread takes at a time.
const BATCH: usize = 8;

/// A file of a pruned workspace: in [`JSON`], in [`FULL`], or beside them.
pub type PrunedFile = PlacedFile<&'static str>;

/// A workspace reduced to what some apps need.
#[derive(Debug)]
pub struct Pruned {
    /// The members kept.
    pub members: Vec<MemberPlan>,
    /// The number of all members, without the root project.
    pub workspace_members: usize,
    /// The number of packages from registries kept.
    pub packages: usize,
    /// The number of all packages.
    pub workspace_packages: usize,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// All files, sorted by path.
    pub entries: Vec<PrunedFile>,
}

impl Pruned {
    /// Decides what to keep for the apps at these positions. Only reads.
    pub fn new(
        workspace: &Workspace,
        apps: &[MemberId],
        options: &PruneOptions,
    ) -> Result<Self, PlanError> {
        let survey = Survey::new(workspace)?;
        let lockfiles = &survey.lockfiles;
        let wanted = Wanted::load(workspace, apps, options)?;
        let (named, turbo_inputs) = wanted.tasks(&survey)?;
        let closure = match options.scope {
            Scope::Build => Closure::build(workspace, lockfiles, apps, &named)?,
            Scope::Production => {
                let loaders = wanted.loaders(&survey)?;
                Closure::runtime(workspace, lockfiles, apps, &loaders, Tools::Stay)?
            }
        };
        closure.check_frozen(workspace, toolchain::named_pnpm(workspace))?;
        let mut rules = Rules::load(&workspace.root, &wanted.include, &wanted.exclude)?;
        if options.ignored {
            rules = rules.regardless_of_git();
        }
        let members: Vec<MemberId> = closure.packages().collect();
        let walk = |&at: &MemberId| Ok::<_, PlanError>(inputs::walk(workspace, at, &rules)?.files);
        let walked = threads::map(&members, BATCH, walk);
        let mut files: BTreeMap<MemberId, Vec<File>> = BTreeMap::new();
        for (at, walked) in members.into_iter().zip(walked) {
            files.insert(at, walked?);
        }
        let layout = Layout {
            workspace,
            closure: &closure,
            files: &files,
            rules: &rules,
            turbo_inputs,
            include: &wanted.include,
            scope: options.scope,
        };
        let mut entries = layout.entries()?;
        for glob in &options.include {
            brings_something(glob, &entries)?;
        }
        if options.shape == Shape::Flat {
            entries = flat(&entries);
        }
        Ok(Self {
            members: closures::members(workspace, &closure),
            workspace_members: workspace.packages(apps.contains(&MemberId::ROOT)),
            packages: closure.package_count(),
            workspace_packages: lockfiles.package_total(),
            warnings: warnings(workspace, &closure),
            entries,
        })
    }
}

/// Fails if a glob of `--include` brings no file. Those of slimbuild.json are for images, too.
fn brings_something(glob: &String, entries: &[PrunedFile]) -> Result<(), PlanError> {
    let set = inputs::globs([glob]);
    if entries
        .iter()
        .any(|entry| set.is_match(entry.path.as_str()))
    {
        return Ok(());
    }
    let (glob, barred) = (glob.clone(), None);
    Err(IgnoreError::Nothing { glob, barred }.into())
}

/// All files in one place. Where two have a path, the source is taken: manifests are the same in
/// both.
fn flat(entries: &[PrunedFile]) -> Vec<PrunedFile> {
    let mut all = BTreeMap::new();
    for place in [FULL, "", JSON] {
        for entry in entries.iter().filter(|entry| entry.place == place) {
            let entry = PrunedFile {
                place: "",
                ..entry.clone()
            };
            all.entry(entry.path.clone()).or_insert(entry);
        }
    }
    all.into_values().collect()
}

/// The combined options of flags and `slimbuild.json`.
struct Wanted {
    /// The options of each app, by its position.
    apps: Vec<(MemberId, PlanOptions)>,
    /// The globs of all apps, since there is one output.
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Wanted {
    fn load(
        workspace: &Workspace,
        apps: &[MemberId],
        flags: &PruneOptions,
    ) -> Result<Self, PlanError> {
        let (mut include, mut exclude) = (Vec::new(), Vec::new());
        let mut wanted = Vec::new();
        for &at in apps {
            let options = config::load(workspace, at)?;
            include.extend(options.include.iter().cloned());
            exclude.extend(options.exclude.iter().cloned());
            wanted.push((at, options));
        }
        // The globs of the root's file are repeated for each app.
        for globs in [&mut include, &mut exclude] {
            let mut seen = BTreeSet::new();
            globs.retain(|glob| seen.insert(glob.clone()));
        }
        include.extend(flags.include.iter().cloned());
        exclude.extend(flags.exclude.iter().cloned());
        Ok(Self {
            apps: wanted,
            include,
            exclude,
        })
    }

    /// The members that tasks run in, and globs of files that tasks read.
    fn tasks(
        &self,
        survey: &Survey<'_>,
    ) -> Result<(BTreeMap<MemberId, String>, Vec<String>), PlanError> {
        let (workspace, graph) = (survey.workspace, &survey.graph);
        let (mut named, mut inputs) = (BTreeMap::new(), Vec::new());
        let mut add = |tasks: &Tasks, apps: &[MemberId]| {
            inputs.extend(tasks::inputs(tasks, |at| !at.is_root()).cloned());
            named.extend(tasks.needed(workspace, graph, apps).named);
        };
        let mut by_turbo = Vec::new();
        for (at, options) in &self.apps {
            if options.tasks.is_some() {
                add(&study::tasks(survey, *at, options)?.0, &[*at]);
            } else {
                by_turbo.push(*at);
            }
        }
        if !by_turbo.is_empty() {
            add(&Tasks::new(workspace, graph, &by_turbo), &by_turbo);
        }
        Ok((named, inputs))
    }

    /// The dev dependencies that the apps need to start.
    fn loaders(&self, survey: &Survey<'_>) -> Result<BTreeSet<(MemberId, String)>, PlanError> {
        let mut found = BTreeSet::new();
        for (at, options) in &self.apps {
            let study = study::Study::new(survey, *at, options)?;
            found.extend(study.start_needs()?);
        }
        Ok(found)
    }
}

struct Layout<'w, 'l, 'a> {
    workspace: &'w Workspace,
    closure: &'w Closure<'l, 'a>,
    /// The files of every kept member, without the root project.
    files: &'w BTreeMap<MemberId, Vec<File>>,
    rules: &'w Rules,
    /// Globs of files that tasks read.
    turbo_inputs: Vec<String>,
    /// Globs of files to keep, even ignored ones.
    include: &'w [String],
    scope: Scope,
}

/// Entries by path. The first entry of a path wins.
#[derive(Default)]
struct Entries(BTreeMap<(&'static str, RepoPath), PrunedFile>);

impl Entries {
    fn put(&mut self, entries: impl IntoIterator<Item = PrunedFile>) {
        for entry in entries {
            let key = (entry.place, entry.path.clone());
            self.0.entry(key).or_insert(entry);
        }
    }

    fn made(&mut self, places: &[&'static str], path: &RepoPath, text: String, why: &str) {
        let text = Arc::new(text);
        let made =
            |place: &&'static str| PrunedFile::made(*place, path.clone(), Arc::clone(&text), why);
        self.put(places.iter().map(made));
    }
}

impl Layout<'_, '_, '_> {
    fn entries(&self) -> Result<Vec<PrunedFile>, PlanError> {
        let mut entries = Entries::default();
        self.settings(&mut entries);
        self.manifests(&mut entries)?;
        self.turbo(&mut entries)?;
        self.install_files(&mut entries)?;
        self.sources(&mut entries)?;
        let mut entries: Vec<PrunedFile> = entries.0.into_values().collect();
        for place in [JSON, FULL] {
            let led = inputs::link_targets(self.workspace, self.rules, &entries, &[], place)?;
            entries.extend(led);
        }
        entries.sort_by_cached_key(PrunedFile::full_path);
        Ok(entries)
    }

    /// The positions of the kept members. The root project is always one of them.
    fn members(&self) -> BTreeSet<MemberId> {
        self.closure
            .members
            .keys()
            .copied()
            .chain([MemberId::ROOT])
            .collect()
    }

    fn settings(&self, entries: &mut Entries) {
        let workspace = self.workspace;
        let why = "the lockfile without what is not reached";
        for (dir, text) in self.closure.lockfiles(workspace) {
            // The root's lockfile is also next to `json/`, where turbo puts it. A member's lockfile
            // is also a source, and must replace the original there.
            let mut files = self.files.keys();
            let is_source = files.any(|at| workspace.members[*at].dir == dir);
            let beside = dir.is_root().then_some("");
            let full = is_source.then_some(FULL);
            let places: Vec<&str> = beside.into_iter().chain([JSON]).chain(full).collect();
            entries.made(&places, &below(&dir, lockfile::FILE), text, why);
        }
        if let Some(settings) = self.closure.settings(workspace) {
            let why = "the settings, and the members that are kept";
            let path = RepoPath::file(workspace_file::FILE);
            entries.made(&["", JSON, FULL], &path, settings, why);
        }
        let why = "the settings without credentials";
        for (path, text) in install::npmrcs(workspace, self.closure) {
            entries.made(&[JSON, FULL], &path, text.to_owned(), why);
        }
    }

    fn manifests(&self, entries: &mut Entries) -> Result<(), PlanError> {
        let members: Vec<MemberId> = self.members().into_iter().collect();
        let why = match self.scope {
            Scope::Build => "the manifest as it is",
            Scope::Production => "the manifest without dev dependencies",
        };
        for made in threads::map(&members, BATCH, |&at| self.manifest(at)) {
            // pnpm needs no manifest at the root.
            if let Some((path, text)) = made? {
                entries.made(&[JSON, FULL], &path, text, why);
            }
        }
        Ok(())
    }

    fn manifest(&self, at: MemberId) -> Result<Option<(RepoPath, String)>, PlanError> {
        let member = &self.workspace.members[at];
        let path = below(&RepoPath::ROOT, member.manifest.file());
        let Some(text) = self.text(&path)? else {
            return Ok(None);
        };
        let text = match self.scope {
            Scope::Build => text,
            Scope::Production => {
                let keep = |field, name: &str| self.closure.keeps_in(at, field, name);
                strip(path.as_str(), &text, keep)?
            }
        };
        Ok(Some((path, text)))
    }

    /// `turbo.json` of the root and of members, without references to packages that are not kept.
    fn turbo(&self, entries: &mut Entries) -> Result<(), PlanError> {
        let members = self.members();
        let packages: BTreeSet<&str> = members
            .iter()
            .filter_map(|&at| self.workspace.members[at].manifest.name())
            .collect();
        for at in members {
            let member = &self.workspace.members[at];
            let dir = &member.dir;
            // Most members have none, and it was loaded before.
            if !at.is_root() && member.turbo.is_none() {
                continue;
            }
            for name in turbo::FILES {
                let path = below(dir, name);
                if let Some(text) = self.text(&path)? {
                    let text = turbo::prune::prune(path.as_str(), &text, &packages)?;
                    let why = "the tasks without those of packages that are not kept";
                    entries.made(&[FULL], &path, text, why);
                    break;
                }
            }
        }
        Ok(())
    }

    /// What an install reads in addition to manifests and the lockfile.
    fn install_files(&self, entries: &mut Entries) -> Result<(), PlanError> {
        let (workspace, closure) = (self.workspace, self.closure);
        let settings = install::settings_files(workspace, closure)?;
        let why = "pnpm reads it when it installs";
        for place in [JSON, FULL] {
            entries.put(
                settings
                    .iter()
                    .map(|file| PrunedFile::source(place, file, why)),
            );
            entries.put(install::local_files(
                workspace, closure, self.files, self.rules, place,
            )?);
        }
        entries.put(install::bin_stubs(workspace, closure, JSON));
        Ok(())
    }

    /// The files of members, and root files that builds read.
    fn sources(&self, entries: &mut Entries) -> Result<(), PlanError> {
        for files in self.files.values() {
            let why = "a source";
            // The root's settings are there, without credentials.
            let files = files.iter().filter(|file| file.path.as_str() != ".npmrc");
            entries.put(files.map(|file| PrunedFile::source(FULL, file, why)));
        }
        entries.put(inputs::linked(
            self.workspace,
            self.closure,
            self.rules,
            FULL,
        )?);
        let root = inputs::root_files(
            self.workspace,
            self.files,
            self.rules,
            self.include,
            &self.turbo_inputs,
        )?;
        entries.put(
            root.values()
                .map(|(file, why)| PrunedFile::source(FULL, file, why)),
        );
        for name in ROOT_FILES {
            let path = RepoPath::file(name);
            if let Some(text) = self.text(&path)? {
                let why = "git's rules, which turbo hashes files by";
                entries.made(&[FULL], &path, text, why);
            }
        }
        Ok(())
    }

    /// A file's text, if there is one.
    fn text(&self, path: &RepoPath) -> Result<Option<String>, PlanError> {
        let tree = &self.workspace.tree;
        Ok(tree.read_text_optional(path, Limit::Settings)?)
    }
}

fn below(dir: &RepoPath, name: &str) -> RepoPath {
    dir.join(name).unwrap_or_default()
}

fn warnings(workspace: &Workspace, closure: &Closure<'_, '_>) -> Vec<String> {
    let lifecycle = closure.packages().flat_map(|at| {
        let manifest = &workspace.members[at].manifest;
        let early = |name| {
            format!(
                "pnpm runs the `{name}` script in {} when it installs, before the package's files are copied: pass it \
                 `--ignore-scripts`, or guard the script",
                manifest.file()
            )
        };
        manifest.lifecycle_scripts().map(early)
    });
    lifecycle
        .chain(secrets::left_behind(workspace, closure))
        .chain(install::pnpmfile_warnings(workspace))
        .chain(install::pin_warning(workspace))
        .collect()
}

#[cfg(test)]
mod tests;
