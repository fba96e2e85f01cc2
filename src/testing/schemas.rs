//! JSON Schemas of values that serialize themselves.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::model::path::RepoPath;
use crate::model::span::Span;
use crate::plan::{Content, ContextEntry};

/// Gives a type a schema that stands in its place.
macro_rules! inline {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

inline!(Digest, "Digest", { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });
inline!(ImageRef, "ImageRef", { "type": "string", "minLength": 1 });
inline!(RepoPath, "RepoPath", { "type": "string", "pattern": "^[^/]" });
inline!(Span, "Span", { "type": "string", "pattern": "^[0-9]" });

impl JsonSchema for ContextEntry {
    fn schema_name() -> Cow<'static, str> {
        "ContextEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Content::json_schema(generator);
        schema.insert("description".to_owned(), "A file of the context.".into());
        let more = serde_json::json!({
            "path": { "description": "Its path in the context.", "type": "string" },
            "why": { "description": "Why it is there.", "type": "string" },
        });
        if let (Some(serde_json::Value::Object(all)), serde_json::Value::Object(more)) =
            (schema.get_mut("properties"), more)
        {
            all.extend(more);
        }
        schema.insert(
            "required".to_owned(),
            serde_json::json!(["path", "size", "why"]),
        );
        schema
    }
}

inline!(Content, "Content", {
    "type": "object",
    "properties": {
        "size": { "description": "Its length in bytes.", "type": "integer", "minimum": 0 },
        "sha256": {
            "description": "The digest of a file that slimbuild makes.",
            "type": "string",
            "pattern": "^[0-9a-f]{64}$"
        },
        "source": { "description": "The path in the workspace, of any other file.", "type": "string" },
        "link": { "description": "The target of a symlink.", "type": "string" }
    },
    "oneOf": [{ "required": ["sha256"] }, { "required": ["source"] }]
});
