//! Whose is a path? Decided by the manifests and lists that the image itself has.
//!
//! ```text
//! …/node_modules/NAME/…           the package of the innermost manifest; without one, as pnpm names its directory
//! /usr/local/lib/node_modules/…   npm and the like, which come with node
//! /nodejs, /usr/local/bin/node    node
//! a directory with package.json   the app, or a package of the workspace
//! lists of dpkg and apk           a package of the system
//! the app's home                  the app
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::system::System;
use super::{Kind, Manifest, Owner, ReadLayer, Said};

/// Where packages are installed that come with node.
const GLOBAL: [&str; 4] = [
    "usr/local/lib/node_modules/",
    "usr/lib/node_modules/",
    "nodejs/lib/node_modules/",
    "opt/yarn-",
];
/// Files and directories of node itself.
const NODE: [&str; 12] = [
    "nodejs/",
    "usr/bin/node",
    "usr/bin/nodejs",
    "usr/local/bin/node",
    "usr/local/bin/nodejs",
    "usr/local/include/node/",
    "usr/include/node/",
    "usr/local/share/doc/node/",
    "usr/local/share/man/man1/node.1",
    "usr/local/CHANGELOG.md",
    "usr/local/LICENSE",
    "usr/local/README.md",
];
/// Where images usually have the files of an app.
const HOMES: [&str; 5] = [
    "app",
    "usr/src/app",
    "home/node/app",
    "srv",
    "usr/share/nginx/html",
];
const MODULES: &str = "node_modules/";

/// What the configuration of an image and the workspace tell about places.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The app's directory in the workspace, if that is known: `apps/server`.
    pub app: Option<String>,
    /// The working directory, without `/` at its ends.
    pub working_dir: String,
    /// The version of node.
    pub node: Option<String>,
    /// Names of packages that are known to be of the workspace.
    pub members: BTreeSet<String>,
    /// Their directories in it, with their names.
    pub directories: BTreeMap<String, String>,
}

/// All owners.
pub(super) struct Owners<'o> {
    places: &'o Places,
    /// By their directories.
    manifests: BTreeMap<&'o str, &'o Manifest>,
    /// The app's directory in the image.
    app: Option<&'o str>,
    system: System,
}

impl<'o> Owners<'o> {
    pub(super) fn new(layers: &'o [ReadLayer], seen: &[Vec<bool>], places: &'o Places) -> Self {
        let mut owners = Self {
            places,
            manifests: BTreeMap::new(),
            app: None,
            system: System::default(),
        };
        for (layer, seen) in layers.iter().zip(seen) {
            let entries = layer.entries.iter().zip(seen);
            for (entry, _) in entries.filter(|(_, seen)| **seen) {
                match &entry.said {
                    Some(Said::Manifest(manifest)) => {
                        let directory = entry.path.rsplit_once('/').map_or("", |(it, _)| it);
                        owners.manifests.insert(directory, manifest);
                    }
                    Some(Said::Text(text)) => owners.system.read(&entry.path, text),
                    None => {}
                }
            }
        }
        owners.app = owners.find_app();
        owners
    }

