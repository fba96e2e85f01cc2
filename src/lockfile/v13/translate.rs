//! From the original to format 9.0.

use std::collections::BTreeMap;
use std::ops::Range;

use super::choose::{Peers, choose};
use super::package::{self, Bound, Package, snapshots, with};
use super::parse::{Pair, Value, own_lines, pairs, parse, recorded};
use super::yaml::{flow, line, quoted, traits};
use super::{Entry, Map, Origin, Rest, Section, V13, origin};
use crate::lockfile::LockfileError;
use crate::lockfile::importer::Field;
use crate::lockfile::keys::{Format, Reference, name_and_version, resolve};
use crate::lockfile::lines::unreadable;
use crate::model::path::RepoPath;

/// The keys of `settings` that format 9.0 has at the top level.
const TOP_LEVEL: [&str; 6] = [
    "catalogs",
    "ignoredOptionalDependencies",
    "overrides",
    "packageExtensionsChecksum",
    "patchedDependencies",
    "pnpmfileChecksum",
];

/// Translates the document that begins at `start`.
pub(in crate::lockfile) fn translate(text: &str, start: usize) -> Result<V13, LockfileError> {
    let document = parse(text, start)?;
    let version = document.get("lockfileVersion").and_then(Value::text);
    match version {
        Some(version) if version.split('.').next() == Some("13") => {}
        Some(version) => return Err(LockfileError::Unknown(version.to_owned())),
        None => return Err(LockfileError::NoVersion),
    }
    let source = Source::new(text, &document)?;
    let mut out = text[..start].to_owned();
    out.push_str("lockfileVersion: '9.0'\n");
    source.settings(&mut out);
    let projects = source.projects(&mut out)?;
    let packages = source.packages(&mut out)?;
    let origin = Origin { projects, packages };
    Ok(V13 { text: out, origin })
}

struct Source<'t> {
    text: &'t str,
    document: &'t Value<'t>,
    packages: BTreeMap<&'t str, Package<'t>>,
    /// Directories of projects by the name that the file records.
    names: BTreeMap<&'t str, &'t str>,
}

impl<'t> Source<'t> {
    fn new(text: &'t str, document: &'t Value<'t>) -> Result<Self, LockfileError> {
        let mut packages = BTreeMap::new();
        for pair in pairs(document.get("packages")) {
            packages.insert(&*pair.key, package::read(text, pair)?);
        }
        let named = |pair: &'t Pair<'t>| Some((pair.value.get("name")?.text()?, &*pair.key));
        let names = pairs(document.get("projects")).iter().filter_map(named);
        Ok(Self {
            text,
            document,
            packages,
            names: names.collect(),
        })
    }

    fn fail(&self, range: &Range<usize>, problem: impl Into<String>) -> LockfileError {
        unreadable(self.text, range.start, problem)
    }

    fn settings(&self, out: &mut String) {
        let settings = pairs(self.document.get("settings"));
        let is_top_level = |pair: &&Pair<'_>| TOP_LEVEL.contains(&&*pair.key);
        let mut others = settings
            .iter()
            .filter(|pair| !is_top_level(pair))
            .peekable();
        if others.peek().is_some() {
            out.push_str("\nsettings:\n");
        }
        for pair in others {
            line(out, 2, &pair.key, Some(&flow(&pair.value)));
        }
        for pair in settings.iter().filter(is_top_level) {
            out.push('\n');
            match (&*pair.key, pair.value.map()) {
                ("overrides", Some(overrides)) => {
                    line(out, 0, &pair.key, None);
                    for pair in overrides {
                        line(out, 2, &pair.key, Some(&flow(&pair.value)));
                    }
                }
                ("catalogs", Some(catalogs)) => {
                    line(out, 0, &pair.key, None);
                    for catalog in catalogs {
                        line(out, 2, &catalog.key, None);
                        for entry in pairs(Some(&catalog.value)) {
                            let (specifier, version) = recorded(&entry.value);
                            line(out, 4, &entry.key, None);
                            line(out, 6, "specifier", Some(&quoted(specifier)));
                            line(
                                out,
                                6,
                                "version",
                                Some(&quoted(version.unwrap_or(specifier))),
                            );
                        }
                    }
                }
                _ => line(out, 0, &pair.key, Some(&flow(&pair.value))),
            }
        }
    }

    fn projects(&self, out: &mut String) -> Result<Section, LockfileError> {
        let Some(section) = self.document.pair("projects") else {
            return Ok(Section::default());
        };
        out.push_str("\nimporters:\n");
        let mut entries = Vec::new();
        let mut projects: Vec<&Pair<'_>> = pairs(Some(&section.value)).iter().collect();
        projects.sort_by(|left, right| left.key.cmp(&right.key));
        for project in projects {
            entries.push(self.project(project, out)?);
        }
        entries.sort_by_key(|entry| entry.range.start);
        Ok(Section {
            range: Some(own_lines(self.text, &section.range)?),
            entries,
        })
    }

