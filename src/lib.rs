//! slimbuild turns one app of a pnpm/Turborepo monorepo into a slim Docker image that boots.

pub mod engine;
pub mod env;
pub mod image;
pub mod path;
pub mod progress;
pub mod ui;
