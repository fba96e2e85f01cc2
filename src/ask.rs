//! Answers about a workspace that need no image: its apps, why a package is there, the graph of its
//! members, a pruned copy.
//!
//! Input: the workspace. Output: values that [`crate::show`] prints or writes as JSON.

pub mod affected;
pub mod listing;
pub mod overview;
pub mod pruned;
pub mod selection;
pub mod starter;
pub mod turbo_task;
pub mod why;
