//! The rows: behaviours of registries and of stored logins, and what each engine makes of them.

mod answers;
mod logins;
mod network;

use super::scene::Scene;

/// What an engine should do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// It pushes, and says this.
    Pushed(&'static [&'static str]),
    /// It ends with this exit code, and says this.
    Refused(i32, &'static [&'static str]),
    /// The row is not for this engine: why.
    NotFor(&'static str),
}

/// A behaviour.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Where it was seen.
    pub(crate) like: &'static str,
    pub(crate) set_up: fn(&mut Scene),
    pub(crate) native: Expected,
    /// Engine 26.1.
    pub(crate) docker: Expected,
    /// Engine 28.5, if it differs.
    pub(crate) newest: Option<Expected>,
}

/// Both by themselves.
const PUSHED: Expected = Expected::Pushed(&[]);

impl Row {
    const fn new(name: &'static str, like: &'static str, set_up: fn(&mut Scene)) -> Self {
        Self {
            name,
            like,
            set_up,
            native: PUSHED,
            docker: PUSHED,
            newest: None,
        }
    }

    /// What all engines do.
    const fn all(mut self, expected: Expected) -> Self {
        self.native = expected;
        self.docker = expected;
        self
    }

    const fn native(mut self, expected: Expected) -> Self {
        self.native = expected;
        self
    }

    const fn docker(mut self, expected: Expected) -> Self {
        self.docker = expected;
        self
    }

    const fn newest(mut self, expected: Expected) -> Self {
        self.newest = Some(expected);
        self
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = logins::rows();
    rows.extend(answers::rows());
    rows.extend(network::rows());
    rows
}
