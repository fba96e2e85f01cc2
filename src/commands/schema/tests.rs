//! The schemas are made from the types of the documents. `SLIMBUILD_ACCEPT=1` writes them anew.

use std::path::Path;

use clap::ValueEnum as _;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::schema;
use crate::ask::listing::Listing;
use crate::ask::overview::Overview;
use crate::ask::rebase::Rebase;
use crate::ask::size::{Difference, Size};
use crate::ask::why::Why;
use crate::cli::SchemaArg;
use crate::commands::{base, bill, cache, ci, hash, ls, plan};
use crate::show::events::Line;
use crate::show::metadata::{Metadata, RunMetadata};
use crate::system::env::Env;

/// `slimbuild ls --json`
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum Ls<'l> {
    /// With `--affected`.
    Affected(ls::Document<'l>),
    /// Without.
    All(Listing),
}

/// `--metadata-file`
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum MetadataFile {
    /// Of one app.
    One(Box<Metadata>),
    /// Of several, by their directories.
    Several(RunMetadata),
}

/// `slimbuild ci matrix`
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is wanted")]
enum Matrix {
    /// GitHub's form.
    GitHub(ci::GithubMatrix),
    /// GitLab's form.
    GitLab(Pipeline),
}

/// A child pipeline.
struct Pipeline;

impl JsonSchema for Pipeline {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pipeline".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A child pipeline of GitLab.",
            "type": "object",
            "properties": {
                "include": {
                    "description": "The file with the job `.image`.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": { "local": { "description": "Its path.", "type": "string" } },
                        "required": ["local"]
                    }
                },
                "nothing to build": {
                    "description": "A job that says that no app is affected.",
                    "type": "object"
                }
            },
            "patternProperties": {
                "^image( [0-9]+)?$": {
                    "description": "One job for each app, at most 200 in one.",
                    "type": "object",
                    "properties": {
                        "extends": { "const": ".image" },
                        "parallel": {
                            "description": "What the jobs differ in.",
                            "type": "object",
                            "properties": {
                                "matrix": {
                                    "description": "The variables of each job.",
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "properties": {
                                            "APP": { "description": "The app's directory.", "type": "string" },
                                            "NAME": { "description": "The image's default name.", "type": "string" }
                                        },
                                        "required": ["APP", "NAME"]
                                    }
                                }
                            },
                            "required": ["matrix"]
                        }
                    },
                    "required": ["extends", "parallel"]
                }
            },
            "anyOf": [{ "required": ["include", "image"] }, { "required": ["nothing to build"] }]
        })
    }
}

fn made<T: JsonSchema>(title: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let made = settings.into_generator().into_root_schema_for::<T>();
    // Readers of schemas do not know Rust.
    let text = made
        .to_value()
        .to_string()
        .replace("`None`", "null")
        .replace("\\n", " ");
    let made: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    let mut schema = serde_json::Map::new();
    schema.insert("$schema".to_owned(), made["$schema"].clone());
    schema.insert("title".to_owned(), title.into());
    let rest = made.into_iter();
    schema.extend(rest.filter(|(key, _)| !["$schema", "title"].contains(&&**key)));
    schema.into()
}

/// The schema of a document as its types have it; `None` for slimbuild.json, which has none.
fn of_types(name: SchemaArg) -> Option<Value> {
    Some(match name {
        SchemaArg::Config => return None,
        SchemaArg::Plan => made::<plan::Document<'_>>("slimbuild plan APP --json"),
        SchemaArg::Ls => made::<Ls<'_>>("slimbuild ls --json"),
        SchemaArg::Hash => made::<hash::Document>("slimbuild hash --json"),
        SchemaArg::Why => made::<Why>("slimbuild why APP PACKAGE --json"),
        SchemaArg::Graph => made::<Overview>("slimbuild graph --format json"),
        SchemaArg::Size => made::<Size>("slimbuild size --json"),
        SchemaArg::Diff => made::<Difference>("slimbuild diff --json"),
        SchemaArg::Rebase => made::<Rebase>("slimbuild rebase --json"),
        SchemaArg::Licenses => made::<Vec<bill::Licensed<'_>>>("slimbuild licenses --json"),
        SchemaArg::Base => made::<base::Document<'_>>("slimbuild base --json"),
        SchemaArg::Cache => {
            made::<cache::Document>("slimbuild cache du --json, cache prune --json")
        }
        SchemaArg::Matrix => made::<Matrix>("slimbuild ci matrix"),
        SchemaArg::Metadata => made::<MetadataFile>("--metadata-file"),
        SchemaArg::Events => made::<Line<'_>>("--progress json: one line"),
    })
}

#[test]
fn schemas_are_those_of_the_types() {
    let accept = Env::of_process().get("SLIMBUILD_ACCEPT") == Some("1");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/reference/schemas");
    for name in SchemaArg::value_variants() {
        let Some(made) = of_types(*name) else {
            continue;
        };
        let word = name.to_possible_value().unwrap();
        let word = word.get_name();
        let text = format!("{made:#}\n");
        if accept {
            fs_err::write(directory.join(format!("{word}.json")), &text).unwrap();
        } else {
            let written = schema(*name);
            let change = written
                .lines()
                .zip(text.lines())
                .find(|(old, new)| old != new);
            assert!(
                written == text,
                "the schema `{word}` is stale; `just accept` writes it: {change:?}"
            );
        }
    }
}

/// Whoever reads a schema wants to know what a key means.
#[test]
fn each_key_has_a_description() {
    let mut bare = Vec::new();
    for name in SchemaArg::value_variants() {
        if let Some(made) = of_types(*name) {
            look(&made, &format!("{name:?}"), &mut bare);
        }
    }
    assert!(bare.is_empty(), "no description: {bare:#?}");
}

/// Collects the properties that nothing describes.
fn look(schema: &Value, path: &str, bare: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            let properties = object.get("properties").and_then(Value::as_object);
            for (key, property) in properties.into_iter().flatten() {
                let says = ["description", "const", "$ref"];
                if says.iter().all(|word| property.get(word).is_none()) {
                    bare.push(format!("{path}.{key}"));
                }
            }
            for (key, inner) in object {
                look(inner, &format!("{path}.{key}"), bare);
            }
        }
        Value::Array(array) => {
            for inner in array {
                look(inner, path, bare);
            }
        }
        _ => {}
    }
}
