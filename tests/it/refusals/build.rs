//! Builds that fail.
