//! The list of what an app ships (SBOM): its workspace packages and the packages of the lockfile that
//! it needs at run time, with who needs whom.
//!
//! Input: the workspace, the app, its options, a platform, and the licences of packages. Output: a
//! [`Bill`], and from it a document of `CycloneDX` ([`cyclonedx`]) or SPDX ([`spdx`]). It comes from
//! the lockfile and is no scan. The same lockfile and licences give the same bytes on every machine.
//! Packages of the system are in it if the image is known.

pub mod cyclonedx;
mod purl;
pub mod spdx;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nodejs_semver::Version;

use crate::ask::licences::Licences;
use crate::ask::web::{COPIED, Edge, Node, Web};
use crate::image::contents::SystemList;
use crate::lockfile::keys::name_and_version;
use crate::lockfile::{Field, Lockfile};
use crate::model::image::Platform;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::needs::survey::Survey;
use crate::plan::study::Study;
use crate::plan::{PlanError, PlanOptions};
use crate::system::credential::redacted;
use crate::workspace::Workspace;

/// What an app ships.
#[derive(Debug, PartialEq, Eq)]
pub struct Bill {
    /// The reference of the app among the parts.
    pub app: String,
    /// All parts by their references, which are unique.
    pub parts: BTreeMap<String, Part>,
    /// Which parts each part needs.
    pub needs: BTreeMap<String, BTreeSet<String>>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The package's name, or its directory if it has none.
    pub name: String,
    /// Its version, if it has one.
    pub version: Option<String>,
    /// Its address in the language of package URLs, if it can be told.
    pub purl: Option<String>,
    /// Whether it is a package of the workspace.
    pub is_member: bool,
    /// The digests of its archive: the name of the algorithm, and hexadecimal digits.
    pub hashes: Vec<(&'static str, String)>,
    /// The address of its archive, if the registry's usual one is not meant.
    pub archive: Option<String>,
    /// Its licence, as its manifest has it.
    pub licence: Option<String>,
}

impl Part {
    /// `name@version`
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Which image the list is about.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'m> {
    /// The platform: packages for others are not installed.
    pub platform: &'m Platform,
    /// `glibc` or `musl`.
    pub libc: &'m str,
}

impl Bill {
    /// Lists what the app at `app` ships.
    pub fn new(
        survey: &Survey<'_>,
        app: MemberId,
        options: &PlanOptions,
        machine: Machine<'_>,
        licences: &Licences,
    ) -> Result<Self, PlanError> {
        let study = Study::new(survey, app, options)?;
        let closure = study.dependencies()?;
        let web = Web::new(survey.workspace, &survey.lockfiles)?;
        let lister = Lister {
            survey,
            web: &web,
            closure: &closure,
            machine,
            licences,
        };
        Ok(lister.list(app))
    }

    /// Adds the packages of the system that the image has.
    pub fn add_system(&mut self, list: &SystemList) {
        for package in &list.packages {
            let purl = purl::of_system(package, list);
            let part = Part {
                name: package.name.clone(),
                version: Some(package.version.clone()),
                purl: Some(purl.clone()),
                is_member: false,
                hashes: Vec::new(),
                archive: None,
                licence: None,
            };
            self.parts.insert(purl, part);
        }
    }

    /// The packages that are not of the workspace.
    pub fn foreign(&self) -> impl Iterator<Item = &Part> {
        self.parts.values().filter(|part| !part.is_member)
    }
}

struct Lister<'l, 's, 'a> {
    survey: &'l Survey<'s>,
    web: &'l Web,
    closure: &'l Closure<'l, 'a>,
    machine: Machine<'l>,
    licences: &'l Licences,
}

