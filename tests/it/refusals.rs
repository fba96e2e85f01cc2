//! Bad input: the exact words, the hint and the exit code of all that ends a command.

mod app;
mod arguments;
mod build;
mod config;
mod lockfile;
mod workspace;

use crate::support::program::slimbuild;
use crate::support::tree::Tree;

/// What `slimbuild plan APP` says to the sample workspace after an edit.
fn refusal(app: &str, edit: impl FnOnce(&Tree)) -> String {
    let tree = Tree::shop();
    edit(&tree);
    slimbuild(tree.root(), &["plan", app]).refusal(tree.root())
}
