//! The table on a real daemon.
