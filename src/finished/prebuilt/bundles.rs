//! Outputs that need nothing else: bundles with their modules, and sites.

use std::collections::BTreeSet;
use std::io;

use flate2::{Compression, GzBuilder};

use super::PrebuiltError;
use super::files::{self, Found, LeftOut, Wanted};
use super::outputs::command;
use crate::detect::{Bundle, Site};
use crate::files::tree::Tree;
use crate::files::{FilesError, Kind};
use crate::model::path::RepoPath;
use crate::plan::{Content, ContextEntry, Place, Plan, WORKSPACE};

/// The extensions that nginx serves compressed.
const TEXTS: [&str; 11] = [
    "css",
    "html",
    "js",
    "json",
    "map",
    "mjs",
    "svg",
    "txt",
    "wasm",
    "webmanifest",
    "xml",
];

/// Smaller files, in bytes, do not shrink.
const WORTHWHILE: u64 = 1024;

const ALL: Wanted<'static> = Wanted {
    modules: files::Modules::Theirs,
    outputs: true,
    globs: None,
};

/// The parts of a bundle, each at its place, without its modules.
pub(super) fn bundle(
    plan: &Plan,
    bundle: &Bundle,
    tree: &Tree,
    left_out: &mut LeftOut,
) -> Result<Vec<ContextEntry>, PrebuiltError> {
    let dir = &plan.app.dir;
    let proof = dir.join(&bundle.proof).unwrap_or_default();
    if !tree.is_file(&proof)? {
        let env = plan.steps().last().map(|step| &step.env);
        let env: Vec<_> = env.into_iter().flatten().collect();
        let words: String = env.iter().fold(String::new(), |words, (name, value)| {
            // The user runs the command in the workspace.
            let value = if *value == WORKSPACE {
                "\"$PWD\""
            } else {
                value
            };
            format!("{words}{name}={value} ")
        });
        // Unless told otherwise, turbo passes on only variables that turbo.json names.
        let mode = if env.is_empty() {
            ""
        } else {
            " --env-mode=loose"
        };
        return Err(PrebuiltError::NotBuilt {
            package: plan.app.name.clone(),
            path: proof,
            command: format!("{words}{}{mode}", command(plan)),
        });
    }
    let mut entries = Vec::new();
    for piece in &bundle.pieces {
        let from = dir.join(&piece.from).unwrap_or_default();
        let to = match &piece.to {
            Some(to) => dir.join(to).unwrap_or_default(),
            None => RepoPath::ROOT,
        };
        for Found { file, .. } in files::below(tree, &from, &ALL, left_out)? {
            let inside = file.path.strip(&from).unwrap_or_default();
            let Ok(path) = to.join(inside) else {
                continue;
            };
            // Skips links that are broken because their target was not taken.
            if matches!(file.kind, Kind::Symlink { .. }) && tree.metadata(&file.path).is_err() {
                continue;
            }
            entries.push((path, file));
        }
    }
    let modules = RepoPath::new(&bundle.modules).unwrap_or_default();
    let writable = bundle.writable.as_ref();
    let writable = writable.and_then(|path| dir.join(path).ok());
    let why = "the app's build wrote it";
    let entry = |(path, file): (RepoPath, _)| {
        let place = if path.is_within(&modules) {
            Place::Modules
        } else if writable.as_ref().is_some_and(|dir| path.is_within(dir)) {
            Place::Writable
        } else {
            Place::App
        };
        ContextEntry::moved(place, path, &file, why)
    };
    Ok(entries.into_iter().map(entry).collect())
}

/// A site's files, and compressed copies where they save space.
pub(super) fn site(
    plan: &Plan,
    site: &Site,
    tree: &Tree,
    left_out: &mut LeftOut,
) -> Result<Vec<ContextEntry>, PrebuiltError> {
    let dir = plan.app.dir.join(&site.dir).unwrap_or_default();
    let found = files::below(tree, &dir, &ALL, left_out)?;
    let index = dir.join("index.html").unwrap_or_default();
    if !found.iter().any(|one| one.file.path == index) {
        return Err(PrebuiltError::NotBuilt {
            package: plan.app.name.clone(),
            path: index,
            command: command(plan),
        });
    }
    let names: BTreeSet<RepoPath> = found.iter().map(|one| one.file.path.clone()).collect();
    let mut entries = Vec::new();
    for Found { file, .. } in found {
        let inside = file.path.strip(&dir).unwrap_or_default();
        let extension = inside
            .rsplit_once('.')
            .map_or("", |(_, extension)| extension);
        let packed = dir.join(&format!("{inside}.gz")).unwrap_or_default();
        let plain = matches!(file.kind, Kind::Regular { .. });
        if plain && file.size > WORTHWHILE && TEXTS.contains(&extension) && !names.contains(&packed)
        {
            let bytes = compress(tree, &file.path)?;
            let content = Content::Packed {
                bytes: bytes.into(),
            };
            let why = "nginx sends it to whoever takes it";
            let path = RepoPath::new(&format!("{inside}.gz")).unwrap_or_default();
            entries.push(ContextEntry::new(Place::App, path, content, why));
        }
        let why = "the app's build wrote it";
        let path = RepoPath::new(inside).unwrap_or_default();
        entries.push(ContextEntry::moved(Place::App, path, &file, why));
    }
    Ok(entries)
}

/// Like `gzip -9 -n`: without name and time.
fn compress(tree: &Tree, path: &RepoPath) -> Result<Vec<u8>, FilesError> {
    let cannot = |source| FilesError::Unreadable {
        path: path.clone(),
        source,
    };
    let (mut file, _) = tree.file(path)?;
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    io::copy(&mut file, &mut gzip).map_err(cannot)?;
    gzip.finish().map_err(cannot)
}
