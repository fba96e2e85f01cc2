//! The environment as a value: library code never reads the process's own environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Environment variables by name, and the path of the program. Variables that are not UTF-8 are
/// left out.
#[derive(Debug, Clone, Default)]
pub struct Env {
    variables: BTreeMap<String, String>,
    program: Option<PathBuf>,
}

impl Env {
    /// Takes the environment of the process. Only `main` calls it.
    pub fn of_process() -> Self {
        let set = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables: set,
            program: std::env::current_exe().ok(),
        }
    }

    /// Sets the path of slimbuild's executable.
    #[must_use]
    pub fn with_program(self, program: &Path) -> Self {
        let program = Some(program.to_path_buf());
        Self { program, ..self }
    }

    /// The path of slimbuild's executable if it is known, so that slimbuild can start itself again.
    pub fn program(&self) -> Option<&Path> {
        self.program.as_deref()
    }

    /// The value of a variable, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter();
        Self {
            variables: variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            program: None,
        }
    }
}
