//! [`CacheFrom`] and [`CacheTo`]: caches of builds in registries, directories and GitHub's cache, in
//! the words of `docker buildx`.
//!
//! Input: the text of a flag. Output: what BuildKit is told.

mod directories;
mod github;

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bollard::moby::buildkit::v1::CacheOptionsEntry;
use serde_json::{Value, json};

use super::layout::Layout;
use super::{Abilities, BuildkitError};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::system::env::Env;

pub(super) use directories::Directories;

/// The tag of a cache in a directory, unless another one is given.
const LATEST: &str = "latest";

/// A cache to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFrom(Entry);

/// A cache to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTo(Entry);

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    attributes: BTreeMap<String, String>,
}

/// Where a cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// In a registry.
    Registry,
    /// In a directory of this machine.
    Local,
    /// In the image itself.
    Inline,
    /// In the cache of GitHub's actions.
    GitHub,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Local => "local",
            Self::Inline => "inline",
            Self::GitHub => "gha",
        }
    }
}

/// The attributes may hold a token.
impl Debug for Entry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.attributes.keys().collect();
        f.debug_struct("Entry")
            .field("kind", &self.kind)
            .field("attributes", &names)
            .finish()
    }
}

impl FromStr for CacheFrom {
    type Err = String;

    /// `REF`, `type=registry,ref=REF`, `type=local,src=DIR` or `type=gha`.
    fn from_str(text: &str) -> Result<Self, String> {
        let entry = Entry::parse(text)?;
        match entry.kind {
            Kind::Inline => {
                return Err(
                    "an inline cache is part of an image: name the image, as `type=registry,ref=IMAGE`"
                        .to_owned(),
                );
            }
            Kind::Local => entry.needs("src", "dest")?,
            Kind::Registry | Kind::GitHub => {}
        }
        if let Some(digest) = entry.attributes.get("digest") {
            let parsed = digest.parse::<Digest>();
            drop(parsed.map_err(|error| error.to_string())?);
        }
        Ok(Self(entry))
    }
}

impl FromStr for CacheTo {
    type Err = String;

    /// `REF`, `type=registry,ref=REF`, `type=local,dest=DIR`, `type=gha` or `type=inline`.
    fn from_str(text: &str) -> Result<Self, String> {
        let entry = Entry::parse(text)?;
        if entry.kind == Kind::Local {
            entry.needs("dest", "src")?;
        }
        Ok(Self(entry))
    }
}

impl CacheFrom {
    /// The cache of an earlier build under this name.
    pub fn registry(reference: &ImageRef) -> Self {
        Self(Entry::registry(reference))
    }

    /// The same with what this machine knows: paths start at `cwd`, and the variables of a job say
    /// where GitHub's cache is.
    pub fn here(&self, cwd: &Path, env: &Env) -> Result<Self, String> {
        Ok(Self(self.0.here(cwd, env)?))
    }

    /// A token in it.
    pub fn token(&self) -> Option<&str> {
        self.0.token()
    }

    /// The same for one of several nodes: what it wrote, if it is one of these.
    #[must_use]
    pub fn of_node(&self, word: &str, written: &[CacheTo]) -> Self {
        let name = |entry: &Entry| entry.attributes.get("ref").cloned();
        let own = |cache: &CacheTo| cache.0.kind == self.0.kind && name(&cache.0) == name(&self.0);
        if self.0.kind == Kind::Registry && written.iter().any(own) {
            return Self(self.0.with_tag_end(word));
        }
        self.clone()
    }

    /// The path of its directory, if it is in one.
    pub fn path(&self) -> Option<PathBuf> {
        Some(self.directory()?.path)
    }

    /// The directory, if it is in one.
    pub(super) fn directory(&self) -> Option<Directory> {
        self.0.directory("src")
    }

    /// The cache in a directory by its digest.
    pub(super) fn with_digest(mut self, digest: &Digest) -> Self {
        let digest = digest.to_string();
        self.0.attributes.insert("digest".to_owned(), digest);
        self
    }

    pub(super) fn entry(&self) -> CacheOptionsEntry {
        self.0.entry()
    }

