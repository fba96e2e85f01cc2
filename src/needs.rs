//! What an app needs: the graph of members, its two closures, the tasks of its build, and whether pnpm would take the lockfile.
//!
//! In: the workspace and its lockfiles. Out: sets of members and packages, each with the reason, and tasks in order.

pub mod closure;
pub mod frozen;
pub mod graph;
mod local;
pub mod sets;
pub mod survey;
pub mod tasks;
