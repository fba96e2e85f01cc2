//! Files of the workspace in a plan: sources of members, and root files that builds read.

use std::collections::{BTreeMap, BTreeSet};

use super::{ContextEntry, Place, PlacedFile};
use crate::detect::tsc::extended;
use crate::files::glob::{Globs, with_all_below};
use crate::files::ignore::{Rules, Verdict};
use crate::files::tree::{FileKind, Limit};
use crate::files::{self, File, Kind, Walk};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::needs::tasks::{self, Tasks};
use crate::plan::PlanError;
use crate::plan::sources::{Role, Usage, role};
use crate::workspace::Workspace;
use crate::workspace::manifest::tsconfig::Tsconfig;
use crate::workspace::manifest::workspace;

/// The files of a member that no rule drops, and what is dropped.
pub(crate) fn walk(workspace: &Workspace, at: MemberId, rules: &Rules) -> Result<Walk, PlanError> {
    let dir = &workspace.members[at].dir;
    let nested = workspace.nested(dir).map(|member| member.dir.clone());
    Ok(files::walk(&workspace.tree, dir, &nested.collect(), rules)?)
}

/// The paths of a member's files relative to it.
pub(crate) fn relative(files: &[File], dir: &RepoPath) -> BTreeSet<String> {
    files
        .iter()
        .filter_map(|file| file.path.strip(dir).map(str::to_owned))
        .collect()
}

/// A member's files, each at its place in the context.
pub(crate) fn sources(
    files: &[File],
    dir: &RepoPath,
    usage: Usage,
    forced: &Globs,
    context: &mut Vec<ContextEntry>,
) {
    for file in files {
        let Some(path) = file.path.strip(dir) else {
            continue;
        };
        let (role, why) = match role(path, usage) {
            (Role::Out | Role::Build, _) if forced.is_match(file.path.as_str()) => {
                let role = if usage == Usage::BuildOnly {
                    Role::Build
                } else {
                    Role::Image
                };
                (role, "named by `include`")
            }
            decided => decided,
        };
        // What an install reads is there, and fits each other.
        let installs = dir.is_root() && matches!(path, ".npmrc" | workspace::FILE);
        if let Some(place) = role.place(dir).filter(|_| !installs) {
            context.push(ContextEntry::source(place, file, why));
        }
    }
}

/// The files of directories that a `link:` names and that are not members.
pub(crate) fn linked<P: Copy>(
    workspace: &Workspace,
    closure: &Closure<'_, '_>,
    rules: &Rules,
    place: P,
) -> Result<Vec<PlacedFile<P>>, PlanError> {
    let mut entries = Vec::new();
    for dir in &closure.linked {
        let why = "a `link:` in the lockfile leads here";
        let files = files::walk(&workspace.tree, dir, &BTreeSet::new(), rules)?.files;
        entries.extend(
            files
                .iter()
                .map(|file| PlacedFile::source(place, file, why)),
        );
    }
    Ok(entries)
}

/// Files outside of a context that its symlinks lead to. A committed link may lead out of its
/// package, to a file that several packages share; that file is added at its own place. `within`
/// are the places that are seen together with the link, and `to` is the place for missing files.
/// Links that lead nowhere, to a parent directory, or to a file that a rule drops add nothing.
pub(crate) fn link_targets<P: Copy + PartialEq>(
    workspace: &Workspace,
    rules: &Rules,
    entries: &[PlacedFile<P>],
    within: &[P],
    to: P,
) -> Result<Vec<PlacedFile<P>>, PlanError> {
    let tree = &workspace.tree;
    let seen = entries
        .iter()
        .filter(|entry| entry.place == to || within.contains(&entry.place));
    let mut have: BTreeSet<String> = seen
        .clone()
        .map(|entry| entry.path.as_str().to_owned())
        .collect();
    let links = seen.filter_map(|entry| {
        let target = entry.content.link()?;
        Some((entry.path.clone(), target.to_owned()))
    });
    let mut open: Vec<(RepoPath, String)> = links.collect();
    let mut found = Vec::new();
    while let Some((link, target)) = open.pop() {
        let dir = link.parent().unwrap_or_default();
        let Ok(place) = dir.join(&target) else {
            continue;
        };
        let inside = format!("{place}/");
        let there = have.range(inside.clone()..).next();
        let there = there.is_some_and(|path| path.starts_with(&inside));
        if there || have.contains(place.as_str()) || link.is_within(&place) {
            continue;
        }
        // The path may contain another link. What cannot be opened is not sent.
        let Ok(metadata) = tree.metadata(&place) else {
            continue;
        };
        let files = if metadata.kind == FileKind::Directory {
            let nested = workspace.nested(&place).map(|member| member.dir.clone());
            files::walk(tree, &place, &nested.collect(), rules)?.files
        } else if matches!(rules.file(&place)?, Verdict::Keep) {
            vec![File::load(tree, &place)?]
        } else {
            Vec::new()
        };
        for file in files {
            if let Kind::Symlink { target } = &file.kind {
                open.push((file.path.clone(), target.clone()));
            }
            if have.insert(file.path.to_string()) {
                found.push(PlacedFile::source(to, &file, "a symlink leads here"));
            }
        }
    }
    Ok(found)
}