    fn project(&self, project: &Pair<'t>, out: &mut String) -> Result<Entry, LockfileError> {
        let dir = &*project.key;
        let mut scope: BTreeMap<&str, String> = BTreeMap::new();
        let mut found = Vec::new();
        for field in Field::ALL {
            for pair in pairs(project.value.get(field.key())) {
                let (specifier, written) = recorded(&pair.value);
                let version = match written {
                    Some(version) => version.to_owned(),
                    None => self.version(project, pair, specifier)?,
                };
                scope.insert(&pair.key, version.clone());
                found.push((field, pair, specifier, version));
            }
        }
        let has_more = pairs(Some(&project.value))
            .iter()
            .any(|pair| Field::from_key(&pair.key).is_none());
        let others: Vec<&Pair<'_>> = pairs(Some(&project.value))
            .iter()
            .filter(|pair| Field::from_key(&pair.key).is_none() && pair.key != "name")
            .collect();
        out.push('\n');
        let is_empty = found.is_empty() && others.is_empty();
        line(out, 2, dir, is_empty.then_some("{}"));
        let mut maps = Vec::new();
        for field in Field::ALL {
            let Some(map) = project.value.pair(field.key()) else {
                continue;
            };
            let own = || found.iter().filter(|(of, ..)| *of == field);
            if own().next().is_some() {
                line(out, 4, field.key(), None);
            }
            let mut dependencies = Vec::new();
            for (_, pair, specifier, version) in own() {
                let seen = |name: &str| scope.get(name).map(String::as_str);
                let version =
                    self.reference(&pair.key, version, &seen, &with(&pair.value), &pair.range)?;
                line(out, 6, &pair.key, None);
                line(out, 8, "specifier", Some(&quoted(specifier)));
                line(out, 8, "version", Some(&quoted(&version)));
                dependencies.push((pair.key.to_string(), own_lines(self.text, &pair.range)?));
            }
            maps.push(Map {
                field,
                range: own_lines(self.text, &map.range)?,
                dependencies,
            });
        }
        for pair in others {
            line(out, 4, &pair.key, Some(&flow(&pair.value)));
        }
        Ok(Entry {
            key: dir.to_owned(),
            range: own_lines(self.text, &project.range)?,
            rest: Rest::Project { maps, has_more },
        })
    }

    /// The version of a direct dependency whose specifier says it.
    fn version(
        &self,
        project: &Pair<'t>,
        pair: &Pair<'t>,
        specifier: &str,
    ) -> Result<String, LockfileError> {
        let alias = &*pair.key;
        if let Some(catalog) = specifier.strip_prefix("catalog:") {
            let catalog = if catalog.is_empty() {
                "default"
            } else {
                catalog
            };
            let settings = self.document.get("settings");
            let entry = settings
                .and_then(|settings| settings.get("catalogs")?.get(catalog)?.get(alias))
                .map(recorded);
            let version = entry.map(|(specifier, version)| version.unwrap_or(specifier));
            return version.map(str::to_owned).ok_or_else(|| {
                let problem = format!("it records no `{alias}` of the catalog `{catalog}`");
                self.fail(&pair.range, problem)
            });
        }
        if let Some(target) = specifier.strip_prefix("npm:") {
            return Ok(target.to_owned());
        }
        if let Some(wanted) = specifier.strip_prefix("workspace:") {
            return self.member(project, pair, wanted);
        }
        Ok(specifier.to_owned())
    }

    /// The version of a dependency by `workspace:`: a link, or the copy that pnpm injects.
    fn member(
        &self,
        project: &Pair<'t>,
        pair: &Pair<'t>,
        wanted: &str,
    ) -> Result<String, LockfileError> {
        let alias = &*pair.key;
        let from = RepoPath::new(&project.key)
            .map_err(|error| self.fail(&project.range, error.to_string()))?;
        let name = match wanted.get(1..).and_then(|rest| rest.find('@')) {
            Some(at) => &wanted[..=at],
            None => alias,
        };
        let target = if wanted.starts_with('.') {
            from.join(wanted).ok()
        } else {
            let dir = self.names.get(name);
            dir.and_then(|dir| RepoPath::new(dir).ok())
        };
        // An injected package may be known by its copy alone.
        let meta = project.value.get("dependenciesMeta");
        let injected = meta.and_then(|meta| meta.get(alias)?.get("injected"));
        if injected.is_some_and(Value::is_true) {
            let copies = format!("{name}@file:");
            let is_copy = |key: &str| match &target {
                Some(dir) => key.strip_prefix(&*copies) == Some(dir.as_str()),
                None => key.starts_with(&*copies),
            };
            let copy = self.packages.keys().copied().find(|key| is_copy(key));
            if let Some(key) = copy {
                let own = if name == alias { name.len() + 1 } else { 0 };
                return Ok(key[own..].to_owned());
            }
        }
        let target = target.ok_or_else(|| {
            let problem = format!("no project of the file has the name `{name}`");
            self.fail(&pair.range, problem)
        })?;
        Ok(link(&from, &target))
    }

