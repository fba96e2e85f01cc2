//! `slimbuild schema`: JSON Schemas of slimbuild.json and of the documents that slimbuild prints.
//!
//! A test makes those of documents from their types.

use crate::cli::SchemaArg;
use crate::commands::error::Error;
use crate::plan::config;
use crate::show::ui::Ui;

/// Prints a schema.
pub fn run(name: SchemaArg, ui: &mut Ui) -> Result<(), Error> {
    ui.out()
        .write_all(schema(name).as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}

/// The schema of a document.
fn schema(name: SchemaArg) -> &'static str {
    match name {
        SchemaArg::Config => config::SCHEMA,
        SchemaArg::Plan => include_str!("../../docs/src/reference/schemas/plan.json"),
        SchemaArg::Ls => include_str!("../../docs/src/reference/schemas/ls.json"),
        SchemaArg::Hash => include_str!("../../docs/src/reference/schemas/hash.json"),
        SchemaArg::Why => include_str!("../../docs/src/reference/schemas/why.json"),
        SchemaArg::Graph => include_str!("../../docs/src/reference/schemas/graph.json"),
        SchemaArg::Size => include_str!("../../docs/src/reference/schemas/size.json"),
        SchemaArg::Diff => include_str!("../../docs/src/reference/schemas/diff.json"),
        SchemaArg::Rebase => include_str!("../../docs/src/reference/schemas/rebase.json"),
        SchemaArg::Licenses => include_str!("../../docs/src/reference/schemas/licenses.json"),
        SchemaArg::Base => include_str!("../../docs/src/reference/schemas/base.json"),
        SchemaArg::Cache => include_str!("../../docs/src/reference/schemas/cache.json"),
        SchemaArg::Matrix => include_str!("../../docs/src/reference/schemas/matrix.json"),
        SchemaArg::Metadata => include_str!("../../docs/src/reference/schemas/metadata.json"),
        SchemaArg::Events => include_str!("../../docs/src/reference/schemas/events.json"),
    }
}

#[cfg(test)]
mod tests;
