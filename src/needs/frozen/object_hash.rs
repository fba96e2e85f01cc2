//! The checksum of a setting, as pnpm 10 and later record it.
//!
//! Input: the setting's value. Output: `sha256-` and base64. Mirrors pnpm's
//! [`hashObject`](https://github.com/pnpm/pnpm/blob/main/crypto/object-hasher/src/index.ts), which
//! is the npm package `object-hash` without types, where neither keys nor list entries have an
//! order.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What a recorded checksum begins with. Those of pnpm up to 9 are MD5 of other text.
pub(super) const PREFIX: &str = "sha256-";

/// The checksum of a text.
pub(super) fn of_text(text: &str) -> String {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The checksum of a value of any type.
pub(super) fn of_value(value: &Value) -> String {
    of_text(&written(value))
}

/// The text that is hashed.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "Null".to_owned(),
        Value::Bool(on) => format!("bool:{on}"),
        Value::Number(number) => format!("number:{}", in_javascript(number)),
        Value::String(text) => written_text(text),
        Value::Array(list) => {
            let head = format!("array:{}:", list.len());
            let mut entries: Vec<String> = list.iter().map(written).collect();
            if entries.len() < 2 {
                return head + &entries.concat();
            }
            entries.sort_by(|left, right| left.encode_utf16().cmp(right.encode_utf16()));
            // The sorted entries are hashed as a list of texts.
            let texts: String = entries.iter().map(|entry| written_text(entry)).collect();
            format!("{head}{head}{texts}")
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            let pair = |(key, value): &(&String, &Value)| {
                format!("{}:{},", written_text(key), written(value))
            };
            let pairs: Vec<String> = entries.iter().map(pair).collect();
            format!("object:{}:{}", entries.len(), pairs.concat())
        }
    }
}

fn written_text(text: &str) -> String {
    format!("string:{}:{text}", text.encode_utf16().count())
}

/// A number as JavaScript writes it: `1` for `1.0`.
fn in_javascript(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_pnpm() {
        // Recorded by pnpm 10.34, 11.22 and 12.21 alike.
        let value = serde_json::json!({
            "odd": {"peerDependencies": {"tool": "*"}, "peerDependenciesMeta": {"tool": {"optional": true}}},
            "even@1": {"dependencies": {"deep": "^1.0.0"}},
        });
        assert_eq!(
            of_value(&value),
            "sha256-yJgDA9hLoWwvUld2WLubwevmdTaenJY8Cl17pmjxVGg="
        );
    }

    #[test]
    fn neither_keys_nor_entries_have_an_order() {
        let hash = |text: &str| of_value(&serde_json::from_str(text).unwrap());
        assert_eq!(
            hash(r#"{"a": [1, "x", null], "b": 2}"#),
            hash(r#"{"b": 2.0, "a": ["x", null, 1]}"#)
        );
        assert_ne!(hash(r#"{"a": ["x"]}"#), hash(r#"{"a": "x"}"#));
    }
}
