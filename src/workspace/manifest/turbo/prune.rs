//! Prunes `turbo.json`: the text without references to missing packages.
//!
//! Input: a `turbo.json`'s text and the existing packages. Output: the same text without task
//! definitions (`web#build`) and references in `dependsOn` and `with` of other packages, which
//! turbo would refuse. `//#task` belongs to the root and is kept, and so are comments and layout.

use std::collections::BTreeSet;

use jsonc_parser::cst::{CstArray, CstObject, CstRootNode};

use crate::workspace::manifest::{ManifestError, all, jsonc_options, objects, syntax};

/// The keys of a task's definition that may refer to other packages' tasks.
const REFERENCES: [&str; 2] = ["dependsOn", "with"];

/// Prunes the text. `file` is its path in messages; `packages` are the names of the packages that
/// are kept.
pub fn prune(file: &str, text: &str, packages: &BTreeSet<&str>) -> Result<String, ManifestError> {
    let body = text.trim_start_matches('\u{feff}');
    // Most files refer to no package at all.
    if !body.contains('#') {
        return Ok(text.to_owned());
    }
    let root = CstRootNode::parse(body, &jsonc_options()).map_err(|error| syntax(file, &error))?;
    let Some(document) = root.object_value() else {
        return Ok(text.to_owned());
    };
    let gone = |task: &str| {
        let named = task.split_once('#').map(|(package, _)| package);
        // turbo 1 allows variables in `dependsOn`: `$NAME`.
        named.is_some_and(|package| {
            package != "//" && !package.starts_with('$') && !packages.contains(package)
        })
    };
    for key in ["tasks", "pipeline"] {
        for tasks in objects(&document, key) {
            prune_tasks(&tasks, &gone);
        }
    }
    Ok(format!("{}{root}", &text[..text.len() - body.len()]))
}

fn prune_tasks(tasks: &CstObject, gone: &impl Fn(&str) -> bool) {
    for property in tasks.properties() {
        if property.decoded_name().is_some_and(|name| gone(&name)) {
            property.remove();
            continue;
        }
        let Some(task) = property.object_value() else {
            continue;
        };
        for property in REFERENCES.into_iter().flat_map(|key| all(&task, key)) {
            if let Some(list) = property.array_value() {
                prune_list(&list, gone);
            }
        }
    }
}

fn prune_list(list: &CstArray, gone: &impl Fn(&str) -> bool) {
    for element in list.elements() {
        let named = element
            .as_string_lit()
            .and_then(|text| text.decoded_value().ok());
        if named.is_some_and(|name| gone(&name)) {
            element.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pruned(text: &str) -> String {
        let text = prune("turbo.json", text, &BTreeSet::from(["api", "@s/ui"])).unwrap();
        // What is left must still be read.
        crate::workspace::manifest::turbo::TurboManifest::parse("turbo.json", &text).unwrap();
        text
    }

    #[test]
    fn what_names_absent_packages_goes_and_the_rest_stays() {
        insta::assert_snapshot!(pruned(r#"{
  // ours
  "tasks": {
    "build": {
      "dependsOn": ["^build", "web#codegen", "@s/ui#css", "//#tool"], // order matters
      "outputs": ["dist/**"],
    },
    "web#build": {
      "dependsOn": ["^build"],
    },
    /* the api needs its client first */
    "api#build": {
      "dependsOn": [
        // written by web
        "web#client",
        "^build", // as all
        "@s/old#build"
      ],
      "with": ["web#dev"]
    },
    "//#tool": {},
    "@s/old#build": {"cache": false}
  }
}
"#), @r#"
        {
          // ours
          "tasks": {
            "build": {
              "dependsOn": ["^build", "@s/ui#css", "//#tool"], // order matters
              "outputs": ["dist/**"],
            },
            /* the api needs its client first */
            "api#build": {
              "dependsOn": [
                // written by web
                "^build" // as all
              ],
              "with": []
            },
            "//#tool": {}
          }
        }
        "#);
    }

    #[test]
    fn a_text_that_names_nobody_is_left_as_it_is() {
        let text = "\u{feff}{\r\n\t\"tasks\" : {\"build\": {\"dependsOn\": [\"^build\",],},},\r\n}";
        assert_eq!(pruned(text), text);
        let text = "\u{feff}{\"tasks\": {\r\n\t\"web#a\": {},\r\n\t\"b\": {\"dependsOn\": [\"$A\", \"api#b\"]}\r\n}} // end";
        assert_eq!(pruned(text), text.replace("\t\"web#a\": {},\r\n", ""));
    }

    #[test]
    fn turbo_1_calls_them_pipeline() {
        assert_eq!(
            pruned(r#"{"pipeline": {"web#build": {}}}"#),
            r#"{"pipeline": {}}"#
        );
    }
    #[test]
    fn a_key_that_is_there_twice_is_pruned_twice() {
        let text = r#"{"tasks": {"a": {"dependsOn": ["web#b"], "dependsOn": ["web#c", "d"]}}}"#;
        assert_eq!(
            pruned(text),
            r#"{"tasks": {"a": {"dependsOn": [], "dependsOn": [ "d"]}}}"#
        );
    }
}
