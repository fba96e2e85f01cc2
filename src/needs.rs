//! What an app needs: the graph of members, its two closures, the tasks of its build, and whether
//! pnpm would accept the lockfile.
//!
//! Input: the workspace and its lockfiles. Output: sets of members and packages, each with its
//! reason, and tasks in order.

pub mod closure;
pub mod frozen;
pub mod graph;
mod local;
pub mod sets;
pub mod spared;
pub mod survey;
pub mod tasks;