impl Lister<'_, '_, '_> {
    fn list(&self, app: MemberId) -> Bill {
        let mut bill = Bill {
            app: self.reference(Web::member(app)),
            parts: BTreeMap::new(),
            needs: BTreeMap::new(),
        };
        // The root project is there if it provides the program that starts the app.
        let mut members = self.closure.members.keys().copied();
        let root = members.find(|at| at.is_root() && !app.is_root());
        let starts = [app].into_iter().chain(root).map(Web::member);
        let mut waiting: Vec<usize> = starts.collect();
        let mut seen: BTreeSet<usize> = waiting.iter().copied().collect();
        while let Some(at) = waiting.pop() {
            let reference = self.reference(at);
            let mut targets = BTreeSet::new();
            for edge in self.web.edges[at]
                .iter()
                .filter(|edge| self.counts(at, edge))
            {
                let target = self.reference(edge.to);
                if target != reference {
                    targets.insert(target);
                }
                if seen.insert(edge.to) {
                    waiting.push(edge.to);
                }
            }
            // Entries that differ only in their peers are one package.
            bill.parts
                .entry(reference.clone())
                .or_insert_with(|| self.part(at));
            bill.needs.entry(reference).or_default().extend(targets);
        }
        bill
    }

    /// Whether a dependency is installed.
    fn counts(&self, from: usize, edge: &Edge) -> bool {
        let kept = match (&self.web.nodes[from], edge.field) {
            (Node::Member(at), Some(field)) => self.keeps(*at, field, &edge.alias),
            (Node::Entry(..), _) => true,
            _ => false,
        };
        kept && match &self.web.nodes[edge.to] {
            Node::Entry(home, key) => self.fits(&self.survey.lockfiles.all()[*home], key),
            Node::Member(_) | Node::Directory(_) => true,
        }
    }

    fn keeps(&self, at: MemberId, field: Field, alias: &str) -> bool {
        self.closure.keeps_in(at, field, alias)
    }

    fn fits(&self, lockfile: &Lockfile<'_>, key: &str) -> bool {
        let (os, ..) = self.machine.platform.parts();
        let cpu = self.machine.platform.cpu();
        lockfile.traits(key).fits(os, cpu, Some(self.machine.libc))
    }

    /// What a node is called in the list: the directory of a package of the workspace, else its
    /// package URL, else its name in the lockfile.
    fn reference(&self, at: usize) -> String {
        let label = &self.web.labels[at];
        if let Node::Member(_) | Node::Directory(_) = self.web.nodes[at] {
            return label.clone();
        }
        match label.strip_suffix(COPIED) {
            Some(dir) => dir.to_owned(),
            None => self.purl(at).unwrap_or_else(|| redacted(label)),
        }
    }

    fn purl(&self, at: usize) -> Option<String> {
        let Node::Entry(home, key) = &self.web.nodes[at] else {
            return None;
        };
        let lockfile = &self.survey.lockfiles.all()[*home];
        let (name, version) = name_and_version(lockfile.format(), key);
        purl::of(name, version)
    }

    fn part(&self, at: usize) -> Part {
        let label = &self.web.labels[at];
        let (home, key) = match &self.web.nodes[at] {
            Node::Entry(home, key) if !label.ends_with(COPIED) => (home, key),
            Node::Entry(..) | Node::Member(_) | Node::Directory(_) => {
                let dir = label.strip_suffix(COPIED).unwrap_or(label);
                return own(self.survey.workspace, dir);
            }
        };
        let lockfile = &self.survey.lockfiles.all()[*home];
        let (name, version) = name_and_version(lockfile.format(), key);
        let origin = lockfile.origin(key);
        let version = shown_version(version);
        let licence = version.as_deref().and_then(|it| self.licences.of(name, it));
        Part {
            name: name.to_owned(),
            purl: self.purl(at),
            is_member: false,
            hashes: origin.integrity.map(hashes).unwrap_or_default(),
            archive: origin.tarball.map(redacted),
            licence: licence.map(|licence| licence.name.clone()),
            version,
        }
    }
}

/// A package of the workspace.
fn own(workspace: &Workspace, dir: &str) -> Part {
    let at = RepoPath::new(dir)
        .ok()
        .and_then(|dir| workspace.member_in(&dir));
    let text = |key: &str| at.and_then(|at| workspace.members[at].manifest.text(key));
    Part {
        name: text("name").unwrap_or(dir).to_owned(),
        version: text("version").map(str::to_owned),
        purl: None,
        is_member: true,
        hashes: Vec::new(),
        archive: None,
        licence: text("license").map(str::to_owned),
    }
}

/// A version of the lockfile as far as it is one: an address has none.
fn shown_version(version: &str) -> Option<String> {
    let version = version.rsplit_once(':').map_or(version, |(_, rest)| rest);
    Version::parse(version).is_ok().then(|| version.to_owned())
}

/// The digests of an integrity, which may have several.
fn hashes(integrity: &str) -> Vec<(&'static str, String)> {
    let known = |one: &str| {
        let (algorithm, rest) = one.split_once('-')?;
        let name = match algorithm {
            "sha1" => "SHA-1",
            "sha256" => "SHA-256",
            "sha384" => "SHA-384",
            "sha512" => "SHA-512",
            _ => return None,
        };
        let bytes = STANDARD.decode(rest.split('?').next()?).ok()?;
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        Some((name, digits.collect::<String>()))
    };
    integrity
        .split_ascii_whitespace()
        .filter_map(known)
        .collect()
}
