//! The cache of a command: the user's, or one for this run if that cannot be used.

use std::path::{Path, PathBuf};

use crate::cli::{CacheSize, SourceArgs};
use crate::commands::error::Error;
use crate::commands::warning::warn;
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::store::cache::{Cache, CacheError, Which};
use crate::system::env::Env;
use crate::system::trail;

/// The variable with the cache's size limit.
const SIZE: &str = "SLIMBUILD_CACHE_SIZE";

/// A cache and its size limit.
pub(super) struct Storage {
    pub(super) cache: Cache,
    limit: Option<u64>,
    mode: ProgressMode,
    /// Whether the user was warned that it is not writable.
    warned: bool,
}

impl Storage {
    /// Opens the cache. If it cannot be used, a warning says so, and the build continues.
    pub(super) fn open(
        args: &SourceArgs,
        cwd: &Path,
        env: &Env,
        mode: ProgressMode,
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
                warn(
                    &format!("{why}: this run goes on without; {hint}"),
                    mode,
                    ui,
                )?;
                Cache::private()?
            }
        };
        Ok(Self {
            cache,
            limit,
            mode,
            warned,
        })
    }

    /// After a failed run: whether the reason was an unwritable cache. Then it is replaced by a
    /// private one, and the run can start again.
    pub(super) fn goes_on(&mut self, ui: &mut Ui) -> Result<bool, Error> {
        if self.cache.is_private() || self.cache.trouble().is_none() {
            return Ok(false);
        }
        self.warn("the run begins again without", ui)?;
        // What was begun is removed first: the disk may need its space.
        let private = Cache::private()?;
        self.cache = private;
        Ok(true)
    }

    /// Removes what exceeds the limits, at the end of a run.
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
        if std::mem::replace(&mut self.warned, true) {
            return Ok(());
        }
        warn(&message, self.mode, ui)
    }
}

/// The cache's directory.
pub(super) fn directory(
    given: Option<&Path>,
    cwd: &Path,
    env: &Env,
) -> Result<PathBuf, CacheError> {
    let given = given.map(|path| cwd.join(path));
    let directory = given.or_else(|| Cache::directory(env.get("XDG_CACHE_HOME"), env.get("HOME")));
    let directory = directory.ok_or(CacheError::Homeless)?;
    trail::decided(|| format!("the cache is `{}`", directory.display()));
    Ok(directory)
}

/// The size limit: from a flag, else a variable, else by the disk's size.
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

/// What `slimbuild cache prune` removes.
pub(super) fn which(all: bool, older: Option<std::time::Duration>, limit: Option<u64>) -> Which {
    match older {
        _ if all => Which::All,
        Some(than) => Which::Older(than),
        None => Which::Limit(limit),
    }
}
