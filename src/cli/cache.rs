//! The flags of `slimbuild cache`, and parsers for sizes and ages.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::model::bytes;

/// `slimbuild cache`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    after_long_help = "\
The cache holds layers, downloads, unpacked layers and pnpm's store, for images that are made
without Docker. Every build removes what was unused for a month (unpacked layers: a week), and the
least recently used where the cache is larger than its limit: --cache-size SIZE of a build, or
SLIMBUILD_CACHE_SIZE (20GB, 500MB, none) [default: a tenth of the disk, at most 20 GB].

Examples:
  slimbuild cache                          show what is in it
  slimbuild cache prune                    remove what the next build would remove
  slimbuild cache prune --older-than 7d    remove what was unused for a week
  slimbuild cache prune --all              remove all but what a running build uses
  cd $(slimbuild cache dir)"
)]
pub struct CacheArgs {
    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(subcommand)]
    pub command: Option<CacheCommand>,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub du: CacheDuArgs,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Show what is in the cache, how large it is and when it was used (what `slimbuild cache` does)
    Du(CacheDuArgs),
    /// Remove entries that were not used for a long time, and what exceeds the size limit
    Prune(CachePruneArgs),
    /// Print the cache's directory
    Dir(CachePlaceArgs),
}

/// Which cache.
#[derive(Debug, Clone, Args)]
pub struct CachePlaceArgs {
    /// The cache is in DIR [default: ~/.cache/slimbuild]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

/// `slimbuild cache du`
#[derive(Debug, Clone, Args)]
pub struct CacheDuArgs {
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub place: CachePlaceArgs,
}

/// `slimbuild cache prune`
#[derive(Debug, Args)]
pub struct CachePruneArgs {
    /// Remove everything that no running build uses
    #[arg(long, conflicts_with_all = ["older_than", "cache_size"])]
    pub all: bool,

    /// Remove only entries that were not used for this long (90m, 12h, 7d)
    #[arg(long, value_name = "AGE", value_parser = age, conflicts_with = "cache_size")]
    pub older_than: Option<Duration>,

    /// Keep at most SIZE (20GB, 500MB, none); what was used least recently goes first
    #[arg(long, value_name = "SIZE")]
    pub cache_size: Option<CacheSize>,

    /// Print what was removed as JSON
    #[arg(long)]
    pub json: bool,

    #[allow(missing_docs, reason = "clap would show it as help")]
    #[command(flatten)]
    pub place: CachePlaceArgs,
}

/// The size limit of the cache in bytes; `None` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSize(pub Option<u64>);

impl FromStr for CacheSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let no =
            || "write a number of bytes with a unit, as in `20GB` or `500MB`, or `none`".to_owned();
        bytes::parse(text).map(Some).map(Self).ok_or_else(no)
    }
}

/// An age: `90m`, `12h`, `7d`.
fn age(text: &str) -> Result<Duration, String> {
    let no = || "write a number with a unit, as in `90m`, `12h` or `7d`".to_owned();
    let (number, unit) = split(text).ok_or_else(no)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(no()),
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(no)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_read_as_people_write_them() {
        let size = |text: &str| text.parse::<CacheSize>().ok().map(|size| size.0);
        assert_eq!(size("20GB"), Some(Some(20_000_000_000)));
        assert_eq!(size("500 MB"), Some(Some(500_000_000)));
        assert_eq!(size("1GiB"), Some(Some(1 << 30)));
        assert_eq!(size("0"), Some(Some(0)));
        assert_eq!(size("none"), Some(None));
        assert_eq!(size("1.5GB"), Some(Some(1_500_000_000)));
        for wrong in ["", "GB", "-1", "10XB", "99999999999TB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
        assert_eq!(age("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(age("90m"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "7", "d", "-1d", "1y"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
