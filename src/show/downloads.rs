//! [`Downloads`]: what is downloaded before a build, one after the other.
//!
//! Input: the address of each download, when it begins. Output: on a terminal one row that changes, and
//! a line at the end; elsewhere a line for each, with the file and the host; for programs the address.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::show::progress::{ProgressMode, human};
use crate::show::report::count;
use crate::show::ui::{Ui, Volume};

/// The time between two redraws of the row.
const FRAME: Duration = Duration::from_millis(100);

/// Downloads that are shown.
pub struct Downloads<'u> {
    ui: RefCell<&'u mut Ui>,
    row: Option<ProgressBar>,
    begun: Cell<usize>,
    began: Instant,
}

impl<'u> Downloads<'u> {
    /// Nothing is shown before the first begins.
    pub fn new(mode: ProgressMode, ui: &'u mut Ui) -> Self {
        let is_drawn = match mode {
            ProgressMode::Auto => ui.terminal,
            ProgressMode::Tty => true,
            ProgressMode::Plain | ProgressMode::Json | ProgressMode::Quiet => false,
        };
        let is_drawn = is_drawn && ui.seat().is_none() && ui.manner().volume != Volume::Quiet;
        Self {
            ui: RefCell::new(ui),
            row: is_drawn.then(row),
            begun: Cell::new(0),
            began: Instant::now(),
        }
    }

    /// Shows a download that begins.
    pub fn begins(&self, url: &str) {
        self.begun.set(self.begun.get() + 1);
        let words = words(url);
        if let Some(row) = &self.row {
            row.set_message(format!("downloading {words}"));
            row.enable_steady_tick(FRAME);
            return;
        }
        let mut ui = self.ui.borrow_mut();
        let shown = if ui.manner().json { url } else { &words };
        // A closed stderr is no reason to fail.
        drop(ui.note(&format!("downloading {shown}")));
    }

    /// Says how many there were, where the lines do not.
    pub fn finish(self) {
        let Some(row) = self.row.as_ref().filter(|_| self.begun.get() > 0) else {
            return;
        };
        row.finish_and_clear();
        let files = count(self.begun.get(), "file");
        let took = human(self.began.elapsed());
        drop(
            self.ui
                .borrow_mut()
                .note(&format!("downloaded {files} in {took}")),
        );
    }
}

impl Drop for Downloads<'_> {
    fn drop(&mut self) {
        if let Some(row) = &self.row {
            row.finish_and_clear();
        }
    }
}

fn row() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    let row = ProgressBar::new_spinner();
    match style {
        Ok(style) => row.with_style(style),
        Err(_) => row,
    }
}

/// `libc6_2.36.deb from deb.debian.org`, or the address where it names no file.
fn words(url: &str) -> String {
    let parts = || {
        let (_, rest) = url.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let (_, host) = host.rsplit_once('@').unwrap_or(("", host));
        let path = path.split(['?', '#']).next()?;
        // Lists of packages go by their digests.
        let list = path
            .split_once("/dists/")
            .and_then(|(_, rest)| rest.split('/').next());
        let file = path.rsplit('/').next().filter(|file| !file.is_empty());
        let what = list.map(|suite| format!("the packages of {suite}"));
        Some(format!(
            "{} from {host}",
            what.or_else(|| file.map(str::to_owned))?
        ))
    };
    parts().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_told_by_its_file_and_host() {
        for (url, expected) in [
            (
                "https://deb.debian.org/debian/pool/main/g/glibc/libc6_2.36.deb",
                "libc6_2.36.deb from deb.debian.org",
            ),
            (
                "https://deb.debian.org/debian/dists/bookworm/main/binary-amd64/by-hash/SHA256/9e0b",
                "the packages of bookworm from deb.debian.org",
            ),
            (
                "https://user:pa55@npm.example/pnpm/-/pnpm-10.34.8.tgz?x=y",
                "pnpm-10.34.8.tgz from npm.example",
            ),
            ("https://host/", "https://host/"),
        ] {
            assert_eq!(words(url), expected);
        }
    }
}
