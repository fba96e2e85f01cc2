//! Typed views of the files that describe a workspace: parsed, not judged.
//!
//! Input: the text of a `package.json`, `pnpm-workspace.yaml`, `turbo.json`, `.npmrc` or
//! `tsconfig.json`. Output: the parts that slimbuild uses. Unknown keys are ignored, and preserved
//! where a file is written again.

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod include;
pub mod insert;
pub mod npmrc;
pub mod package;
pub mod tsconfig;
pub mod turbo;
pub mod workspace;

use jsonc_parser::ast;
use jsonc_parser::cst::{CstObject, CstObjectProp};
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, ParseOptions};
use serde_json::Value;

use crate::files::tree::TreeError;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The text breaks the rules of its format.
    #[error("cannot read `{file}`, line {line}, column {column}: {problem}")]
    Syntax {
        /// Relative to the workspace root.
        file: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// The parser's error.
        problem: String,
    },
    /// The syntax is correct, but the content is not.
    #[error("`{file}`: {problem}")]
    Meaning {
        /// Relative to the workspace root.
        file: String,
        /// The problem, with its key.
        problem: String,
    },
}

impl ManifestError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tree(error) => error.hint(),
            Self::Meaning { .. } => None,
            Self::Syntax { file, .. } => Some(format!(
                "mend `{file}`; slimbuild changes no file of the workspace"
            )),
        }
    }
}

/// Parses strict JSON, as npm and pnpm read a `package.json`.
fn parse_json(file: &str, text: &str) -> Result<Value, ManifestError> {
    let text = text.trim_start_matches('\u{feff}');
    serde_json::from_str(text).map_err(|error| {
        // serde_json repeats the position at the end of its message.
        let words = error.to_string();
        let problem = words
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned();
        ManifestError::Syntax {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
            problem,
        }
    })
}

/// Parses JSON5, as pnpm reads a `package.json5`.
fn parse_json5(file: &str, text: &str) -> Result<Value, ManifestError> {
    let text = text.trim_start_matches('\u{feff}');
    let options = ParseOptions {
        allow_loose_object_property_names: true,
        allow_single_quoted_strings: true,
        allow_hexadecimal_numbers: true,
        allow_unary_plus_numbers: true,
        allow_bare_decimal_point_numbers: true,
        allow_extended_string_escapes: true,
        ..jsonc_options()
    };
    let value: Option<Value> =
        jsonc_parser::parse_to_serde_value(text, &options).map_err(|error| syntax(file, &error))?;
    Ok(value.unwrap_or(Value::Null))
}

/// Parses YAML, as pnpm reads a `package.yaml`.
fn parse_yaml(file: &str, text: &str) -> Result<Value, ManifestError> {
    let text = text.trim_start_matches('\u{feff}');
    serde_saphyr::from_str(text).map_err(|error| yaml_syntax(file, &error))
}

fn yaml_syntax(file: &str, error: &serde_saphyr::Error) -> ManifestError {
    let (line, column) = error.location().map_or((1, 1), |at| {
        (
            usize::try_from(at.line()).unwrap_or(1),
            usize::try_from(at.column()).unwrap_or(1),
        )
    });
    let words = error.without_snippet().to_string();
    let problem = words.lines().next().unwrap_or_default();
    // The parser repeats the position, before or after its message.
    let problem = match problem.split_once(": ") {
        Some((head, rest)) if head.starts_with("error: line") => rest,
        _ => problem,
    };
    let problem = problem.split(" at line ").next().unwrap_or_default();
    ManifestError::Syntax {
        file: file.to_owned(),
        line,
        column,
        problem: problem.to_owned(),
    }
}

/// Parses JSON with comments and trailing commas, as turbo and TypeScript read theirs.
pub(crate) fn parse_jsonc(file: &str, text: &str) -> Result<Value, ManifestError> {
    let text = text.trim_start_matches('\u{feff}');
    let value: Option<Value> = jsonc_parser::parse_to_serde_value(text, &jsonc_options())
        .map_err(|error| syntax(file, &error))?;
    Ok(value.unwrap_or(Value::Null))
}

/// Like [`parse_jsonc`], with the position of every value; `None` if the text is empty.
pub(crate) fn parse_jsonc_tree<'t>(
    file: &str,
    text: &'t str,
) -> Result<Option<ast::Value<'t>>, ManifestError> {
    jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &jsonc_options())
        .map(|parsed| parsed.value)
        .map_err(|error| syntax(file, &error))
}

fn jsonc_options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        ..ParseOptions::default()
    }
}

fn syntax(file: &str, error: &ParseError) -> ManifestError {
    ManifestError::Syntax {
        file: file.to_owned(),
        line: error.line_display(),
        column: error.column_display(),
        problem: error.kind().to_string(),
    }
}

/// All properties of this name. Parsers use the last of duplicate keys, but an edit must change all
/// of them.
fn all(object: &CstObject, name: &str) -> Vec<CstObjectProp> {
    let mut properties = object.properties();
    properties.retain(|property| property.decoded_name().is_some_and(|own| own == name));
    properties
}

/// Their values that are objects.
fn objects(object: &CstObject, name: &str) -> Vec<CstObject> {
    all(object, name)
        .iter()
        .filter_map(CstObjectProp::object_value)
        .collect()
}

/// The strings of a JSON array; empty if it is not an array.
fn strings(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
