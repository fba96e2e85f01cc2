//! What BuildKit asks this process while it builds: secrets, credentials, and whether it is alive.
//!
//! BuildKit is the client of these services, over a connection that this process opened
//! (<https://github.com/moby/buildkit/tree/master/session>).

mod auth;
mod health;
mod secrets;

pub(super) use auth::Registries;
pub(super) use health::Alive;
pub(super) use secrets::Keeper;
