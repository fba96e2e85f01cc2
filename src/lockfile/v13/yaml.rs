//! Writes YAML as the readers of format 9.0 take it.

use std::fmt::Write as _;

use super::parse::{Value, pairs};
use crate::lockfile::keys::{Format, name_and_version};

/// What format 9.0 has of a package as it is here.
const TRAITS: [&str; 6] = ["cpu", "engines", "hasBin", "libc", "os", "version"];

/// `key:` or `key: value` on a line of its own.
pub(super) fn line(out: &mut String, indent: usize, key: &str, value: Option<&str>) {
    let _ = write!(out, "{:indent$}", "");
    if key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        out.push_str(key);
    } else {
        out.push_str(&quoted(key));
    }
    out.push(':');
    if let Some(value) = value {
        out.push(' ');
        out.push_str(value);
    }
    out.push('\n');
}

/// A double-quoted text, which YAML reads as JSON does.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value on one line.
pub(super) fn flow(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Word(word) => (*word).to_owned(),
        Value::Map(pairs) => {
            let inside = pairs
                .iter()
                .map(|pair| format!("{}: {}", quoted(&pair.key), flow(&pair.value)));
            format!("{{{}}}", inside.collect::<Vec<_>>().join(", "))
        }
        Value::List(items) => {
            let inside = items.iter().map(|item| flow(&item.value));
            format!("[{}]", inside.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Writes what `packages` of format 9.0 says of a package.
pub(super) fn traits(out: &mut String, key: &str, package: &Value<'_>) {
    let (_, version) = name_and_version(Format::V9, key);
    let mut resolution: Vec<(&str, String)> = Vec::new();
    if let Some(integrity) = package.get("integrity").and_then(Value::text) {
        resolution.push(("integrity", quoted(integrity)));
    }
    let own = pairs(package.get("resolution"));
    resolution.extend(own.iter().map(|pair| (&*pair.key, flow(&pair.value))));
    // A directory of the workspace is known by its key.
    if let (true, Some(dir)) = (own.is_empty(), version.strip_prefix("file:")) {
        resolution.push(("directory", quoted(dir)));
        resolution.push(("type", "directory".to_owned()));
    }
    let inside: Vec<String> = resolution
        .iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    line(
        out,
        4,
        "resolution",
        Some(&format!("{{{}}}", inside.join(", "))),
    );
    for pair in pairs(Some(package)) {
        if TRAITS.contains(&&*pair.key) {
            line(out, 4, &pair.key, Some(&flow(&pair.value)));
        }
    }
}
