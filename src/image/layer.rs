//! A [`Layer`] of an image as a value: its paths and the sources of their contents. The code that
//! writes it decides nothing.
//!
//! Paths are relative to the image's root, `/`-separated, without `.` and `..`. Parent directories
//! need not be listed: they are created as `COPY` does, owned by root with mode 0755. A layer has
//! no times: all entries of an image get the same one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layer {
    /// A short description, for the history of the image.
    pub title: String,
    /// The entries by path.
    pub entries: BTreeMap<String, LayerEntry>,
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerEntry {
    pub node: LayerNode,
    pub owner: Owner,
}

/// The kinds of entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerNode {
    /// A directory with its permission bits.
    Directory(u32),
    /// A file on this machine.
    File {
        /// Its path here.
        from: PathBuf,
        /// Its permission bits in the image, whatever they are here.
        mode: u32,
    },
    /// A file that slimbuild generated.
    Made {
        /// Its content.
        bytes: Arc<[u8]>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symlink with its target, unresolved.
    Symlink(String),
}

/// Numeric user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Owner {
    /// User id.
    pub user: u32,
    /// Group id.
    pub group: u32,
}

impl Owner {
    /// The app runs as another user, so it cannot change files of this owner.
    pub const ROOT: Self = Self { user: 0, group: 0 };
}

impl LayerEntry {
    /// An entry that belongs to root.
    pub fn root(node: LayerNode) -> Self {
        Self {
            node,
            owner: Owner::ROOT,
        }
    }
}