    /// The same for the frontend, which reads the caches: in JSON, with the names of Go's fields.
    pub(super) fn for_frontend(&self) -> Value {
        json!({ "Type": self.0.kind.name(), "Attrs": self.0.attributes })
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

    /// The same with what this machine knows, as for [`CacheFrom::here`].
    pub fn here(&self, cwd: &Path, env: &Env) -> Result<Self, String> {
        Ok(Self(self.0.here(cwd, env)?))
    }

    /// The same for a builder. [`CacheTo::registry`] is compressed with zstd where it can be: a cold
    /// builder unpacks what a build needs in two thirds of the time. What says more stays as it says.
    #[must_use]
    pub fn for_builder(&self, builder: &Abilities) -> Self {
        let mut cache = self.clone();
        let attributes = &mut cache.0.attributes;
        let keys = attributes.keys().map(String::as_str);
        if builder.knows_zstd() && keys.eq(["ignore-error", "mode", "ref"]) {
            attributes.insert("compression".to_owned(), "zstd".to_owned());
        }
        cache
    }

    /// A token in it.
    pub fn token(&self) -> Option<&str> {
        self.0.token()
    }

    /// Whether it is part of the image.
    pub fn is_inline(&self) -> bool {
        self.0.kind == Kind::Inline
    }

    /// The same for one of several nodes, each of which writes a cache of its own: in a registry, under
    /// a tag that ends with this word. `None` where there is room for one cache only.
    pub fn of_node(&self, word: &str) -> Option<Self> {
        match self.0.kind {
            Kind::Inline => Some(self.clone()),
            Kind::Registry => Some(Self(self.0.with_tag_end(word))),
            Kind::Local | Kind::GitHub => None,
        }
    }

    /// The path of its directory, if it is in one.
    pub fn path(&self) -> Option<PathBuf> {
        Some(self.directory()?.path)
    }

    /// The directory, if it is in one.
    pub(super) fn directory(&self) -> Option<Directory> {
        self.0.directory("dest")
    }

    pub(super) fn entry(&self) -> CacheOptionsEntry {
        self.0.entry()
    }
}

/// A directory with a cache.
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) layout: Layout,
    /// The cache's tag in it.
    pub(super) tag: String,
    /// The cache's digest, if the flag has one.
    pub(super) digest: Option<String>,
}

impl Directory {
    /// The name by which BuildKit asks for it.
    pub(super) fn id(&self) -> String {
        format!("local:{}", self.path.display())
    }

    /// Makes the directory.
    pub(super) fn prepare(&self) -> Result<(), BuildkitError> {
        let made = self.layout.prepare();
        made.map_err(|source| BuildkitError::Cache {
            path: self.path.clone(),
            source,
        })
    }

    /// Gives the cache that was written its tag.
    fn name(&self, manifest: &Value) -> Result<(), BuildkitError> {
        let named = self.layout.tag(manifest, &self.tag);
        let named = named.map_err(|error| BuildkitError::Output(error.into()))?;
        if named {
            return Ok(());
        }
        Err(BuildkitError::Cache {
            path: self.path.clone(),
            source: io::Error::other("the builder did not send all of it"),
        })
    }
}

impl Entry {
    fn registry(reference: &ImageRef) -> Self {
        Self {
            kind: Kind::Registry,
            attributes: [("ref".to_owned(), reference.to_string())].into(),
        }
    }

