//! Properties of pruning any readable lockfile.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Entry;
use super::importer::BlockKind;
use super::keys::{Format, Reference, name_and_version, package_key, resolve};
use super::prune::{Kept, prune};
use super::reachable::Reach;
use super::scalar::split_entry;
use super::{Field, Lockfile, LockfileError};
use crate::model::path::RepoPath;

/// Which dependencies of the importers stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    All,
    Production,
    /// Those whose alias has an even number of bytes.
    Some,
}

impl Keep {
    fn keeps(self, field: Field, alias: &str) -> bool {
        match self {
            Self::All => true,
            Self::Production => field != Field::Dev,
            Self::Some => alias.len().is_multiple_of(2),
        }
    }
}

/// An importer's dependencies: field, alias, specifier, version.
type Dependencies = Vec<(Field, String, String, String)>;

/// Prunes a lockfile to some importers. The result is an error, or a readable lockfile that is
/// complete, has no other entries, keeps its entries byte for byte but for optional peers that are
/// left out, and does not change when it is pruned again.
pub fn pruning(text: &str) {
    let Ok(lockfile) = Lockfile::parse(text) else {
        return;
    };
    for importer in lockfile.importers() {
        for dependency in &importer.dependencies {
            // A path outside the workspace is a valid answer.
            let _target = lockfile.local_target(importer, dependency);
        }
    }
    for section in ["overrides", "settings", "catalogs"] {
        let _pairs = lockfile.map(section).is_ok();
    }
    for kept in subsets(&lockfile) {
        for keep in [Keep::All, Keep::Production, Keep::Some] {
            if let Ok((pruned, nodes)) = pruned(&lockfile, &kept, keep, |_| false) {
                check(&lockfile, &kept, keep, &pruned, &nodes);
            }
            // Optional peers with these names are left out, where nothing else needs them.
            let spared = |name: &str| name.len().is_multiple_of(2);
            if let Ok((text, nodes)) = pruned(&lockfile, &kept, keep, spared) {
                let place = || format!("{kept:?} {keep:?} of:\n{}\nis:\n{text}", lockfile.text());
                let again = Lockfile::parse(&text);
                let again = again.unwrap_or_else(|error| panic!("{error}, {}", place()));
                let whole = pruned(&again, &kept, keep, |_| false);
                let whole = whole.unwrap_or_else(|error| panic!("{error}, {}", place()));
                assert_eq!(whole, (text.clone(), nodes), "{}", place());
            }
        }
    }
}

/// All importers, none, every second one, each of the first few with what it links to, and one that
/// the lockfile does not have.
fn subsets(lockfile: &Lockfile<'_>) -> Vec<BTreeSet<String>> {
    let keys: Vec<String> = lockfile
        .importers()
        .iter()
        .map(|importer| importer.key.to_string())
        .collect();
    if lockfile.section("importers").is_none() && lockfile.format() != Format::V9 {
        // The document is the project.
        return vec![keys.into_iter().collect()];
    }
    let all: BTreeSet<String> = keys.iter().cloned().collect();
    let mut subsets = vec![
        BTreeSet::new(),
        keys.iter().step_by(2).cloned().collect(),
        keys.iter().skip(1).step_by(2).cloned().collect(),
        BTreeSet::from([String::from("new/it's")]),
    ];
    for key in keys.iter().take(4) {
        let mut kept = BTreeSet::from([key.clone()]);
        let mut queue = vec![key.clone()];
        while let Some(importer) = queue.pop().and_then(|key| lockfile.importer(&key)) {
            for dependency in &importer.dependencies {
                let target = lockfile.local_target(importer, dependency);
                let target = target.map(|dir| dir.to_string());
                if let Some(key) = target.filter(|key| all.contains(key))
                    && kept.insert(key.clone())
                {
                    queue.push(key);
                }
            }
        }
        subsets.push(kept);
    }
    let mut more = all.clone();
    more.insert(String::from("new"));
    subsets.extend([all, more]);
    subsets
}

/// Prunes the lockfile to these importers; returns the keys of its nodes too.
fn pruned(
    lockfile: &Lockfile<'_>,
    importers: &BTreeSet<String>,
    keep: Keep,
    spared: fn(&str) -> bool,
) -> Result<(String, BTreeSet<String>), LockfileError> {
    let mut reach = Reach::sparing(lockfile, spared);
    for importer in importers.iter().filter_map(|key| lockfile.importer(key)) {
        for dependency in &importer.dependencies {
            if keep.keeps(dependency.field, &dependency.alias) {
                reach.follow(importer, dependency)?;
            }
        }
    }
    reach.settle()?;
    let kept = Kept {
        importers,
        dependency: &|_, field, alias| keep.keeps(field, alias),
    };
    let nodes = reach.snapshot_keys().map(str::to_owned).collect();
    Ok((prune(lockfile, &kept, &reach), nodes))
}

