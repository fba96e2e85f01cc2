//! The JSON Schemas that the program prints.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

use super::program::slimbuild;
use super::tree::repository;

/// The documents that have a schema.
pub(crate) const DOCUMENTS: [&str; 14] = [
    "plan", "ls", "hash", "why", "graph", "size", "diff", "rebase", "licenses", "base", "cache",
    "matrix", "metadata", "events",
];

/// A schema as the program prints it.
pub(crate) fn schema(name: &str) -> Value {
    let text = slimbuild(repository(), &["schema", name]).text();
    serde_json::from_str(&text).unwrap()
}

/// What is wrong with a document by its schema.
pub(crate) fn faults(name: &str, document: &Value) -> Vec<String> {
    static VALIDATORS: OnceLock<BTreeMap<&str, Validator>> = OnceLock::new();
    let validators = VALIDATORS.get_or_init(|| {
        let all = DOCUMENTS.map(|name| (name, jsonschema::validator_for(&schema(name)).unwrap()));
        all.into_iter().collect()
    });
    let faults = validators[name].iter_errors(document);
    let faults = faults.map(|fault| format!("{}: {fault}", fault.instance_path()));
    faults.collect()
}

/// Holds a document against its schema.
pub(crate) fn assert_valid(name: &str, document: &Value) {
    let faults = faults(name, document);
    assert!(faults.is_empty(), "{faults:#?}\n{document:#}");
}
