//! Strips a `package.json`: the text without some dependencies.
//!
//! Input: a manifest's text and the dependencies to keep. Output: the same text without the others.
//! JSON keeps its layout.

use std::collections::BTreeSet;

use jsonc_parser::cst::{CstObjectProp, CstRootNode};

use crate::lockfile::Field;
use crate::workspace::manifest::package::Manifest;
use crate::workspace::manifest::{ManifestError, all, jsonc_options, objects, syntax};

/// Strips the text; `file` is its path in messages. A peer with the name of a removed dependency
/// goes too, since pnpm would otherwise look for it among the others. A map that becomes empty is
/// removed. `$name` in overrides is replaced by its meaning if it refers to a removed dependency.
pub fn strip(
    file: &str,
    text: &str,
    keep: impl Fn(Field, &str) -> bool,
) -> Result<String, ManifestError> {
    if !file.ends_with(".json") {
        // Only JSON's layout can be edited.
        return Ok(Manifest::parse(file, text)?.whole(keep));
    }
    let body = text.trim_start_matches('\u{feff}');
    let root = CstRootNode::parse(body, &jsonc_options()).map_err(|error| syntax(file, &error))?;
    let Some(document) = root.object_value() else {
        return Ok(text.to_owned());
    };
    let manifest = Manifest::parse(file, text)?;
    let remove = |key: &str, goes: &dyn Fn(&str) -> bool| {
        let mut gone = BTreeSet::new();
        // Of duplicate maps, the last one counts.
        let maps = all(&document, key);
        let Some(map) = maps.last().and_then(CstObjectProp::object_value) else {
            return gone;
        };
        for property in map.properties() {
            if let Some(name) = property.decoded_name().filter(|name| goes(name)) {
                property.remove();
                gone.insert(name);
            }
        }
        if !gone.is_empty() && map.properties().is_empty() {
            maps.into_iter().for_each(CstObjectProp::remove);
        }
        gone
    };
    let mut gone = BTreeSet::new();
    for field in [Field::Prod, Field::Optional, Field::Dev] {
        gone.extend(remove(field.key(), &|name| !keep(field, name)));
    }
    remove("peerDependencies", &|name| {
        gone.contains(name) || !(manifest.depends_on(name) || keep(Field::Prod, name))
    });
    for (key, ..) in manifest
        .runtimes()
        .filter(|(_, field, name)| !keep(*field, name))
    {
        for engines in objects(&document, key) {
            for runtime in all(&engines, "runtime") {
                runtime.remove();
            }
        }
    }
    // An override may refer to a removed dependency.
    let of_pnpm = objects(&document, "pnpm");
    let of_pnpm = of_pnpm
        .into_iter()
        .flat_map(|pnpm| objects(&pnpm, "overrides"));
    let maps = of_pnpm.chain(objects(&document, "resolutions"));
    for property in maps.flat_map(|map| map.properties()) {
        let value = property.value().and_then(|value| value.as_string_lit());
        let value = value.and_then(|value| value.decoded_value().ok());
        let name = value.as_ref().and_then(|value| value.strip_prefix('$'));
        if let Some(range) = name
            .filter(|name| gone.contains(*name))
            .and_then(|name| manifest.referred(name))
        {
            property.set_value(range.into());
        }
    }
    Ok(format!("{}{root}", &text[..text.len() - body.len()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_go_and_the_layout_stays() {
        let text = r#"{
    "name": "a",
    "scripts": { "build": "tsc" },
    "devDependencies": {
        "tsx": "4",
        "react": "18",
        "vitest": "3"
    },
    "dependencies": {"x": "1"},
    "peerDependencies": {"react": "18", "vitest": "*"},
    "optionalDependencies": {"y": "1"}
}
"#;
        let stripped = |keep: &dyn Fn(Field, &str) -> bool| strip("package.json", text, keep);
        assert_eq!(stripped(&|_, _| true).unwrap(), text);
        insta::assert_snapshot!(stripped(&|field, name| field == Field::Prod || name == "react").unwrap(), @r#"
        {
            "name": "a",
            "scripts": { "build": "tsc" },
            "devDependencies": {
                "react": "18"
            },
            "dependencies": {"x": "1"},
            "peerDependencies": {"react": "18"}
        }
        "#);
        insta::assert_snapshot!(stripped(&|_, _| false).unwrap(), @r#"
        {
            "name": "a",
            "scripts": { "build": "tsc" }
        }
        "#);
    }
    #[test]
    fn of_maps_that_are_there_twice_the_last_counts() {
        let text = r#"{"dependencies": {"a": "1"}, "dependencies": {"a": "1", "b": "2"}, "c": 1}"#;
        let stripped =
            |name: &'static str| strip("package.json", text, move |_, own| own == name).unwrap();
        assert_eq!(
            stripped("b"),
            r#"{"dependencies": {"a": "1"}, "dependencies": { "b": "2"}, "c": 1}"#
        );
        assert_eq!(stripped("x"), r#"{ "c": 1}"#);
    }
}