    /// A version as format 9.0 writes it, with the peers of the node that is meant.
    fn reference<'s>(
        &self,
        alias: &str,
        version: &str,
        scope: &dyn Fn(&str) -> Option<&'s str>,
        with: &Peers<'s>,
        place: &Range<usize>,
    ) -> Result<String, LockfileError> {
        let key = match resolve(Format::V9, alias, version) {
            Reference::Link(_) => return Ok(version.to_owned()),
            Reference::Entry(key) => key,
        };
        let package = self.packages.get(&*key).ok_or_else(|| {
            let problem = format!("`packages` has no `{key}`");
            self.fail(place, problem)
        })?;
        let peers: Vec<&Peers<'_>> = package.nodes.iter().map(|node| &node.peers).collect();
        let node = &package.nodes[choose(&peers, scope, with)];
        Ok(format!("{version}{}", &node.key[key.len()..]))
    }

    fn packages(&self, out: &mut String) -> Result<Section, LockfileError> {
        let Some(section) = self.document.pair("packages") else {
            return Ok(Section::default());
        };
        out.push_str("\npackages:\n");
        for (key, package) in &self.packages {
            out.push('\n');
            line(out, 2, key, None);
            traits(out, key, &package.pair.value);
        }
        out.push_str("\nsnapshots:\n");
        let mut entries = Vec::new();
        for package in self.packages.values() {
            for (node, lists) in package.nodes.iter().zip(snapshots(&package.pair.value)) {
                self.node(package, node, &lists, out)?;
            }
            entries.push(origin::of_package(self.text, package)?);
        }
        entries.sort_by_key(|entry| entry.range.start);
        Ok(Section {
            range: Some(own_lines(self.text, &section.range)?),
            entries,
        })
    }

    /// Writes a node of `snapshots`.
    fn node(
        &self,
        package: &Package<'t>,
        node: &Bound<'t>,
        snapshot: &[&'t Value<'t>],
        out: &mut String,
    ) -> Result<(), LockfileError> {
        let place = &package.pair.range;
        let mut edges = Vec::new();
        for (field, optional) in [("dependencies", false), ("optionalDependencies", true)] {
            for part in snapshot {
                for pair in pairs(part.get(field)) {
                    let version = match &pair.value {
                        Value::Text(version) => version,
                        value => value.get("version").and_then(Value::text).ok_or_else(|| {
                            self.fail(&pair.range, format!("`{}` has no version", pair.key))
                        })?,
                    };
                    edges.push((&*pair.key, version, with(&pair.value), optional));
                }
            }
        }
        let children: BTreeMap<&str, &str> = edges
            .iter()
            .map(|(alias, version, ..)| (*alias, *version))
            .collect();
        for peer in &node.own {
            if !children.contains_key(peer.name) {
                edges.push((peer.name, peer.version, peer.with.clone(), peer.optional));
            }
        }
        let (name, version) = name_and_version(Format::V9, &package.pair.key);
        let scope = |wanted: &str| {
            let child = children.get(wanted).copied();
            child
                .or((wanted == name).then_some(version))
                .or_else(|| node.peers.get(wanted).copied())
        };
        let is_optional = snapshot
            .iter()
            .any(|part| part.get("optional").is_some_and(Value::is_true));
        out.push('\n');
        let is_empty = edges.is_empty() && !is_optional;
        line(out, 2, &node.key, is_empty.then_some("{}"));
        for (field, optional) in [("dependencies", false), ("optionalDependencies", true)] {
            let mut own: Vec<_> = edges.iter().filter(|edge| edge.3 == optional).collect();
            own.sort_by_key(|edge| edge.0);
            own.dedup_by_key(|edge| edge.0);
            if !own.is_empty() {
                line(out, 4, field, None);
            }
            for (alias, version, with, _) in own {
                let version = self.reference(alias, version, &scope, with, place)?;
                line(out, 6, alias, Some(&quoted(&version)));
            }
        }
        if is_optional {
            line(out, 4, "optional", Some("true"));
        }
        Ok(())
    }
}

/// `link:` from one directory to another.
fn link(from: &RepoPath, to: &RepoPath) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.parts().collect(), to.parts().collect());
    let shared = from
        .iter()
        .zip(&to)
        .take_while(|(left, right)| left == right)
        .count();
    let up = std::iter::repeat_n("..", from.len() - shared);
    let way: Vec<&str> = up.chain(to[shared..].iter().copied()).collect();
    format!("link:{}", way.join("/"))
}
