//! The process and its surroundings: environment, threads, work directories, files that are written whole, text on a terminal, secrets in it.
//!
//! Every room may use it. It knows no other room.

pub mod atomic_file;
pub mod credential;
pub mod env;
pub mod leftovers;
pub mod mask;
pub mod terminal;
pub mod threads;
pub mod workdir;
