//! Which apps are built, and how several are built in one run.

use clap::Args;

use crate::ask::selection::is_glob;

/// The apps of a build.
#[derive(Debug, Default, Args)]
pub struct AppsArg {
    /// The app: its directory (apps/server, or . inside of it) or its package name
    ///
    /// Without one, the app around the working directory; at the root, a terminal is asked. Several are built in one run. A glob ('apps/*', '@shop/*') names all apps that it matches
    #[arg(value_name = "APP")]
    pub apps: Vec<String>,

    /// Build every app that `slimbuild ls` lists
    ///
    /// An app that needs a decision fails, and the others are built. `--filter '!APP'` leaves it out
    #[arg(
        long,
        conflicts_with = "apps",
        hide_short_help = true,
        help_heading = "Apps"
    )]
    pub all: bool,

    /// Build the apps that turbo's filter selects
    ///
    /// NAME (also @shop/*), ./apps/* or {apps/*}; ...NAME adds what depends on it, and ...^NAME is that without NAME; NAME... adds its
    /// dependencies; !NAME leaves out. May be repeated
    #[arg(
        short = 'F',
        long = "filter",
        value_name = "FILTER",
        hide_short_help = true,
        help_heading = "Apps"
    )]
    pub filters: Vec<String>,

    /// Build only apps whose image changes since REF would change
    ///
    /// Of the named apps, or of all. REF is as for `slimbuild ls --affected`
    #[arg(
        long,
        value_name = "REF",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        hide_short_help = true,
        help_heading = "Apps"
    )]
    pub affected: Option<String>,
}

/// How several apps are built.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Apps")]
pub struct QueueArgs {
    /// How many apps are built at the same time
    ///
    /// The default is half of the processor's cores, at most 8. It is 8 with --prebuilt, and with a builder or a daemon on
    /// another machine
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), hide_short_help = true)]
    pub jobs: Option<u16>,

    /// Stop all apps when one has failed
    #[arg(long, hide_short_help = true)]
    pub fail_fast: bool,
}

/// What the words of a build name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// The app around the working directory.
    Around,
    /// This app.
    One(&'a str),
    /// What may be several apps.
    Several,
}

impl AppsArg {
    /// What the words name. A glob that one app matches names several, so what the build prints and
    /// writes has the form for several. But `is_app` knows directories with letters of globs.
    pub fn named(&self, is_app: impl Fn(&str) -> bool) -> Named<'_> {
        match &self.apps[..] {
            _ if self.all || !self.filters.is_empty() || self.affected.is_some() => Named::Several,
            [] => Named::Around,
            [app] if !is_glob(app) || is_app(app) => Named::One(app),
            _ => Named::Several,
        }
    }
}
