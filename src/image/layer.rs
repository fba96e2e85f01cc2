//! A [`Layer`] of an image as a value: which paths it has, and where their contents come from. What writes it decides nothing.
//!
//! Paths are relative to the image's root, `/`-separated, without `.` and `..`. A directory above an entry need not be named: it is made as
//! `COPY` makes it, owned by root and with mode 0755. Times are not here: an image has one for all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layer {
    /// What it holds, in a few words: the history of the image has them.
    pub title: String,
    /// What it adds, by path.
    pub entries: BTreeMap<String, Entry>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub node: Node,
    /// Who owns it.
    pub owner: Owner,
}

/// The kinds of entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory, and its permission bits.
    Directory(u32),
    /// A file of this machine.
    File {
        /// Where it is.
        from: PathBuf,
        /// Its permission bits in the image, whatever they are here.
        mode: u32,
    },
    /// A file that slimbuild made.
    Made {
        /// What it holds.
        bytes: Arc<[u8]>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symlink, with its target as it is written.
    Symlink(String),
}

/// Numbers of a user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Owner {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

impl Owner {
    /// Nobody who runs an app may change what root owns.
    pub const ROOT: Self = Self { user: 0, group: 0 };
}

impl Entry {
    /// What root owns.
    pub fn root(node: Node) -> Self {
        Self {
            node,
            owner: Owner::ROOT,
        }
    }
}
