//! What is shown: progress while something runs, reports afterwards, errors.
//!
//! In: events, plans and answers. Out: text on the terminal, or JSON.

pub mod progress;
pub mod report;
pub mod ui;
