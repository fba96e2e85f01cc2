//! Inserts keys into a JSON file of a user: what is there stays, with its comments, trailing commas and
//! layout.

use jsonc_parser::cst::{CstInputValue, CstRootNode};
use serde_json::Value;

use crate::workspace::manifest::{ManifestError, all, jsonc_options, syntax};

/// A text with new keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inserted {
    /// The text.
    pub text: String,
    /// The keys that were there already, and are as they were.
    pub kept: Vec<String>,
}

/// Inserts keys into the object at `map` of the document, which is made if there is none. `file` is the
/// text's path in messages.
pub fn insert(
    file: &str,
    text: &str,
    map: &str,
    keys: &[(&str, Value)],
) -> Result<Inserted, ManifestError> {
    let no_object = |what: &str| ManifestError::Meaning {
        file: file.to_owned(),
        problem: format!("{what} is no object"),
    };
    let body = text.trim_start_matches('\u{feff}');
    let root = CstRootNode::parse(body, &jsonc_options()).map_err(|error| syntax(file, &error))?;
    let document = root
        .object_value_or_create()
        .ok_or_else(|| no_object("the document"))?;
    let map = document
        .object_value_or_create(map)
        .ok_or_else(|| no_object(&format!("`{map}`")))?;
    let mut kept = Vec::new();
    for (key, value) in keys {
        if all(&map, key).is_empty() {
            map.append(key, input(value));
        } else {
            kept.push((*key).to_owned());
        }
    }
    let text = format!("{}{root}", &text[..text.len() - body.len()]);
    Ok(Inserted { text, kept })
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input).collect()),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| (key.clone(), input(value)));
            CstInputValue::Object(pairs.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with_image(text: &str) -> Inserted {
        let keys = [("image", json!({"dependsOn": ["^image"], "outputs": []}))];
        insert("turbo.json", text, "tasks", &keys).unwrap()
    }

    #[test]
    fn comments_trailing_commas_and_layout_stay() {
        let text = r#"{
  // ours
  "tasks": {
    "build": { "dependsOn": ["^build"] }, // first
    /* and then */
    "test": {},
  },
  "ui": "tui" // last
}
"#;
        insta::assert_snapshot!(with_image(text).text, @r#"
        {
          // ours
          "tasks": {
            "build": { "dependsOn": ["^build"] }, // first
            /* and then */
            "test": {},
            "image": {
              "dependsOn": ["^image"],
              "outputs": [],
            },
          },
          "ui": "tui" // last
        }
        "#);
    }

    #[test]
    fn each_file_keeps_its_own_ways() {
        for (before, after) in [
            // Tabs, Windows' line ends, a byte order mark.
            (
                "\u{feff}{\r\n\t\"tasks\": {\r\n\t\t\"build\": {}\r\n\t}\r\n}\r\n",
                "\u{feff}{\r\n\t\"tasks\": {\r\n\t\t\"build\": {},\r\n\t\t\"image\": {\r\n\t\t\t\"dependsOn\": [\"^image\"],\r\n\t\t\t\"outputs\": []\r\n\t\t}\r\n\t}\r\n}\r\n",
            ),
            // No tasks yet.
            (
                "{}\n",
                "{\n  \"tasks\": {\n    \"image\": {\n      \"dependsOn\": [\"^image\"],\n      \"outputs\": []\n    }\n  }\n}\n",
            ),
            (
                "{\n    \"tasks\": {}\n}\n",
                "{\n    \"tasks\": {\n        \"image\": {\n            \"dependsOn\": [\"^image\"],\n            \"outputs\": []\n        }\n    }\n}\n",
            ),
        ] {
            assert_eq!(with_image(before).text, after);
        }
    }

    #[test]
    fn what_is_there_stays() {
        let text = "{\"tasks\": {\"image\": {\"cache\": false}, \"image\": {}}}";
        let inserted = with_image(text);
        assert_eq!(
            (&*inserted.text, inserted.kept),
            (text, vec!["image".to_owned()])
        );
        for (text, problem) in [
            ("{\"tasks\": []}", "`turbo.json`: `tasks` is no object"),
            ("[]", "`turbo.json`: the document is no object"),
            ("{", "cannot read `turbo.json`, line 1, column 1: "),
        ] {
            let error = insert("turbo.json", text, "tasks", &[]).unwrap_err();
            assert!(error.to_string().starts_with(problem), "{error}");
        }
    }
}
