//! Limits for a user's template: steps, output and time. Anybody who can change the workspace could
//! write an endless one.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use minijinja::{Environment, Value};

/// The limits of one rendering.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many instructions minijinja may execute.
    pub(super) steps: u64,
    /// How many bytes the template may write.
    pub(super) output: usize,
    /// How long it may take, since a single instruction may be slow.
    pub(super) time: Duration,
}

/// Why there is no output.
pub(super) enum Stopped {
    /// minijinja reported an error.
    Failed(minijinja::Error),
    /// A limit was reached.
    TooMuch(String),
}

impl Limits {
    /// Far more than the template for an app with thousands of packages needs.
    pub(super) const DEFAULT: Self = Self {
        steps: 20_000_000,
        output: 64 << 20,
        time: Duration::from_secs(30),
    };

    /// Renders the last of these named templates on its own thread. A thread that does not end in
    /// time is abandoned: the program is about to end with an error.
    pub(super) fn render(
        self,
        environment: fn() -> Environment<'static>,
        texts: Vec<(String, String)>,
        data: Value,
    ) -> Result<String, Stopped> {
        let (sender, receiver) = mpsc::channel();
        let work = move || {
            let rendered = self.run(environment(), texts, data);
            // The receiver is gone after the timeout.
            drop(sender.send(rendered));
        };
        // minijinja recurses up to 500 calls deep, and each needs much of the stack.
        let stack = 256 << 20;
        let started = thread::Builder::new().stack_size(stack).spawn(work);
        if let Err(error) = started {
            return Err(Stopped::TooMuch(format!("cannot start a thread: {error}")));
        }
        receiver.recv_timeout(self.time).unwrap_or_else(|_| {
            let problem = format!("the template runs for longer than {:?}", self.time);
            Err(Stopped::TooMuch(problem))
        })
    }

    fn run(
        self,
        mut environment: Environment<'static>,
        texts: Vec<(String, String)>,
        data: Value,
    ) -> Result<String, Stopped> {
        environment.set_fuel(Some(self.steps));
        let name = texts
            .last()
            .map(|(name, _)| name.clone())
            .unwrap_or_default();
        for (name, text) in texts {
            environment
                .add_template_owned(name, text)
                .map_err(Stopped::Failed)?;
        }
        let mut output = Output {
            bytes: Vec::new(),
            most: self.output,
            full: false,
        };
        let rendered = environment
            .get_template(&name)
            .and_then(|template| template.render_captured_to(data, &mut output).map(drop));
        if output.full {
            let problem = format!("the template writes more than {} bytes", self.output);
            return Err(Stopped::TooMuch(problem));
        }
        rendered.map_err(Stopped::Failed)?;
        Ok(String::from_utf8_lossy(&output.bytes).into_owned())
    }
}

/// Takes so many bytes and no more.
struct Output {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
