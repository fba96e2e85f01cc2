//! What a single value on the command line may be.

use std::convert::Infallible;
use std::fmt::{self, Debug, Formatter};

use crate::image::ImageRef;
use crate::oci::Output;
use crate::path::RepoPath;
use crate::smoke::Port;

/// A name to give: a digest is what content has, and cannot be chosen.
pub(super) fn tag(text: &str) -> Result<ImageRef, String> {
    match text.parse::<ImageRef>() {
        Ok(_) if text.contains('@') => {
            Err("an image cannot be given a digest, only a name and a tag".to_owned())
        }
        Ok(tag) => Ok(tag),
        Err(error) => Err(error.to_string()),
    }
}

/// A file inside of the app.
pub(super) fn entry(text: &str) -> Result<String, String> {
    match RepoPath::new(text) {
        Ok(path) if path.is_root() => Err("name a file, as in `dist/main.js`".to_owned()),
        Ok(path) => Ok(path.as_str().to_owned()),
        Err(error) => Err(format!(
            "{error}; name a file inside of the app, as in `dist/main.js`"
        )),
    }
}

/// A place to write an image to. One kind of archive serves all who read any.
pub(super) fn output(text: &str) -> Result<Output, String> {
    let place = |path: &str| match path {
        "" | "-" => Err("name a file or a directory, as in `server.oci.tar`".to_owned()),
        path => Ok(path.into()),
    };
    match text.split_once('=') {
        Some(("oci" | "docker", path)) => Ok(Output::Archive(place(path)?)),
        Some(("dir", path)) => Ok(Output::Directory(place(path)?)),
        _ => Ok(Output::Archive(place(text)?)),
    }
}

/// The path of a request. An app that stands behind `--smoke` is no such path.
pub(super) fn request_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') && !text.contains(char::is_whitespace) {
        Ok(text.to_owned())
    } else {
        Err(
            "a path begins with a slash, as in `/health`; the app stands before `--smoke`"
                .to_owned(),
        )
    }
}

/// A port, or `none`.
pub(super) fn port(text: &str) -> Result<Port, String> {
    match (text, text.parse()) {
        ("none", _) => Ok(Port::None),
        (_, Ok(number)) if number > 0 => Ok(Port::Number(number)),
        _ => Err("a port is a number up to 65535, or `none`".to_owned()),
    }
}

/// A build argument. Its value may be a secret, so that nothing prints it.
#[derive(Clone)]
pub struct BuildArg {
    /// The variable's name.
    pub name: String,
    /// What it holds; the environment's where nothing is given.
    pub value: Option<String>,
}

impl Debug for BuildArg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildArg")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl BuildArg {
    /// Never fails: clap would repeat the value.
    #[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
    pub(super) fn parse(text: &str) -> Result<Self, Infallible> {
        let (name, value) = text
            .split_once('=')
            .map_or((text, None), |(name, value)| (name, Some(value)));
        Ok(Self {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }
}