    /// Errors never quote a value: it may be a token.
    fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('=') {
            return Ok(Self::registry(&named(text)?));
        }
        let mut attributes = BTreeMap::new();
        for part in text.split(',') {
            let pair = part.split_once('=').filter(|(key, _)| !key.is_empty());
            let (key, value) =
                pair.ok_or("it is not of the form `KEY=VALUE,KEY=VALUE`".to_owned())?;
            if attributes
                .insert(key.to_owned(), value.to_owned())
                .is_some()
            {
                return Err(format!("`{key}` is given twice"));
            }
        }
        let exist = "there are `type=registry,ref=NAME`, `type=local,dest=DIR` (to read: `src=DIR`), `type=gha` and, to write, `type=inline`";
        let kind = match attributes.remove("type").as_deref() {
            Some("registry") => Kind::Registry,
            Some("local") => Kind::Local,
            Some("inline") => Kind::Inline,
            Some("gha") => Kind::GitHub,
            Some(other) => {
                return Err(format!("there is no cache of the type `{other}`: {exist}"));
            }
            None => return Err(format!("its type is missing: {exist}")),
        };
        match (kind, attributes.get("ref")) {
            (Kind::Registry, Some(name)) => {
                let name = named(name)?.to_string();
                attributes.insert("ref".to_owned(), name);
            }
            (Kind::Registry, None) => return Err("`ref=NAME` is missing".to_owned()),
            (_, Some(_)) => {
                return Err(format!("a cache of the type {} has no `ref`", kind.name()));
            }
            (_, None) => {}
        }
        Ok(Self { kind, attributes })
    }

    /// Fails without the directory's key.
    fn needs(&self, key: &str, other: &str) -> Result<(), String> {
        match self.attributes.get(key) {
            Some(path) if !path.is_empty() => Ok(()),
            _ if self.attributes.contains_key(other) => {
                Err(format!("write `{key}=DIR`, not `{other}=DIR`"))
            }
            _ => Err(format!("`{key}=DIR` is missing")),
        }
    }

    fn here(&self, cwd: &Path, env: &Env) -> Result<Self, String> {
        let mut entry = self.clone();
        for key in ["src", "dest"] {
            if let (Kind::Local, Some(path)) = (self.kind, entry.attributes.get_mut(key)) {
                *path = cwd.join(&*path).display().to_string();
            }
        }
        if self.kind == Kind::GitHub {
            github::complete(&mut entry.attributes, env)?;
        }
        Ok(entry)
    }

    /// The same with a longer tag.
    fn with_tag_end(&self, word: &str) -> Self {
        let mut entry = self.clone();
        if let Some(name) = entry.attributes.get_mut("ref") {
            // A name in an entry has a tag.
            *name = format!("{name}-{word}");
        }
        entry
    }

    fn token(&self) -> Option<&str> {
        self.attributes.get("token").map(String::as_str)
    }

    fn directory(&self, key: &str) -> Option<Directory> {
        let path = self
            .attributes
            .get(key)
            .filter(|_| self.kind == Kind::Local);
        let path = PathBuf::from(path?);
        let tag = self.attributes.get("tag").map(String::as_str);
        Some(Directory {
            layout: Layout::new(&path),
            path,
            tag: tag.unwrap_or(LATEST).to_owned(),
            digest: self.attributes.get("digest").cloned(),
        })
    }

    fn entry(&self) -> CacheOptionsEntry {
        CacheOptionsEntry {
            r#type: self.kind.name().to_owned(),
            attrs: self.attributes.clone().into_iter().collect(),
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
            "type=local",
            "type=local,src=x",
            "type=local,dest=",
            "type=s3,bucket=x",
            "type=gha,ref=a/b",
            "type=inline,ref=a/b",
            "type=registry,ref=a/b,ref=c/d",
            "type=registry,mode",
            "type=registry,ref=UPPER CASE",
        ] {
            assert!(written(text).is_err(), "{text}");
        }
        for text in [
            "type=inline",
            "type=local,dest=x",
            "type=local,src=x,digest=x",
        ] {
            assert!(text.parse::<CacheFrom>().is_err(), "{text}");
        }
        let unknown = written("type=s3,bucket=x").unwrap_err();
        for kind in ["registry", "local", "gha", "inline"] {
            assert!(unknown.contains(&format!("type={kind}")), "{unknown}");
        }
    }

    #[test]
    fn paths_start_at_the_working_directory() {
        let env = Env::default();
        let to: CacheTo = "type=local,dest=a/b,mode=max,tag=main".parse().unwrap();
        let to = to.here(Path::new("/w"), &env).unwrap();
        let directory = to.directory().unwrap();
        assert_eq!(directory.id(), "local:/w/a/b");
        assert_eq!(directory.tag, "main");
        let from: CacheFrom = "type=local,src=/c".parse().unwrap();
        let from = from.here(Path::new("/w"), &env).unwrap();
        assert_eq!(from.directory().unwrap().id(), "local:/c");
        assert_eq!(from.directory().unwrap().tag, "latest");
    }

    #[test]
    fn no_error_and_no_debug_output_shows_a_token() {
        for text in ["type=gha,token=hunter2,hunter2", "token=hunter2"] {
            let error = text.parse::<CacheTo>().unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let cache: CacheTo = "type=gha,token=hunter2".parse().unwrap();
        assert_eq!(cache.token(), Some("hunter2"));
        let shown = format!("{cache:?}");
        assert!(
            !shown.contains("hunter2") && shown.contains("token"),
            "{shown}"
        );
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
        let able = Abilities::with_platforms(&[]);
        let made = CacheTo::registry(&name).for_builder(&able);
        let zstd = "type=registry,ref=reg/c:1,mode=max,ignore-error=true,compression=zstd";
        assert_eq!(made, zstd.parse().unwrap());
        for other in ["type=registry,ref=reg/c:1,mode=max", "type=inline", zstd] {
            let cache: CacheTo = other.parse().unwrap();
            assert_eq!(cache.for_builder(&able), cache, "{other}");
        }
        let from = CacheFrom::registry(&name);
        assert_eq!(from, "reg/c:1".parse().unwrap());
        let text = from.for_frontend().to_string();
        assert_eq!(text, r#"{"Type":"registry","Attrs":{"ref":"reg/c:1"}}"#);
    }
}
