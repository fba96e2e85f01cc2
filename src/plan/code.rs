//! The code that runs: what the sources of the image's packages load and read, and what the start
//! command loads before the app.
//!
//! Input: members, the rules that select their files, the start. Output: what each source loads and
//! reads ([`Reads`]), and the root project's packages that some of them load. On a developer's disk
//! node finds those because it searches the modules of every parent directory.

use std::collections::{BTreeMap, BTreeSet};

use super::inputs;
use super::sources::{Role, Usage, role};
use crate::detect::exports::is_code;
use crate::detect::reads::{self, Reads};
use crate::detect::{Start, loader};
use crate::files::ignore::Rules;
use crate::files::tree::{Limit, Tree};
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::model::module::package;
use crate::model::path::RepoPath;
use crate::plan::PlanError;
use crate::workspace::Workspace;

/// Endings that a module name may leave out.
const EXTENSIONS: [&str; 12] = [
    "",
    ".js",
    ".cjs",
    ".mjs",
    ".json",
    ".ts",
    ".mts",
    ".cts",
    "/index.js",
    "/index.cjs",
    "/index.mjs",
    "/index.ts",
];

/// A source, with what it loads and reads.
pub(super) struct Source {
    /// The member that it belongs to.
    pub(super) of: MemberId,
    pub(super) path: RepoPath,
    pub(super) reads: Reads,
}

/// The sources of these members that may run, directly or compiled: no tests, and nothing for
/// development only.
pub(super) fn sources(
    workspace: &Workspace,
    rules: &Rules,
    packages: impl Iterator<Item = MemberId>,
) -> Result<Vec<Source>, PlanError> {
    let mut found = Vec::new();
    for at in packages {
        let dir = &workspace.members[at].dir;
        for file in inputs::walk(workspace, at, rules)?.files {
            let inside = file.path.strip(dir).unwrap_or_default();
            let runs = is_source(inside) && role(inside, Usage::Sources).0 == Role::Image;
            if let Some(reads) = of(&workspace.tree, &file.path).filter(|_| runs) {
                found.push(Source {
                    of: at,
                    path: file.path,
                    reads,
                });
            }
        }
    }
    Ok(found)
}

fn is_source(path: &str) -> bool {
    is_code(path)
        && ![".d.ts", ".d.mts", ".d.cts"]
            .iter()
            .any(|end| path.ends_with(end))
}

/// What a file loads and reads; `None` if it is not code or is unreadable, which its run will
/// report.
fn of(tree: &Tree, path: &RepoPath) -> Option<Reads> {
    let text = is_source(path.as_str()).then(|| tree.read_text(path, Limit::Source).ok());
    text.flatten().map(|text| reads::reads(&text))
}

/// The file of a relative module name.
pub(super) fn located(tree: &Tree, dir: &RepoPath, name: &str) -> Option<RepoPath> {
    let stem = name.strip_suffix(".js").map(|stem| format!("{stem}.ts"));
    let names = EXTENSIONS
        .iter()
        .map(|end| format!("{name}{end}"))
        .chain(stem);
    let mut places = names.filter_map(|name| dir.join(&name).ok());
    places.find(|place| tree.is_file(place).unwrap_or_default())
}

/// Files outside of a directory, if one is given, that code loads by relative names, directly or
/// not, with what each loads. `open` are names, with the directories that they are relative to.
pub(super) fn followed(
    tree: &Tree,
    inside: Option<&RepoPath>,
    mut open: Vec<(RepoPath, String)>,
) -> BTreeMap<RepoPath, Reads> {
    let mut found = BTreeMap::new();
    while let Some((dir, name)) = open.pop() {
        let place = located(tree, &dir, &name)
            .filter(|place| !inside.is_some_and(|dir| place.is_within(dir)));
        let Some(place) = place.filter(|place| !found.contains_key(place)) else {
            continue;
        };
        let reads = of(tree, &place).unwrap_or_default();
        let dir = place.parent().unwrap_or_default();
        let names = reads.modules.iter().filter(|name| name.starts_with('.'));
        open.extend(names.map(|name| (dir.clone(), name.clone())));
        found.insert(place, reads);
    }
    found
}

