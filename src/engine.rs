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
pub mod registry;
mod secret;
mod session;
mod smoke;
#[cfg(test)]
mod testing;

pub use credentials::stored_passwords;
pub use event::{Event, LogStream, StepId, StepKind};
pub use interrupt::Interrupt;
pub use secret::Secret;
pub use smoke::{Answered, SmokeRequest};
