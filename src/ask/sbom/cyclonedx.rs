//! `CycloneDX` 1.6 (<https://cyclonedx.org/docs/1.6/json/>).
//!
//! Input: a [`Bill`]. Output: the document. It has no time, so that equal input gives equal bytes;
//! its number is made of its content.

use serde_json::{Value, json};

use super::{Bill, Part};
use crate::ask::licences::is_expression;
use crate::model::digest::Digest;

/// Writes the document.
pub fn document(bill: &Bill) -> Value {
    let others = bill
        .parts
        .iter()
        .filter(|(reference, _)| **reference != bill.app);
    let components: Vec<Value> = others
        .map(|(reference, part)| component("library", reference, part))
        .collect();
    let dependencies: Vec<Value> = bill
        .needs
        .iter()
        .map(|(reference, needs)| json!({ "ref": reference, "dependsOn": needs }))
        .collect();
    let app = bill.parts.get(&bill.app);
    let app = app.map(|part| component("application", &bill.app, part));
    let tool = json!({
        "type": "application",
        "name": "slimbuild",
        "version": env!("CARGO_PKG_VERSION"),
    });
    let content = json!({
        "metadata": { "tools": { "components": [tool] }, "component": app },
        "components": components,
        "dependencies": dependencies,
    });
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&content)),
        "version": 1,
        "metadata": content["metadata"],
        "components": content["components"],
        "dependencies": content["dependencies"],
    })
}

fn component(kind: &str, reference: &str, part: &Part) -> Value {
    let (group, name) = match part.name.split_once('/') {
        Some((scope, name)) if scope.starts_with('@') => (Some(scope), name),
        _ => (None, &*part.name),
    };
    let hashes = part.hashes.iter();
    let hashes: Vec<Value> = hashes
        .map(|(algorithm, digits)| json!({ "alg": algorithm, "content": digits }))
        .collect();
    let licence = part.licence.as_ref().map(|licence| {
        if is_expression(licence) {
            json!([{ "expression": licence }])
        } else {
            json!([{ "license": { "name": licence } }])
        }
    });
    let archive = part.archive.as_ref();
    let archive = archive.map(|url| json!([{ "type": "distribution", "url": url }]));
    let mut component = json!({ "type": kind, "bom-ref": reference });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            component[key] = value;
        }
    };
    set("group", group.map(Value::from));
    set("name", Some(name.into()));
    set("version", part.version.as_deref().map(Value::from));
    set(
        "hashes",
        Some(hashes.into()).filter(|all: &Value| *all != json!([])),
    );
    set("licenses", licence);
    set("purl", part.purl.as_deref().map(Value::from));
    set("externalReferences", archive);
    component
}

/// A number of a form that RFC 9562 leaves to its maker (version 8), made of the content.
fn uuid(content: &Value) -> String {
    let digest = Digest::of(content.to_string().as_bytes());
    let hex = digest.hex();
    format!(
        "{}-{}-8{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}
