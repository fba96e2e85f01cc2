//! Images as files: layers and blobs, OCI layouts and archives, the built-in base, machine code.
//!
//! Input: layers, or an image from elsewhere, which is not trusted. Output: blobs in the cache,
//! archives, unpacked trees; and what is in an image.

pub mod base;
pub mod contents;
pub mod foundation;
pub mod layer;
pub mod machine;
pub mod oci;
pub mod rebase;
