//! What a user asks about a workspace, without an image: its apps, why a package is there, the picture of its members, a pruned copy.
//!
//! In: the workspace. Out: values that [`crate::show`] prints or writes as JSON.

pub mod listing;
pub mod overview;
pub mod pruned;
pub mod starter;
pub mod why;
