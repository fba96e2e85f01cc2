//! Bad input: the exact message, hint and exit code of every error that ends a command.

mod app;
mod arguments;
mod build;
mod config;
mod lockfile;
mod workspace;

use crate::support::program::slimbuild;
use crate::support::tree::Tree;

/// The error of `slimbuild plan APP` in the sample workspace after an edit.
fn refusal(app: &str, edit: impl FnOnce(&Tree)) -> String {
    let tree = Tree::shop();
    edit(&tree);
    slimbuild(tree.root(), &["plan", app]).refusal(tree.root())
}
