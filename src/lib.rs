//! slimbuild turns one app of a pnpm/Turborepo monorepo into a slim Docker image that boots.

pub mod closure;
pub mod detect;
pub mod engine;
pub mod env;
pub mod files;
pub mod graph;
pub mod ignore;
pub mod image;
pub mod lockfile;
pub mod manifest;
pub mod path;
pub mod sources;
pub mod tasks;
pub mod toolchain;
pub mod ui;
pub mod workspace;
