//! The process and its surroundings: environment, threads, work directories, files that are written
//! as a whole, text for a terminal, secrets in that text.
//!
//! Every room may use this one. It uses no other room.

pub mod atomic_file;
pub mod credential;
pub mod env;
pub mod leftovers;
pub mod mask;
pub mod terminal;
pub mod threads;
pub mod trail;
pub mod workdir;