fn check(
    original: &Lockfile<'_>,
    kept: &BTreeSet<String>,
    keep: Keep,
    text: &str,
    nodes: &BTreeSet<String>,
) {
    let place = || format!("{kept:?} {keep:?} of:\n{}\nis:\n{text}", original.text());
    let lockfile = match Lockfile::parse(text) {
        Ok(lockfile) => lockfile,
        Err(error) => panic!("cannot be read again: {error}\n{}", place()),
    };
    assert_eq!(lockfile.format(), original.format(), "{}", place());

    // importers
    let keys: BTreeSet<String> = lockfile
        .importers()
        .iter()
        .map(|importer| importer.key.to_string())
        .collect();
    assert_eq!(keys, *kept, "the importers, {}", place());
    for importer in lockfile.importers() {
        let was = original.importer(&importer.key);
        let wanted: Dependencies = was
            .into_iter()
            .flat_map(|was| dependencies(was, keep))
            .collect();
        let found = dependencies(importer, Keep::All);
        assert_eq!(found, wanted, "dependencies, {}", place());
        let others = |lockfile: &Lockfile<'_>, importer: &super::Importer<'_>| -> Vec<String> {
            let blocks = importer.blocks.iter();
            let blocks = blocks.filter(|block| block.kind == BlockKind::Other);
            blocks
                .map(|block| lockfile.text()[block.range.clone()].trim_end().to_owned())
                .collect()
        };
        let wanted = was.map_or(Vec::new(), |was| others(original, was));
        assert_eq!(others(&lockfile, importer), wanted, "others, {}", place());
    }

    // nodes and packages
    let found: BTreeSet<String> = lockfile.node_keys().map(str::to_owned).collect();
    assert_eq!(found, *nodes, "the nodes, {}", place());
    for entry in lockfile.nodes().iter() {
        let was = original
            .nodes()
            .find(&entry.key)
            .map(|at| &original.nodes()[at]);
        let was = was.map(|was| lines(original, was, true));
        assert_eq!(Some(lines(&lockfile, entry, true)), was, "{}", place());
    }
    let needed: BTreeSet<&str> = match lockfile.format() {
        Format::V9 => lockfile.node_keys().map(package_key).collect(),
        Format::V5 | Format::V6 => BTreeSet::new(),
    };
    let found: BTreeSet<&str> = lockfile.packages().iter().map(|one| &*one.key).collect();
    assert_eq!(found, needed, "the packages, {}", place());
    for entry in lockfile.packages().iter() {
        let was = original.packages().find(&entry.key);
        let was = was.map(|at| lines(original, &original.packages()[at], false));
        assert_eq!(Some(lines(&lockfile, entry, false)), was, "{}", place());
    }

    // all else
    assert_eq!(others(&lockfile), others(original), "{}", place());

    // pruning again
    match pruned(&lockfile, kept, keep, |_| false) {
        Err(error) => panic!("a dropped reference: {error}, {}", place()),
        Ok((again, nodes_again)) => {
            assert_eq!(again, text, "pruned again, {}", place());
            assert_eq!(nodes_again, *nodes, "pruned again, {}", place());
        }
    }
}

fn dependencies(importer: &super::Importer<'_>, keep: Keep) -> Dependencies {
    let all = importer.dependencies.iter();
    all.filter(|one| keep.keeps(one.field, &one.alias))
        .map(|one| {
            let text = |text: &str| text.to_owned();
            (
                one.field,
                text(&one.alias),
                text(&one.specifier),
                text(&one.version),
            )
        })
        .collect()
}

/// The lines of an entry, without the flags that pruning may change.
fn lines(lockfile: &Lockfile<'_>, entry: &Entry<'_>, node: bool) -> Vec<String> {
    let text = &lockfile.text()[entry.head..entry.range.end];
    let is_flag = |line: &&str| {
        let own = line.trim_end().strip_prefix("    ").map(split_entry);
        match own {
            Some(Ok((key, value))) => {
                node && (key == "dev" || (key == "optional" && value == Some("true")))
            }
            _ => false,
        }
    };
    let lines = text.trim_end().lines().filter(|line| !is_flag(line));
    // Trailing blanks depend on whether a flag follows.
    let mut lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    if node && let Some(head) = lines.first_mut() {
        let key = head.trim_end().trim_end_matches("{}").trim_end().len();
        head.truncate(key);
    }
    lines
}

/// Everything but importers, packages and snapshots, by key. Text before the first key has an empty
/// key.
fn others<'l>(lockfile: &'l Lockfile<'_>) -> BTreeMap<&'l str, &'l str> {
    let ours = |key: &str| {
        let of_importer = ["dependencies", "devDependencies", "optionalDependencies"];
        matches!(key, "importers" | "packages" | "snapshots" | "specifiers")
            || of_importer.contains(&key)
    };
    let text = lockfile.text();
    let start = lockfile.sections.first().map_or(0, |one| one.range.start);
    let sections = lockfile.sections.iter().filter(|one| !ours(one.key));
    sections
        .map(|one| (one.key, text[one.range.clone()].trim_end()))
        .chain([("", &text[..start])])
        .collect()
}

/// References and keys: an alias and a version on each line.
pub fn keys(text: &str) {
    let mut parts = text.lines();
    let (alias, version) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    for format in [Format::V5, Format::V6, Format::V9] {
        match resolve(format, alias, version) {
            Reference::Link(target) => assert_eq!(format!("link:{target}"), version),
            Reference::Entry(key) => {
                assert!(key.contains(version), "{format:?} {alias} {version}: {key}");
                key_parts(format, &key);
            }
        }
        key_parts(format, alias);
        key_parts(format, version);
    }
    if let Ok(path) = RepoPath::new(alias) {
        assert_eq!(RepoPath::new(path.as_str()), Ok(path.clone()));
        if let Ok(below) = path.join(version) {
            assert_eq!(RepoPath::new(below.as_str()), Ok(below.clone()));
            assert!(below.parts().all(|part| part != ".." && part != "."));
        }
    }
}

fn key_parts(format: Format, key: &str) {
    let package = package_key(key);
    assert!(key.starts_with(package), "{key}: {package}");
    assert!(package.is_empty() == key.is_empty(), "{key}: {package}");
    let (name, version) = name_and_version(format, key);
    assert!(
        key.contains(name) && key.contains(version),
        "{format:?} {key}: {name} {version}"
    );
}
