//! slimbuild turns one app of a pnpm/Turborepo monorepo into a slim Docker image that boots.

pub mod closure;
pub mod context;
pub mod detect;
pub mod dockerfile;
pub mod engine;
pub mod env;
pub mod error;
pub mod files;
pub mod graph;
pub mod ignore;
pub mod image;
pub mod lockfile;
pub mod manifest;
pub mod path;
pub mod plan;
pub mod sources;
pub mod tasks;
pub mod toolchain;
pub mod ui;
pub mod workspace;
