//! The program, called as `main` calls it, with captured streams.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use slimbuild::Env;
use slimbuild::Ui;

use super::pnpm::{NETWORK, TRIES};

/// How a run ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs the program in an empty environment.
pub(crate) fn slimbuild(directory: &Path, arguments: &[&str]) -> Outcome {
    slimbuild_with(directory, arguments, &Env::default())
}

/// The program itself.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_slimbuild");

/// Runs the program, and runs it again where npm's registry let an install down: that is no fault of the program.
pub(crate) fn slimbuild_with(directory: &Path, arguments: &[&str], env: &Env) -> Outcome {
    let mut outcome = once(directory, arguments, env);
    for _ in 1..TRIES {
        let Some(sign) = NETWORK.iter().find(|sign| outcome.stderr.contains(*sign)) else {
            break;
        };
        if outcome.code == 0 {
            break;
        }
        eprintln!("once more, since an install failed with {sign}");
        outcome = once(directory, arguments, env);
    }
    outcome
}

fn once(directory: &Path, arguments: &[&str], env: &Env) -> Outcome {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let mut ui = Ui::plain(Box::new(stdout.clone()), Box::new(stderr.clone()));
    let arguments = ["slimbuild"].iter().chain(arguments).map(OsString::from);
    let env = env.clone().with_program(Path::new(PROGRAM));
    let code = slimbuild::run(arguments, directory, &env, &mut ui);
    Outcome {
        code: code as i32,
        stdout: stdout.take(),
        stderr: String::from_utf8(stderr.take()).expect("words are UTF-8"),
    }
}

impl Outcome {
    /// Stdout of a run that must have ended well.
    pub(crate) fn bytes(self) -> Vec<u8> {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// The same as text.
    pub(crate) fn text(self) -> String {
        String::from_utf8(self.bytes()).expect("stdout is UTF-8")
    }

    /// The exit code and the words of a run that must have failed, with `$ROOT` for the directory of the tree. Stdout must be empty: a
    /// script that takes it for an image's name would go on with half of one.
    pub(crate) fn refusal(&self, root: &Path) -> String {
        assert_ne!(self.code, 0, "{}", String::from_utf8_lossy(&self.stdout));
        assert_eq!(String::from_utf8_lossy(&self.stdout), "", "{}", self.stderr);
        let root = root.to_string_lossy();
        format!(
            "exit code {}\n{}",
            self.code,
            self.stderr.replace(&*root, "$ROOT")
        )
    }
}

/// A stream that can be read afterwards.
#[derive(Debug, Default, Clone)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
