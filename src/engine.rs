//! Engines execute a plan: they get bytes and a request, hand out [`Event`]s while they work, and end with an image or an error.
//!
//! Nothing about *what* goes into an image is decided here. Async lives below this module only; callers see blocking functions.

mod credentials;
pub mod docker;
pub mod event;
pub mod fault;
pub mod host;
pub mod interrupt;
pub mod native;
pub mod registry;
mod secret;
mod smoke;
#[cfg(test)]
mod testing;

pub use credentials::stored_passwords;
pub use event::{Event, LogStream, StepId, StepKind};
pub use interrupt::Interrupt;
pub use secret::Secret;
pub use smoke::{Answered, SmokeRequest};