/// Globs relative to the workspace root. They also cover everything below a matching directory.
pub(crate) fn globs<'g>(patterns: impl IntoIterator<Item = &'g String>) -> Globs {
    let both = |pattern: &String| {
        let pattern = pattern.trim_start_matches("./");
        with_all_below(pattern.trim_end_matches('/'))
    };
    let globs: Vec<String> = patterns.into_iter().flat_map(both).collect();
    Globs::lenient(globs.iter().map(String::as_str))
}

/// Files of no member that the builds of `members` read, with what names each: configuration that a
/// tsconfig extends, `globalDependencies` and `$TURBO_ROOT$` inputs of turbo.json, `--include`.
pub(crate) fn root_files(
    workspace: &Workspace,
    members: &BTreeMap<MemberId, Vec<File>>,
    rules: &Rules,
    include: &[String],
    turbo_inputs: &[String],
) -> Result<BTreeMap<RepoPath, (File, String)>, PlanError> {
    let mut asked: BTreeMap<RepoPath, String> = BTreeMap::new();
    for files in members.values() {
        for file in files.iter().filter(|file| is_tsconfig(&file.path)) {
            tsconfig_chain(workspace, &file.path, &mut asked)?;
        }
    }
    let mut patterns: Vec<(String, String)> = Vec::new();
    if let Some(turbo) = &workspace.turbo {
        patterns.extend(turbo.global_dependencies.iter().map(|glob| {
            (
                glob.clone(),
                "`globalDependencies` of turbo.json".to_owned(),
            )
        }));
    }
    for input in turbo_inputs {
        if let Some(glob) = input.strip_prefix("$TURBO_ROOT$/") {
            patterns.push((glob.to_owned(), "`inputs` of turbo.json".to_owned()));
        }
    }
    patterns.extend(
        include
            .iter()
            .map(|glob| (glob.clone(), "named by `include`".to_owned())),
    );
    let mut found = BTreeMap::new();
    let no_member = |path: &RepoPath| workspace.enclosing(path).is_root();
    for (path, why) in asked {
        if no_member(&path) {
            found.insert(
                path.clone(),
                (
                    File::load(&workspace.tree, &path)
                        .map_err(|error| PlanError::named(&why, &path, error))?,
                    why,
                ),
            );
        }
    }
    if !patterns.is_empty() {
        let each: Vec<(Globs, &String)> = patterns
            .iter()
            .map(|(glob, why)| (globs([glob]), why))
            .collect();
        let set = globs(patterns.iter().map(|(glob, _)| glob));
        for file in walk(workspace, MemberId::ROOT, rules)?.files {
            let generated = matches!(file.path.as_str(), "pnpm-lock.yaml" | "pnpm-workspace.yaml")
                || file.path.as_str() == workspace.root_member().manifest.file();
            if !generated && set.is_match(file.path.as_str()) {
                let mut each = each.iter();
                let why = each.find(|(glob, _)| glob.is_match(file.path.as_str()));
                let why = why.map(|(_, why)| (*why).clone()).unwrap_or_default();
                found.entry(file.path.clone()).or_insert((file, why));
            }
        }
    }
    Ok(found)
}

