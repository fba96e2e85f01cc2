//! Whole apps: from a manifest and files to what the image holds.

mod app;
mod builds;
mod rendering;
mod starts;
