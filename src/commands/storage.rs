//! The cache of a command: the user's, or where that cannot be used, one that goes with the run.

use std::path::{Path, PathBuf};

use crate::cli::{CacheSize, SourceArgs};
use crate::commands::error::Error;
use crate::show::ui::Ui;
use crate::store::cache::{Cache, CacheError, Which};
use crate::system::env::Env;

/// The variable that says how large the cache may be.
const SIZE: &str = "SLIMBUILD_CACHE_SIZE";

/// A cache, and how large it may be.
pub(super) struct Storage {
    pub(super) cache: Cache,
    limit: Option<u64>,
    quiet: bool,
    /// Whether it was said that it cannot be written to.
    warned: bool,
}

impl Storage {
    /// Opens it. What keeps it from being used is said, and keeps nobody from an image.
    pub(super) fn open(
        args: &SourceArgs,
        cwd: &Path,
        env: &Env,
        quiet: bool,
        ui: &mut Ui,
    ) -> Result<Self, Error> {
        let directory = directory(args.cache_dir.as_deref(), cwd, env);
        let limit = limit(args.cache_size, directory.as_deref().ok(), env)?;
        let mut warned = false;
        let cache = match directory.and_then(|directory| Cache::open(&directory)) {
            Ok(cache) => cache,
            Err(error) => {
                warned = true;
                let why = error.in_one_line();
                let hint = error.hint().unwrap_or_default();
                say(
                    &format!("{why}: this run goes on without; {hint}"),
                    quiet,
                    ui,
                )?;
                Cache::private()?
            }
        };
        Ok(Self {
            cache,
            limit,
            quiet,
            warned,
        })
    }

    /// After a run that failed: whether it was for a cache that cannot be written to. Then there is another one, and it may begin again.
    pub(super) fn goes_on(&mut self, ui: &mut Ui) -> Result<bool, Error> {
        if self.cache.is_private() || self.cache.trouble().is_none() {
            return Ok(false);
        }
        self.warn("the run begins again without", ui)?;
        // What was begun is removed first: it may be what the disk lacks.
        let private = Cache::private()?;
        self.cache = private;
        Ok(true)
    }

    /// At the end: what is too much goes.
    pub(super) fn tidy(&mut self, ui: &mut Ui) -> Result<(), Error> {
        self.cache.tidy(self.limit);
        if self.cache.is_private() || self.cache.trouble().is_none() {
            return Ok(());
        }
        self.warn("not all that was made is kept for the next run", ui)
    }

    fn warn(&mut self, then: &str, ui: &mut Ui) -> Result<(), Error> {
        let root = self.cache.root().display().to_string();
        let trouble = self.cache.trouble().unwrap_or_default();
        let message = format!("cannot write to the cache `{root}` ({trouble}): {then}");
        let quiet = self.quiet || std::mem::replace(&mut self.warned, true);
        say(&message, quiet, ui)
    }
}

fn say(message: &str, quiet: bool, ui: &mut Ui) -> Result<(), Error> {
    if quiet {
        return Ok(());
    }
    ui.warn(message)
        .map_err(Error::io("cannot write to stderr"))
}

/// Where the cache is.
pub(super) fn directory(
    given: Option<&Path>,
    cwd: &Path,
    env: &Env,
) -> Result<PathBuf, CacheError> {
    let given = given.map(|path| cwd.join(path));
    let directory = given.or_else(|| Cache::directory(env.get("XDG_CACHE_HOME"), env.get("HOME")));
    directory.ok_or(CacheError::Homeless)
}

/// How large it may be: as a flag says, else a variable, else by the disk.
pub(super) fn limit(
    given: Option<CacheSize>,
    directory: Option<&Path>,
    env: &Env,
) -> Result<Option<u64>, Error> {
    let of_variable = env.get(SIZE).map(|text| {
        text.parse::<CacheSize>().map_err(|error| Error::Usage {
            message: format!("{SIZE} is `{text}`: {error}"),
            hint: None,
        })
    });
    Ok(match given.map(Ok).or(of_variable).transpose()? {
        Some(CacheSize(limit)) => limit,
        None => directory.map(Cache::default_limit),
    })
}

/// What is to be removed by `slimbuild cache prune`.
pub(super) fn which(all: bool, older: Option<std::time::Duration>, limit: Option<u64>) -> Which {
    match older {
        _ if all => Which::All,
        Some(than) => Which::Older(than),
        None => Which::Limit(limit),
    }
}
