//! [`CacheFrom`] and [`CacheTo`]: caches of builds in registries, in the words of `docker buildx`.
//!
//! Input: the text of a flag. Output: what BuildKit is told.

use std::collections::BTreeMap;
use std::str::FromStr;

use bollard::moby::buildkit::v1::CacheOptionsEntry;
use serde_json::{Value, json};

use crate::model::image::ImageRef;

/// A cache to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFrom(Entry);

/// A cache to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTo(Entry);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: &'static str,
    /// The repository and tag in a registry.
    reference: Option<ImageRef>,
    attributes: BTreeMap<String, String>,
}

impl FromStr for CacheFrom {
    type Err = String;

    /// `REF` or `type=registry,ref=REF`.
    fn from_str(text: &str) -> Result<Self, String> {
        let entry = Entry::parse(text)?;
        if entry.kind == "inline" {
            return Err(
                "an inline cache is part of an image: name the image, as `type=registry,ref=IMAGE`"
                    .to_owned(),
            );
        }
        Ok(Self(entry))
    }
}

impl FromStr for CacheTo {
    type Err = String;

    /// `REF`, `type=registry,ref=REF` or `type=inline`.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(Entry::parse(text)?))
    }
}

impl CacheFrom {
    /// The cache of an earlier build under this name.
    pub fn registry(reference: &ImageRef) -> Self {
        Self(Entry::registry(reference))
    }

    pub(super) fn entry(&self) -> CacheOptionsEntry {
        self.0.entry()
    }

    /// The same for the frontend, which reads the caches: in JSON, with the names of Go's fields.
    pub(super) fn for_frontend(&self) -> Value {
        let CacheOptionsEntry { r#type, attrs } = self.0.entry();
        let attributes: BTreeMap<String, String> = attrs.into_iter().collect();
        json!({ "Type": r#type, "Attrs": attributes })
    }
}

impl CacheTo {
    /// The results of all stages under this name. A registry that refuses them does not end the
    /// build.
    pub fn registry(reference: &ImageRef) -> Self {
        let mut entry = Entry::registry(reference);
        let attributes = [("mode", "max"), ("ignore-error", "true")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        entry.attributes.extend(attributes);
        Self(entry)
    }

    /// Whether it is part of the image.
    pub(super) fn is_inline(&self) -> bool {
        self.0.kind == "inline"
    }

    pub(super) fn entry(&self) -> CacheOptionsEntry {
        self.0.entry()
    }
}

impl Entry {
    fn registry(reference: &ImageRef) -> Self {
        Self {
            kind: "registry",
            reference: Some(reference.clone()),
            attributes: BTreeMap::new(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('=') {
            return Ok(Self::registry(&named(text)?));
        }
        let mut attributes = BTreeMap::new();
        for part in text.split(',') {
            let pair = part.split_once('=').filter(|(key, _)| !key.is_empty());
            let (key, value) =
                pair.ok_or_else(|| format!("`{part}` is not of the form KEY=VALUE"))?;
            if attributes
                .insert(key.to_owned(), value.to_owned())
                .is_some()
            {
                return Err(format!("`{key}` is given twice"));
            }
        }
        let kind = attributes.remove("type");
        let reference = attributes.remove("ref");
        let reference = reference.map(|name| named(&name)).transpose()?;
        let kind = match (kind.as_deref(), &reference) {
            (Some("registry"), Some(_)) => "registry",
            (Some("registry"), None) => return Err("`ref=NAME` is missing".to_owned()),
            (Some("inline"), None) => "inline",
            (Some("inline"), Some(_)) => return Err("an inline cache has no `ref`".to_owned()),
            (Some(other), _) => {
                return Err(format!(
                    "slimbuild has no cache of the type `{other}`: write `type=registry,ref=NAME` or `type=inline`"
                ));
            }
            (None, _) => return Err("`type=registry` is missing".to_owned()),
        };
        Ok(Self {
            kind,
            reference,
            attributes,
        })
    }

    fn entry(&self) -> CacheOptionsEntry {
        let reference = self.reference.as_ref();
        let reference = reference.map(|name| ("ref".to_owned(), name.to_string()));
        let attributes = self.attributes.clone().into_iter();
        CacheOptionsEntry {
            r#type: self.kind.to_owned(),
            attrs: attributes.chain(reference).collect(),
        }
    }
}

fn named(text: &str) -> Result<ImageRef, String> {
    text.parse::<ImageRef>().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, String> {
        let entry = text.parse::<CacheTo>()?.entry();
        let attributes: BTreeMap<_, _> = entry.attrs.into_iter().collect();
        Ok(format!("{} {attributes:?}", entry.r#type))
    }

    #[test]
    fn caches_are_named_as_in_buildx() {
        let reference = r#"registry {"ref": "reg:5000/shop/cache:1"}"#;
        for text in [
            "reg:5000/shop/cache:1",
            "type=registry,ref=reg:5000/shop/cache:1",
        ] {
            assert_eq!(written(text).unwrap(), reference);
        }
        assert_eq!(
            written("type=registry,ref=reg/c:1,mode=max,image-manifest=true").unwrap(),
            r#"registry {"image-manifest": "true", "mode": "max", "ref": "reg/c:1"}"#
        );
        assert_eq!(written("type=inline").unwrap(), "inline {}");
    }

    #[test]
    fn what_is_no_cache_is_refused() {
        for text in [
            "",
            "type=registry",
            "ref=a/b",
            "type=local,dest=x",
            "type=gha",
            "type=inline,ref=a/b",
            "type=registry,ref=a/b,ref=c/d",
            "type=registry,mode",
            "type=registry,ref=UPPER CASE",
        ] {
            assert!(written(text).is_err(), "{text}");
        }
        assert!("type=inline".parse::<CacheFrom>().is_err());
    }

    #[test]
    fn the_short_form_keeps_all_stages_and_the_build() {
        let name = "reg/c:1".parse().unwrap();
        let written: BTreeMap<_, _> = CacheTo::registry(&name).entry().attrs.into_iter().collect();
        let text = format!("{written:?}");
        assert_eq!(
            text,
            r#"{"ignore-error": "true", "mode": "max", "ref": "reg/c:1"}"#
        );
        let from = CacheFrom::registry(&name);
        assert_eq!(from, "reg/c:1".parse().unwrap());
        let text = from.for_frontend().to_string();
        assert_eq!(text, r#"{"Type":"registry","Attrs":{"ref":"reg/c:1"}}"#);
    }
}
