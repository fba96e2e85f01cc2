//! The configuration of the web server for static sites: `templates/nginx.conf.j2`.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::detect::Site;
use crate::plan::template::{self, Syntax, TextError, text};

const TEMPLATE: &str = include_str!("../../templates/nginx.conf.j2");

/// The hash that builders put between a file's name and its extension: eight or more letters of
/// base 64 or hexadecimal digits. One of them must be a digit or a capital, so that
/// `site-background.png` does not match. Several extensions may follow: `.chunk.js`, `.lean.js`.
const HASH: &str = "(?=[A-Za-z_-]*[0-9A-Z])[A-Za-z0-9_-]{8,}(\\.[a-zA-Z0-9]+)+$";

/// What the template sees.
#[derive(Serialize)]
struct View {
    hashed: Vec<Syntax>,
    unhashed: Vec<Syntax>,
    /// With a slash at both ends.
    directories: Vec<String>,
    last: String,
    port: u16,
    reason: String,
    timeless: bool,
}

/// The text of `nginx.conf` for a site with these source files. In a `timeless` image all files
/// have the same time.
pub(super) fn configuration(
    site: &Site,
    files: &BTreeSet<String>,
    port: u16,
    timeless: bool,
) -> Result<String, TextError> {
    let directories: Vec<&String> = site.hashed.iter().filter(|dir| !dir.is_empty()).collect();
    let hashed: Vec<Syntax> = site
        .hashed
        .iter()
        .map(|dir| {
            let escaped = text::regex(dir);
            match dir.chars().next() {
                None => format!("~^/[^/]*[-._]{HASH}"),
                // A directory that belongs to the tool by its name (`_next`, `_nuxt`, `_app`): the
                // hash may be all there is before the extension.
                Some('_') => format!("~^/{escaped}/(.*[-._/])?{HASH}"),
                Some(_) => format!("~^/{escaped}/.*[-._]{HASH}"),
            }
        })
        .map(Syntax::of)
        .collect();
    // The app's own files whose names look like a hash.
    let unhashed: Vec<Syntax> = files
        .iter()
        .filter_map(|file| {
            file.strip_prefix("public")
                .or_else(|| file.strip_prefix("static"))
        })
        .filter(|path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            directories
                .iter()
                .any(|dir| path.starts_with(&format!("/{dir}/")))
                && looks_hashed(name)
        })
        .map(|path| Syntax::of(text::nginx_key(path)))
        .collect();
    let last = match &site.fallback.page {
        Some(page) => format!("/{page}"),
        None => "=404".to_owned(),
    };
    let reason = &site.fallback.reason;
    let mut letters = reason.chars();
    let reason: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    template::render(
        "nginx.conf.j2",
        TEMPLATE,
        &View {
            hashed,
            unhashed,
            directories: directories
                .into_iter()
                .map(|dir| format!("/{dir}/"))
                .collect(),
            last,
            port,
            reason,
            timeless,
        },
    )
}

/// Whether [`HASH`] matches the name. In doubt it does.
fn looks_hashed(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let tail = |(at, _): (usize, &str)| stem[at + 1..].len() >= 8;
    stem.match_indices(['-', '.', '_']).any(tail)
        && stem
            .chars()
            .any(|letter| letter.is_ascii_digit() || letter.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_hashes() {
        for (name, hashed) in [
            ("index-C2xKQ9aZ.js", true),
            ("Screenshot-20240101.png", true),
            ("site-background.png", false),
            ("logo-2x.png", false),
        ] {
            assert_eq!(looks_hashed(name), hashed, "{name}");
        }
    }
}
