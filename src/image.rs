//! Images as files: layers and blobs, OCI layouts and archives, the base that slimbuild makes, machine code.
//!
//! In: layers, or an image that somebody else made and that is not trusted. Out: blobs in the cache, archives, unpacked trees.

pub mod base;
pub mod layer;
pub mod machine;
pub mod oci;
