//! Answers about a workspace that need no image: its apps, why a package is there, the graph of its
//! members, a pruned copy, the list of what an app ships and its licences.
//!
//! Input: the workspace. Output: values that [`crate::show`] prints or writes as JSON.

pub mod affected;
pub mod licences;
pub mod listing;
pub mod overview;
pub mod pruned;
pub mod sbom;
pub mod selection;
pub mod starter;
pub mod turbo_task;
mod web;
pub mod why;
