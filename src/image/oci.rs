//! OCI images without a daemon: layers are packed, described and written.
//!
//! Input: [`Layer`](crate::image::layer::Layer)s, a base, and how the image is run. Output: blobs
//! in the cache, an [`Image`] that refers to them, and archives or directories of it. The same
//! input gives the same bytes on every machine.

mod archive;
mod compress;
mod disk;
mod docker;
mod elsewhere;
mod error;
mod foreign;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod image;
pub mod limits;
mod output;
mod pack;
mod read;
mod tar;
mod unpack;
mod whole;

pub use compress::{Compression, SIZE_MEMBER, told_size};
pub use disk::{DiskError, OnDisk, configuration, digest, is_layout, open};
pub use docker::send;
pub use elsewhere::{Elsewhere, pack_or_bring};
pub use error::OciError;
pub use foreign::{
    Described, Document, ForeignError, ForeignManifest, IndexEntry, choose, choose_any,
};
pub use image::{Config, Descriptor, History, INDEX, Image, ImageLayer, MANIFEST, timestamp};
pub use limits::Excess;
pub use output::{Output, receive, write, write_saved};
pub use pack::{Packing, pack, pack_keyed};
pub use read::{Blob, ReadError, read_layer};
pub use unpack::unpack;
pub use whole::{Rewritten, Whole};
