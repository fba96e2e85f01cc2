//! Whole apps: from a manifest and files to what the image holds.

mod builds;
mod rendering;
