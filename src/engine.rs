//! Engines execute a plan: they take bytes and a request, emit [`Event`]s while they work, and
//! return an image or an error.
//!
//! They do not decide *what* goes into an image. Async code exists only in this module; callers see
//! blocking functions.

pub mod buildkit;
mod credentials;
pub mod docker;
pub mod event;
pub mod fault;
pub mod host;
pub mod interrupt;
pub mod native;
mod piped;
pub mod registry;
pub mod retry;
mod secret;
mod smoke;
mod step_names;
#[cfg(test)]
mod testing;
mod unique_id;
mod upload;
mod wire;

pub use credentials::Logins;
pub use event::{Event, LogStream, StepId, StepKind};
pub use interrupt::Interrupt;
pub use secret::Secret;
pub use smoke::{Answered, SmokeRequest};
pub use upload::ContextWriter;
