//! Parsers for single values on the command line.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};

use super::promote::Target;
use crate::detect::script::words::is_variable;
use crate::image::oci::Output;
use crate::model::image::{ImageRef, Platform};
use crate::model::path::RepoPath;
use crate::model::tag::{TagError, TagTemplate};
use crate::plan::smoke::Port;

/// A name to give an image. It must have no digest, since a digest cannot be chosen.
pub(super) fn tag(text: &str) -> Result<ImageRef, String> {
    match text.parse::<ImageRef>() {
        Ok(_) if text.contains('@') => {
            Err("an image cannot be given a digest, only a name and a tag".to_owned())
        }
        Ok(tag) => Ok(tag),
        Err(error) => Err(error.to_string()),
    }
}

/// A name to give images, with places for facts.
pub(super) fn tag_template(text: &str) -> Result<TagTemplate, String> {
    text.parse().map_err(|error: TagError| error.to_string())
}

/// A tag, a digest, or a whole name.
pub(super) fn target(text: &str) -> Result<Target, String> {
    if let Ok(digest) = text.parse() {
        return Ok(Target::Digest(digest));
    }
    if text.contains('/') {
        return tag_template(text).map(Target::Name);
    }
    // It must fit behind any name.
    let name: TagTemplate = "name"
        .parse()
        .map_err(|error: TagError| error.to_string())?;
    match name.with_tag(text) {
        Ok(_) => Ok(Target::Tag(text.to_owned())),
        Err(error) => Err(error.to_string()),
    }
}

/// A file in the app.
pub(super) fn entry(text: &str) -> Result<String, String> {
    match RepoPath::new(text) {
        Ok(path) if path.is_root() => Err("name a file, as in `dist/main.js`".to_owned()),
        Ok(path) => Ok(path.as_str().to_owned()),
        Err(error) => Err(format!(
            "{error}; name a file inside of the app, as in `dist/main.js`"
        )),
    }
}

/// A place to write an image to.
pub(super) fn output(text: &str) -> Result<Output, String> {
    let place = |path: &str| match path {
        "" | "-" => Err("name a file or a directory, as in `server.oci.tar`".to_owned()),
        path => Ok(path.into()),
    };
    // As `docker buildx` has it.
    let long = text.strip_prefix("type=").and_then(|rest| {
        let (kind, path) = rest.split_once(',')?;
        let path = path.strip_prefix("dest=")?;
        (!path.contains(',')).then_some((kind, path))
    });
    if long.is_none() && text.starts_with("type=") {
        return Err(
            "write `type=oci,dest=FILE`, `type=docker,dest=FILE` or `type=dir,dest=DIR`".to_owned(),
        );
    }
    match long.or_else(|| text.split_once('=')) {
        Some(("oci", path)) => Ok(Output::Archive(place(path)?)),
        Some(("docker", path)) => Ok(Output::Docker(place(path)?)),
        Some(("dir", path)) => Ok(Output::Directory(place(path)?)),
        _ if long.is_some() => Err("an image is written as `oci`, `docker` or `dir`".to_owned()),
        _ => Ok(Output::Archive(place(text)?)),
    }
}

/// A platform of images that slimbuild makes.
pub(super) fn platform(text: &str) -> Result<Platform, String> {
    let platform: Platform = text.parse()?;
    match platform.parts() {
        ("linux", ..) => Ok(platform),
        (system, ..) => Err(format!(
            "slimbuild makes images for Linux, and not for `{system}`: write `linux/amd64` or `linux/arm64`"
        )),
    }
}

/// The path of a request. It must not be an app's name after `--smoke`.
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

/// A build argument. Its value may be a secret, so it is never printed.
#[derive(Clone)]
pub struct BuildArg {
    /// The variable's name.
    pub name: String,
    /// Its value; `None` takes it from the environment.
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
    /// Never fails, because clap would print the value.
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

/// A secret's name, and where to read its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretArg {
    /// The name.
    pub id: String,
    pub from: SecretSource,
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In the variable of the same name.
    Own,
    /// In a variable.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

/// Parses a [`SecretArg`]. Its errors never quote the input, which may be the secret itself.
#[derive(Debug, Clone)]
pub(super) struct SecretParser;

impl TypedValueParser for SecretParser {
    type Value = SecretArg;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<SecretArg, clap::Error> {
        SecretArg::parse(&value.to_string_lossy()).map_err(|problem| {
            let message = format!("invalid value for '--secret': {problem}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

impl SecretArg {
    /// `id=NAME[,env=VAR|,src=FILE]`, as in Docker.
    fn parse(text: &str) -> Result<Self, String> {
        let form = "write `id=NAME`, `id=NAME,env=VARIABLE` or `id=NAME,src=FILE`";
        let mut id = None;
        let mut from = SecretSource::Own;
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("id", name)) => id = Some(name.to_owned()),
                Some(("env", name)) => from = SecretSource::Variable(name.to_owned()),
                Some(("src" | "source", file)) => from = SecretSource::File(file.into()),
                Some(("type", "env" | "file")) => {}
                // The text may be the secret itself.
                _ => return Err(form.to_owned()),
            }
        }
        match id {
            Some(id) if is_variable(&id) => Ok(Self { id, from }),
            Some(id) => Err(format!(
                "`{id}` is no name of a variable: letters, digits and `_`"
            )),
            None => Err(form.to_owned()),
        }
    }
}

/// An ssh agent for steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshArg {
    /// Its name in the Dockerfile.
    pub id: String,
    /// Its socket; `None` for the agent of the environment.
    pub socket: Option<PathBuf>,
}

impl SshArg {
    /// `default` or `ID=SOCKET`, as in Docker.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (id, socket) = match text.split_once('=') {
            Some((id, socket)) => (id, Some(socket)),
            None => (text, None),
        };
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if id.is_empty() || !id.chars().all(plain) || socket == Some("") {
            return Err(
                "write `default` for the agent of SSH_AUTH_SOCK, or `ID=SOCKET`".to_owned(),
            );
        }
        Ok(Self {
            id: id.to_owned(),
            socket: socket.map(PathBuf::from),
        })
    }
}

/// The platforms without those that are named twice.
pub(super) fn distinct(platforms: Vec<Platform>) -> Vec<Platform> {
    let mut distinct = Vec::new();
    for platform in platforms {
        if !distinct.contains(&platform) {
            distinct.push(platform);
        }
    }
    distinct
}
