//! Answers about a workspace: its apps, why a package is there, the graph of its members, a pruned copy,
//! the list of what an app ships and its licences; and about images: what is in one, and what differs
//! between two, or what was done with some.
//!
//! Input: the workspace, the contents of images. Output: values that [`crate::show`] prints or writes as JSON.

pub mod affected;
pub mod licences;
pub mod listing;
pub mod overview;
pub mod policy;
pub mod pruned;
pub mod rebase;
pub mod sbom;
pub mod selection;
pub mod size;
pub mod starter;
pub mod turbo_task;
mod web;
pub mod why;