/// Paths in the start command that lead out of the app's directory: preloads, configuration.
pub(super) fn of_start(start: &Start) -> BTreeSet<String> {
    let line = start.line().map(|line| line.text(None)).unwrap_or_default();
    let words = start.node_args.iter().chain(&start.args);
    let words = words.chain(start.env.values()).map(String::as_str);
    let parts = words.chain([&*line]).flat_map(str::split_whitespace);
    let paths = parts.map(|word| {
        let word = word.rsplit('=').next().unwrap_or(word);
        word.trim_matches(['"', '\''])
    });
    let up = paths.filter(|path| path.starts_with("../") || path.starts_with("./../"));
    up.map(str::to_owned).collect()
}

/// The packages that read configuration and that the app's own sources load. Sources are read only
/// if the app has such a package.
pub(super) fn readers(
    workspace: &Workspace,
    rules: &Rules,
    app: MemberId,
) -> Result<BTreeSet<String>, PlanError> {
    let readers = loader::readers(workspace, app);
    if readers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sources = sources(workspace, rules, [app].into_iter())?;
    let names = sources.iter().flat_map(|source| &source.reads.modules);
    Ok(names
        .filter_map(|name| package(name))
        .filter(|name| readers.contains(name))
        .map(str::to_owned)
        .collect())
}

/// The root project's packages that code of these members loads although no manifest of theirs
/// names them. Packages that the start command preloads may be dev dependencies of the root: node
/// finds them there too.
pub(super) fn of_root(
    workspace: &Workspace,
    rules: &Rules,
    app: MemberId,
    start: Option<&Start>,
    packages: impl Iterator<Item = MemberId>,
) -> Result<BTreeSet<(MemberId, String)>, PlanError> {
    let root = &workspace.root_member().manifest;
    let has = |fields: &[Field], name: &str| {
        let mut fields = fields.iter();
        fields.any(|field| root.dependencies(*field).contains_key(name))
    };
    let ships = [Field::Prod, Field::Optional];
    let mut found: BTreeSet<String> = BTreeSet::new();
    if app.is_root() || !root.has_dependencies() {
        return Ok(BTreeSet::new());
    }
    let tree = &workspace.tree;
    for source in sources(workspace, rules, packages)? {
        let member = &workspace.members[source.of];
        let (own, names) = (&member.manifest, &source.reads.modules);
        let declared = |name: &str| own.depends_on(name) || own.peers().contains_key(name);
        let loaded = names.iter().filter_map(|name| package(name));
        let loaded = loaded.filter(|name| !declared(name) && has(&ships, name));
        found.extend(loaded.map(str::to_owned));
        let dir = source.path.parent().unwrap_or_default();
        let above = names.iter().filter(|name| name.starts_with("../"));
        let above = above.map(|name| (dir.clone(), name.clone())).collect();
        for reads in followed(tree, Some(&member.dir), above).into_values() {
            let packages = reads.modules.iter().filter_map(|name| package(name));
            found.extend(packages.filter(|name| has(&ships, name)).map(str::to_owned));
        }
    }
    let dir = &workspace.members[app].dir;
    let first = start.into_iter().flat_map(of_start);
    let first = first.map(|name| (dir.clone(), name)).collect();
    for (path, reads) in followed(tree, Some(dir), first) {
        let fields = [Field::Prod, Field::Optional, Field::Dev];
        let packages = reads.modules.iter().filter_map(|name| package(name));
        let packages = packages.filter(|name| has(&fields, name));
        if workspace.enclosing(&path).is_root() {
            found.extend(packages.map(str::to_owned));
        }
    }
    Ok(found
        .into_iter()
        .map(|name| (MemberId::ROOT, name))
        .collect())
}
