//! The `slimbuild` command.
fn main() {}
