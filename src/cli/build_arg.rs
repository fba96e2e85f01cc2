//! `--build-arg NAME[=VALUE]`.

use std::convert::Infallible;
use std::fmt::{self, Debug, Formatter};

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
