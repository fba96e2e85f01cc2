//! How an image is run on another base: what the app has set stays, and the rest is the new base's.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Unfit;

/// Keys whose values are sets of names.
const SETS: [&str; 3] = ["Labels", "ExposedPorts", "Volumes"];
/// The variable whose value is a list.
const PATH: &str = "PATH";

/// The configuration of the image on the new base.
pub(super) fn merged(
    image: &Map<String, Value>,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<Map<String, Value>, Unfit> {
    if is_set(new.get("OnBuild")) {
        return Err(Unfit::OnBuild);
    }
    entry(image, old, new)?;
    let keys: BTreeSet<&String> = image.keys().chain(new.keys()).collect();
    let mut merged = Map::new();
    for key in keys {
        let [own, old, new] = [image, old, new].map(|all| all.get(key));
        let value = match key.as_str() {
            // A build carries these out, and the image has none left.
            "OnBuild" => None,
            "Env" => some(Value::from(env(&words(own), &words(old), &words(new)))),
            "User" => user(own, old, new),
            key if SETS.contains(&key) => some(set(own, old, new)),
            _ => chosen(own, old, new),
        };
        if let Some(value) = value {
            merged.insert(key.clone(), value);
        }
    }
    Ok(merged)
}

/// What the image has of the old base is taken from the new one.
fn chosen(own: Option<&Value>, old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let from = if is_same(own, old) { new } else { own };
    from.filter(|value| is_set(Some(value))).cloned()
}

/// The arguments of the app are for the entry point that it was built with.
fn entry(
    image: &Map<String, Value>,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Result<(), Unfit> {
    let [own, before, now] = [image, old, new].map(|all| all.get("Entrypoint"));
    if !is_same(own, before) || is_same(before, now) {
        return Ok(());
    }
    let shown = |value: Option<&Value>| {
        let value = value.filter(|value| is_set(Some(value)));
        value.map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    Err(Unfit::Entry {
        old: shown(before),
        new: shown(now),
    })
}

/// An image does not become root's because a base does.
fn user(own: Option<&Value>, old: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    let is_root = |value: Option<&Value>| {
        let user = value.and_then(Value::as_str).unwrap_or_default();
        matches!(user.split(':').next(), None | Some("" | "0" | "root"))
    };
    if is_root(new) && !is_root(own) {
        return own.cloned();
    }
    chosen(own, old, new)
}

/// The variables, as `NAME=VALUE`: those of the new base, and then what the app has set.
fn env(own: &[String], old: &[String], new: &[String]) -> Vec<String> {
    let name = |set: &str| set.split('=').next().unwrap_or_default().to_owned();
    let value = |all: &[String], wanted: &str| {
        let set = all.iter().find(|set| name(set) == wanted)?;
        Some(
            set.split_once('=')
                .map_or("", |(_, value)| value)
                .to_owned(),
        )
    };
    let mut merged: Vec<String> = new.to_vec();
    for set in own {
        let name = name(set);
        let mine = value(own, &name).unwrap_or_default();
        let (before, now) = (value(old, &name), value(new, &name));
        if before.as_ref() == Some(&mine) {
            continue;
        }
        let mine = match (&before, &now) {
            (Some(before), Some(now)) if name == PATH => path(&mine, before, now),
            _ => mine,
        };
        let set = format!("{name}={mine}");
        match merged
            .iter_mut()
            .find(|other| other.split('=').next() == Some(&*name))
        {
            Some(other) => *other = set,
            None => merged.push(set),
        }
    }
    merged
}

/// A list that the app has extended: the part that was the old base's becomes the new one's.
fn path(own: &str, before: &str, now: &str) -> String {
    let parts: Vec<&str> = own.split(':').collect();
    let base: Vec<&str> = before.split(':').collect();
    let at = parts.windows(base.len()).position(|part| part == &base[..]);
    match at {
        Some(at) => {
            let (begin, end) = (&parts[..at], &parts[at + base.len()..]);
            [begin, &[now], end].concat().join(":")
        }
        None => own.to_owned(),
    }
}

/// Names with values: those of the new base, and then what the app has set.
fn set(own: Option<&Value>, old: Option<&Value>, new: Option<&Value>) -> Value {
    let [own, old, new] = [own, old, new].map(|value| {
        let all = value.and_then(Value::as_object);
        all.cloned().unwrap_or_default()
    });
    let mut merged = new;
    for (name, value) in own {
        if old.get(&name) != Some(&value) {
            merged.insert(name, value);
        }
    }
    merged.sort_keys();
    json!(merged)
}

fn words(value: Option<&Value>) -> Vec<String> {
    let all = value.and_then(Value::as_array).cloned().unwrap_or_default();
    let words = all.iter().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

fn some(value: Value) -> Option<Value> {
    is_set(Some(&value)).then_some(value)
}

/// Engines write null, an empty text or an empty list for what is not there.
fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(all)) => !all.is_empty(),
        Some(Value::Object(all)) => !all.is_empty(),
        Some(_) => true,
    }
}

fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let set = |value| Some(value).filter(|value| is_set(*value)).flatten();
    set(one) == set(other)
}
