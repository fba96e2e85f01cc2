//! Makes the layers of an image from finished files: those of `--prebuilt`, or of slimbuild's own
//! build.
//!
//! Input: the plan, the list of files, and their directory. Output: [`Layer`]s with the same files
//! that the plan's Dockerfile copies, those that rarely change first.

use std::collections::BTreeMap;
use std::path::Path;

use crate::files::Kind;
use crate::image::layer::{Layer, LayerEntry, LayerNode, Owner};
use crate::plan::{Content, ContextEntry, Place, Plan};

/// The app's directory in the image.
const HOME: &str = "app";

/// The title of the layer with the modules from registries.
pub const MODULES: &str = "modules";

/// The places of a context that become layers, with their titles and destinations.
const PLACES: [(Place, &str, &str); 5] = [
    (Place::Modules, MODULES, HOME),
    (Place::Packages, "workspace packages", HOME),
    (Place::Serve, "how the site is served", "etc/nginx"),
    (Place::App, "the app", HOME),
    (Place::Writable, "what the app writes to", HOME),
];

/// The layers on top of the base.
pub fn layers(plan: &Plan, context: &[ContextEntry], root: &Path) -> Vec<Layer> {
    let user = owner(&plan.runtime_base.value.user);
    let layer = |(place, title, to): (Place, &str, &str)| {
        let owner = if place == Place::Writable {
            user
        } else {
            Owner::ROOT
        };
        let mut entries = BTreeMap::new();
        for entry in context.iter().filter(|entry| entry.place == place) {
            let path = entry.path.as_str();
            let node = node(entry, root);
            // The user owns writable directories and everything in them.
            if place == Place::Writable {
                for dir in directories(plan, path) {
                    let node = LayerNode::Directory(0o755);
                    entries.insert(format!("{to}/{dir}"), LayerEntry { node, owner });
                }
            }
            entries.insert(format!("{to}/{path}"), LayerEntry { node, owner });
        }
        let title = title.to_owned();
        Layer { title, entries }
    };
    let all = PLACES.into_iter().map(layer);
    let mut layers: Vec<Layer> = all.collect();
    for dir in &plan.runs().writable {
        hand_over(dir.trim_start_matches('/'), user, &mut layers);
    }
    layers.retain(|layer| !layer.entries.is_empty());
    layers
}

/// Makes the user the owner of a directory and everything in it.
fn hand_over(dir: &str, user: Owner, layers: &mut [Layer]) {
    let prefix = format!("{dir}/");
    for layer in layers.iter_mut() {
        let mut inside = Vec::new();
        for (path, entry) in &mut layer.entries {
            if let Some(below) = path.strip_prefix(&prefix) {
                entry.owner = user;
                let ends = below.match_indices('/').map(|(at, _)| at);
                inside.extend(ends.map(|at| format!("{prefix}{}", &below[..at])));
            }
        }
        let owned = |path| {
            let node = LayerNode::Directory(0o755);
            (path, LayerEntry { node, owner: user })
        };
        layer.entries.extend(inside.into_iter().map(owned));
    }
    // The layer with writable files is the last.
    if let Some(last) = layers.last_mut() {
        let node = LayerNode::Directory(0o755);
        let own = LayerEntry { node, owner: user };
        last.entries.insert(dir.to_owned(), own);
    }
}

fn node(entry: &ContextEntry, root: &Path) -> LayerNode {
    let mode = |executable| if executable { 0o755 } else { 0o644 };
    match &entry.content {
        Content::Made { text, executable } => LayerNode::Made {
            bytes: text.as_bytes().into(),
            mode: mode(*executable),
        },
        Content::Packed { bytes } => LayerNode::Made {
            bytes: bytes.clone(),
            mode: mode(false),
        },
        Content::Source { path, kind, .. } => match kind {
            Kind::Regular { executable } => LayerNode::File {
                from: path.on_disk(root),
                mode: mode(*executable),
            },
            Kind::Symlink { target } => LayerNode::Symlink(target.clone()),
        },
    }
}

/// The directories above a writable file, starting at the app's own directory.
fn directories<'p>(plan: &Plan, path: &'p str) -> impl Iterator<Item = &'p str> {
    let above = plan.app.dir.prefix().len();
    let ends = path.match_indices('/').map(|(at, _)| at);
    ends.filter(move |at| *at > above).map(|at| &path[..at])
}

/// `65532:65532`
fn owner(user: &str) -> Owner {
    let (user, group) = user.split_once(':').unwrap_or((user, user));
    Owner {
        user: user.parse().unwrap_or_default(),
        group: group.parse().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_handed_over_with_all_that_lies_in_it() {
        let file = |path: &str| {
            let node = LayerNode::Made {
                bytes: [].as_slice().into(),
                mode: 0o644,
            };
            (path.to_owned(), LayerEntry::root(node))
        };
        let mut layers = [["app/a/main.js", "app/a/up/in/x"].as_slice(), &[]].map(|paths| Layer {
            title: String::new(),
            entries: paths.iter().map(|path| file(path)).collect(),
        });
        hand_over("app/a/up", owner("7:8"), &mut layers);
        let owned = |layer: &Layer| -> Vec<String> {
            let entries = layer.entries.iter();
            let owned = entries.filter(|(_, entry)| entry.owner == owner("7:8"));
            owned.map(|(path, _)| path.clone()).collect()
        };
        assert_eq!(owned(&layers[0]), ["app/a/up/in", "app/a/up/in/x"]);
        assert_eq!(owned(&layers[1]), ["app/a/up"]);
    }

    #[test]
    fn owners() {
        let owner_of = |text| (owner(text).user, owner(text).group);
        assert_eq!(owner_of("65532:65532"), (65532, 65532));
        assert_eq!(owner_of("1000"), (1000, 1000));
    }
}