/// The files of the root project if it has tasks to run: those in their `inputs`, or all.
pub(crate) fn top_files(
    workspace: &Workspace,
    rules: &Rules,
    tasks: &Tasks,
    is_app: bool,
) -> Result<Vec<ContextEntry>, PlanError> {
    if !tasks.run_in(MemberId::ROOT) || is_app {
        return Ok(Vec::new());
    }
    let named: Vec<String> = tasks::inputs(tasks, MemberId::is_root)
        .map(|glob| glob.trim_start_matches("$TURBO_ROOT$/").to_owned())
        .filter(|glob| !glob.starts_with('!'))
        .collect();
    // Nothing declares what install scripts read.
    let all = named.is_empty()
        || !tasks.lifecycle_of(MemberId::ROOT).is_empty()
        || named.iter().any(|glob| glob == "$TURBO_DEFAULT$");
    let named = globs(&named);
    let wanted = |path: &str| match path {
        // The files that an install reads are already there and consistent.
        "pnpm-lock.yaml" | "pnpm-workspace.yaml" | ".npmrc" => false,
        path if path == workspace.root_member().manifest.file() => true,
        _ => all || named.is_match(path),
    };
    let files = walk(workspace, MemberId::ROOT, rules)?.files;
    let files = files.iter().filter(|file| wanted(file.path.as_str()));
    Ok(files
        .map(|file| ContextEntry::source(Place::Top, file, "the root's own tasks may read it"))
        .collect())
}

/// Names that the app's `tsconfig.json` maps to packages which its build does not get, because no
/// manifest names them.
pub(crate) fn undeclared(
    workspace: &Workspace,
    closure: &Closure<'_, '_>,
    app: MemberId,
) -> Vec<String> {
    let dir = &workspace.members[app].dir;
    let file = dir.join("tsconfig.json").unwrap_or_default();
    // Errors in it are reported when its `extends` are resolved.
    let text = workspace.tree.read_text(&file, Limit::Settings).ok();
    let config = text.and_then(|text| Tsconfig::parse(file.as_str(), &text).ok());
    let Some(config) = config else {
        return Vec::new();
    };
    let base = config.base_url.as_deref().unwrap_or(".");
    let Ok(base) = dir.join(base) else {
        return Vec::new();
    };
    let mut told = BTreeSet::new();
    let mut warnings = Vec::new();
    for (name, places) in &config.paths {
        let places = places.iter().filter_map(|place| {
            let place = place.split('*').next().unwrap_or_default();
            base.join(place.trim_end_matches('/')).ok()
        });
        let others = places.map(|place| workspace.enclosing(&place));
        for other in others.filter(|at| !at.is_root() && !closure.members.contains_key(at)) {
            if told.insert(other) {
                let other = &workspace.members[other];
                warnings.push(format!(
                    "`{name}` in {file} leads to {}, which no dependency names, so the build does not get it: add `\"{}\": \"workspace:*\"` to {} and run `pnpm install`",
                    other.dir,
                    other.label(),
                    workspace.members[app].manifest.file()
                ));
            }
        }
    }
    warnings
}

fn is_tsconfig(path: &RepoPath) -> bool {
    path.file_name()
        .is_some_and(|name| name.starts_with("tsconfig") && name.ends_with(".json"))
}

/// Collects all files that a configuration extends, directly or not. Each is read once.
fn tsconfig_chain(
    workspace: &Workspace,
    asker: &RepoPath,
    asked: &mut BTreeMap<RepoPath, String>,
) -> Result<(), PlanError> {
    let mut open = vec![asker.clone()];
    while let Some(path) = open.pop() {
        let text = workspace.tree.read_text_optional(&path, Limit::Settings);
        let text = text.map_err(|error| PlanError::named(asker.as_str(), &path, error))?;
        // The compiler reports invalid configurations; a template need not even be JSON.
        let config = text.and_then(|text| Tsconfig::parse(path.as_str(), &text).ok());
        let Some(config) = config else {
            continue;
        };
        let dir = path.parent().unwrap_or_default();
        for base in config.extends.iter().chain(&config.references) {
            let place = dir.join(base).unwrap_or_default();
            let base = extended(workspace, &dir, base);
            let named = |error| PlanError::named(&format!("`{path}`"), &place, error);
            let Some(base) = base.map_err(named)? else {
                continue;
            };
            let why = format!("`{asker}` builds on it");
            if asked.insert(base.clone(), why).is_none() {
                open.push(base);
            }
        }
    }
    Ok(())
}
