//! Which files apply to an app, in which order.

use super::keys::{self, Scope};
use super::reader::Node;
use super::{ConfigError, FILE, PlanOptions};
use crate::files::tree::Limit;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::system::trail;
use crate::workspace::Workspace;
use crate::workspace::manifest::{ManifestError, parse_jsonc_tree};

/// The options for the app at `app`: from its own file, then from `apps` in the root's file, then
/// the root's defaults.
pub fn load(workspace: &Workspace, app: MemberId) -> Result<PlanOptions, ConfigError> {
    let member = &workspace.members[app];
    trail::decided(|| {
        let dirs = [RepoPath::ROOT, member.dir.clone()];
        let own = usize::from(!member.dir.is_root());
        let files = dirs[..=own].iter().filter_map(|dir| dir.join(FILE).ok());
        let files = files.filter(|file| workspace.tree.is_file(file).unwrap_or_default());
        let files: Vec<String> = files.map(|file| format!("`{file}`")).collect();
        match files.len() {
            0 => format!(
                "the settings of `{}` are the defaults: there is no `{FILE}`",
                member.dir
            ),
            _ => format!(
                "the settings of `{}` are in {}",
                member.dir,
                files.join(" and ")
            ),
        }
    });
    if member.dir.is_root() {
        // Its own file is the root's.
        return inherited(workspace, app);
    }
    let own = match text(workspace, &member.dir)? {
        Some((file, text)) => parse(&file, &text, |node| {
            keys::read(node, &member.dir, Scope::One)
        })?,
        None => PlanOptions::default(),
    };
    Ok(own.over(inherited(workspace, app)?))
}

/// Like [`load`], without the app's own file.
pub fn inherited(workspace: &Workspace, app: MemberId) -> Result<PlanOptions, ConfigError> {
    match text(workspace, &RepoPath::ROOT)? {
        Some((file, text)) => parse(&file, &text, |node| root(workspace, app, node)),
        None => Ok(PlanOptions::default()),
    }
}

/// The path and the text of the file in a directory, if it is there.
fn text(workspace: &Workspace, dir: &RepoPath) -> Result<Option<(String, String)>, ManifestError> {
    let Ok(path) = dir.join(FILE) else {
        return Ok(None);
    };
    let text = workspace.tree.read_text_optional(&path, Limit::Settings)?;
    Ok(text.map(|text| (path.to_string(), text)))
}

/// Reads a file; an empty one says nothing.
fn parse(
    file: &str,
    text: &str,
    read: impl FnOnce(&Node<'_>) -> Result<PlanOptions, ConfigError>,
) -> Result<PlanOptions, ConfigError> {
    let text = text.trim_start_matches('\u{feff}');
    match parse_jsonc_tree(file, text)? {
        None => Ok(PlanOptions::default()),
        Some(value) => read(&Node {
            file,
            text,
            path: "",
            value: &value,
        }),
    }
}

/// The root's file: defaults, and options for single apps below `apps`. All of it is checked, so
/// that a mistake shows whichever app is built.
fn root(workspace: &Workspace, app: MemberId, node: &Node<'_>) -> Result<PlanOptions, ConfigError> {
    let alone = workspace.members.is_alone();
    let scope = if alone { Scope::Only } else { Scope::All };
    let mut options = keys::read(node, &RepoPath::ROOT, scope)?;
    let entries = node.entries("an object")?;
    for apps in entries.iter().filter(|entry| entry.name == "apps") {
        for entry in apps.node().entries("an object with a key for each app")? {
            let names = |at: &MemberId| {
                let member = &workspace.members[*at];
                member.dir.to_string() == entry.name || member.manifest.name() == Some(entry.name)
            };
            let mut all = (workspace.members.package_ids()).chain([MemberId::ROOT]);
            let Some(at) = all.find(names) else {
                let dirs = workspace.members.all().iter().skip(usize::from(!alone));
                let dirs: Vec<String> = dirs.map(|member| member.dir.to_string()).collect();
                let dirs: Vec<&str> = dirs.iter().map(String::as_str).collect();
                return Err(entry.no_app(&dirs));
            };
            let own = keys::read(&entry.node(), &RepoPath::ROOT, Scope::One)?;
            if at == app {
                options = own.over(options);
            }
        }
    }
    Ok(options)
}