    /// The app's directory: as the workspace names it, else where its program starts.
    fn find_app(&self) -> Option<&'o str> {
        let projects = self.manifests.keys().copied();
        let mut projects: Vec<&str> = projects
            .filter(|dir| !dir.split('/').any(|part| part == "node_modules"))
            .filter(|dir| !GLOBAL.iter().any(|global| dir.starts_with(global)))
            .collect();
        projects.sort_unstable_by_key(|dir| (dir.len(), *dir));
        let named = self.places.app.as_deref().and_then(|app| {
            let is_it = |dir: &&str| {
                let rest = dir.strip_suffix(app);
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
            };
            projects.iter().copied().find(is_it)
        });
        let of_start = || {
            let here = |dir: &&str| **dir == *self.places.working_dir;
            projects.iter().copied().find(here)
        };
        let only = || match projects.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        named.or_else(of_start).or_else(only)
    }

    /// The owner of a file, and its manifest.
    pub(super) fn of(&self, path: &str) -> (Owner, Option<&'o Manifest>) {
        if GLOBAL.iter().any(|global| path.starts_with(global)) {
            return (self.of_global(path), None);
        }
        if let Some(found) = self.of_module(path) {
            return found;
        }
        let is_node =
            |place: &&str| path == *place || (place.ends_with('/') && path.starts_with(*place));
        if NODE.iter().any(is_node) {
            return (self.node(), None);
        }
        let system = |(name, version): (&str, Option<&str>)| Owner {
            kind: Kind::System,
            name: name.to_owned(),
            version: version.map(str::to_owned),
        };
        // Debian's packages may have a package.json of their own.
        if let Some(found) = self.system.of(path) {
            return (system(found), None);
        }
        if let Some(found) = self.of_project(path) {
            return found;
        }
        if let Some(found) = self.system.of_own_list(path) {
            return (system(found), None);
        }
        let own = [self.places.working_dir.as_str()].into_iter().chain(HOMES);
        let own = own.filter(|home| !home.is_empty());
        let kind = if own.into_iter().any(|home| is_below(path, home)) {
            Kind::App
        } else {
            Kind::Other
        };
        (Owner::plain(kind), None)
    }

    fn node(&self) -> Owner {
        Owner {
            kind: Kind::Node,
            name: "node".to_owned(),
            version: self.places.node.clone(),
        }
    }

    /// A package that comes with node, with all that it has installed for itself.
    fn of_global(&self, path: &str) -> Owner {
        let dir = match path.find(MODULES) {
            Some(at) => package(path, at + MODULES.len()).map(|(_, dir)| dir),
            None => path.match_indices('/').nth(1).map(|(at, _)| &path[..at]),
        };
        let manifest = dir.and_then(|dir| self.manifests.get(dir));
        match manifest.and_then(|manifest| manifest.name.clone()) {
            Some(name) => Owner {
                kind: Kind::Node,
                name,
                version: manifest.and_then(|manifest| manifest.version.clone()),
            },
            None => self.node(),
        }
    }

    /// A package in `node_modules`.
    fn of_module(&self, path: &str) -> Option<(Owner, Option<&'o Manifest>)> {
        let places = path.match_indices(MODULES).map(|(at, _)| at);
        let places = places.filter(|at| *at == 0 || path.as_bytes()[at - 1] == b'/');
        let places: Vec<usize> = places.map(|at| at + MODULES.len()).collect();
        let packages = places.iter().rev().filter_map(|at| package(path, *at));
        let mut fallback = None;
        for (name, dir) in packages {
            let manifest = self.manifests.get(dir).copied();
            let own = manifest.and_then(|manifest| Some((manifest, manifest.name.as_ref()?)));
            if let Some((manifest, own)) = own {
                let (linked, version) = stored(dir).unzip();
                let version = manifest.version.clone().or_else(|| {
                    let version = version.flatten();
                    version.filter(|_| linked.as_deref() == Some(own.as_str()))
                });
                return Some((self.module(own, version, dir), Some(manifest)));
            }
            fallback.get_or_insert(name);
        }
        // Without a manifest, pnpm's directory tells, as for code that prisma has made.
        let (name, version) = match (stored(path), fallback) {
            (Some((stored, version)), name) if name.is_none_or(|name| name == stored) => {
                (stored, version)
            }
            (_, Some(name)) => (name.to_owned(), None),
            (Some(stored), None) => stored,
            (None, None) => return None,
        };
        Some((self.module(&name, version, path), None))
    }

    fn module(&self, name: &str, version: Option<String>, path: &str) -> Owner {
        let is_member = self.places.members.contains(name) || is_injected(path);
        let kind = if is_member {
            Kind::Workspace
        } else {
            Kind::Package
        };
        Owner {
            kind,
            name: name.to_owned(),
            // One member has one version.
            version: version.filter(|_| !is_member),
        }
    }

    /// The app or a member, by the nearest manifest above.
    fn of_project(&self, path: &str) -> Option<(Owner, Option<&'o Manifest>)> {
        let mut rest = path;
        while let Some((directory, _)) = rest.rsplit_once('/') {
            rest = directory;
            let Some(manifest) = self.manifests.get(directory).copied() else {
                continue;
            };
            if self.app == Some(directory) {
                return Some((Owner::plain(Kind::App), Some(manifest)));
            }
            // A bundler leaves `{"type": "module"}` inside of a project.
            let Some(name) = &manifest.name else {
                continue;
            };
            return Some((
                Owner {
                    kind: Kind::Workspace,
                    name: name.clone(),
                    version: None,
                },
                Some(manifest),
            ));
        }
        self.of_directory(path).map(|owner| (owner, None))
    }

    /// The app or a member, by the directory that the workspace has for it: its manifest may be in a layer
    /// that is not read.
    fn of_directory(&self, path: &str) -> Option<Owner> {
        let home = self.places.working_dir.split('/').next()?;
        let inside = path.strip_prefix(home)?.strip_prefix('/')?;
        let is_in = |(dir, _): &(&String, &String)| is_below(inside, dir);
        let directories = self.places.directories.iter().filter(is_in);
        let (dir, name) = directories.max_by_key(|(dir, _)| dir.len())?;
        if self.places.app.as_ref() == Some(dir) {
            return Some(Owner::plain(Kind::App));
        }
        Some(Owner {
            kind: Kind::Workspace,
            name: name.clone(),
            version: None,
        })
    }
}

/// Whether a path is a directory or below it.
fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// The name at this position of a path, and the directory up to its end. Something must be below.
fn package(path: &str, at: usize) -> Option<(&str, &str)> {
    let rest = path.get(at..)?;
    if rest.starts_with('.') {
        return None;
    }
    let scopes = usize::from(rest.starts_with('@'));
    let (end, _) = rest.match_indices('/').nth(scopes)?;
    Some((&rest[..end], &path[..at + end]))
}

/// The last directory of pnpm's store in a path: `.pnpm/@scope+name@1.0.0_peers/…`.
fn store_directory(path: &str) -> Option<&str> {
    let (_, rest) = path.rsplit_once("node_modules/.pnpm/")?;
    Some(rest.split('/').next().unwrap_or(rest))
}

/// Whether pnpm has copied it from the workspace.
fn is_injected(path: &str) -> bool {
    store_directory(path).is_some_and(|dir| dir.contains("@file+") || dir.contains("@file:"))
}

/// The name and version in the name of a directory of pnpm's store.
fn stored(path: &str) -> Option<(String, Option<String>)> {
    let directory = store_directory(path)?;
    let (at, _) = directory.match_indices('@').find(|(at, _)| *at > 0)?;
    let (name, version) = (&directory[..at], &directory[at + 1..]);
    let version = version.split(['_', '(']).next().unwrap_or(version);
    let is_version = version.starts_with(|letter: char| letter.is_ascii_digit());
    let name = if name.starts_with('@') {
        name.replacen('+', "/", 1)
    } else {
        name.to_owned()
    };
    Some((name, is_version.then(|| version.to_owned())))
}
