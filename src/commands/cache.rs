//! `slimbuild cache`: shows and prunes the cache.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::storage::{directory, limit, which};
use crate::cli::{CacheArgs, CacheCommand, CacheDuArgs, CachePruneArgs};
use crate::commands::error::Error;
use crate::show::report;
use crate::show::ui::Ui;
use crate::store::cache::{Cache, CacheKind, Pruned, Usage};
use crate::system::env::Env;

/// What `--json` prints.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum Document {
    /// Of `slimbuild cache du`.
    Usage {
        /// The cache's directory.
        directory: PathBuf,
        /// The most bytes that it keeps; null for no limit.
        limit: Option<u64>,
        /// What is in it.
        #[serde(flatten)]
        usage: Usage,
    },
    /// Of `slimbuild cache prune`.
    Pruned {
        /// The cache's directory.
        directory: PathBuf,
        /// How many entries were removed.
        removed: usize,
        /// The bytes that they took.
        bytes: u64,
        /// The bytes that are left.
        left: u64,
        /// How many builds are using the cache now. What they use stays.
        running: usize,
    },
}

/// Shows the cache, prunes it, or prints its directory.
pub fn run(args: CacheArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let text = match args.command.unwrap_or(CacheCommand::Du(args.du)) {
        CacheCommand::Du(args) => du(&args, cwd, env)?,
        CacheCommand::Prune(args) => prune(&args, cwd, env)?,
        CacheCommand::Dir(args) => {
            let directory = directory(args.cache_dir.as_deref(), cwd, env)?;
            format!("{}\n", directory.display())
        }
    };
    ui.out()
        .write_all(text.as_bytes())
        .map_err(Error::io("cannot write to stdout"))
}

fn du(args: &CacheDuArgs, cwd: &Path, env: &Env) -> Result<String, Error> {
    let root = directory(args.place.cache_dir.as_deref(), cwd, env)?;
    let limit = limit(None, Some(&root), env)?;
    let usage = Usage::of(&root)?;
    if args.json {
        return super::json(&Document::Usage {
            directory: root,
            limit,
            usage,
        });
    }
    let mut text = format!("{}\n\n", root.display());
    for kind in &usage.kinds {
        let _ = writeln!(
            text,
            "  {:<22} {:>10}  {:>14}  {}",
            kind_label(kind.kind),
            report::size(kind.bytes),
            report::count(kind.count, "entry").replace("entrys", "entries"),
            kind.last_used.map_or(String::new(), since),
        );
    }
    let most = limit.map_or("no limit".to_owned(), |limit| {
        format!("of at most {}", report::size(limit))
    });
    let _ = writeln!(
        text,
        "\n  {:<22} {:>10}  {most}",
        "all",
        report::size(usage.bytes)
    );
    if usage.running > 0 {
        let builds = report::count(usage.running, "running build");
        let _ = writeln!(text, "\nin use by {builds}");
    }
    Ok(text)
}

fn kind_label(kind: CacheKind) -> &'static str {
    match kind {
        CacheKind::Blobs => "layers and downloads",
        CacheKind::Trees => "unpacked layers",
        CacheKind::PnpmStore => "pnpm's store",
        CacheKind::Notes => "notes",
        CacheKind::Unfinished => "being written",
    }
}

/// The age of a time.
fn since(time: SystemTime) -> String {
    let seconds = time.elapsed().unwrap_or_default().as_secs();
    let ago = |number: u64, noun: &str| {
        let number = usize::try_from(number).unwrap_or_default();
        format!("used {} ago", report::count(number, noun))
    };
    match seconds {
        0..60 => "used just now".to_owned(),
        60..3600 => ago(seconds / 60, "minute"),
        3600..86400 => ago(seconds / 3600, "hour"),
        _ => ago(seconds / 86400, "day"),
    }
}

fn prune(args: &CachePruneArgs, cwd: &Path, env: &Env) -> Result<String, Error> {
    let root = directory(args.place.cache_dir.as_deref(), cwd, env)?;
    let limit = limit(args.cache_size, Some(&root), env)?;
    let pruned = if root.exists() {
        Cache::open(&root)?.prune(which(args.all, args.older_than, limit))
    } else {
        Pruned::default()
    };
    if args.json {
        return super::json(&Document::Pruned {
            directory: root,
            removed: pruned.count,
            bytes: pruned.bytes,
            left: pruned.left,
            running: pruned.running,
        });
    }
    let entries = report::count(pruned.count, "entry").replace("entrys", "entries");
    let mut text = format!(
        "removed {entries}, {}; {} are left in {}\n",
        report::size(pruned.bytes),
        report::size(pruned.left),
        root.display()
    );
    if pruned.running > 0 {
        let builds = report::count(pruned.running, "running build");
        let _ = writeln!(text, "what {builds} may be using stays");
    }
    Ok(text)
}
