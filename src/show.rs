//! Output: progress during a run, reports afterwards, errors.
//!
//! Input: events, plans and answers. Output: text on the terminal, or JSON.

pub mod board;
mod choice;
pub mod ci;
pub mod downloads;
pub mod events;
mod looks;
pub mod metadata;
pub mod page;
pub mod progress;
pub mod report;
pub mod seat;
#[cfg(test)]
mod testing;
pub mod ui;
