//! To come.
mod trace;
