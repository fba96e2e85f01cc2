//! slimbuild turns one app of a pnpm/Turborepo monorepo into a slim Docker image that boots.

pub mod engine;
pub mod env;
pub mod files;
pub mod ignore;
pub mod image;
pub mod path;
pub mod ui;
