//! What an image's name says about its C library and its installed packages.

use std::fmt;

use super::PackageManager;
use super::config::Base;
use super::engine::MACHINE;

/// What an image provides for installs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outfit {
    /// A distribution with almost nothing else.
    Bare(PackageManager),
    /// A compiler, OpenSSL, and much more.
    Full,
    /// Unknown.
    Unknown,
}

/// Where pnpm installs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Workplace<'w> {
    /// In an image.
    Image(&'w str),
    /// On this machine, whose C library is that of slimbuild itself.
    Machine,
}

impl Workplace<'_> {
    /// Its C library, if known.
    pub(super) fn libc(self) -> Option<&'static str> {
        match self {
            Self::Image(image) => libc(image),
            Self::Machine if cfg!(target_env = "musl") => Some("musl"),
            Self::Machine => Some("glibc"),
        }
    }

    /// What is installed there.
    pub(super) fn outfit(self) -> Outfit {
        match self {
            Self::Image(image) => outfit(image),
            Self::Machine => Outfit::Unknown,
        }
    }

    /// Whether it holds node's headers, below `/usr/local`.
    pub(super) fn has_headers(self) -> bool {
        matches!(self, Self::Image(image) if has_headers(image))
    }
}

impl fmt::Display for Workplace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(image) => write!(f, "`{image}`"),
            Self::Machine => f.write_str(MACHINE),
        }
    }
}

/// The C library of an image in pnpm's terms; `None` if the name does not tell.
pub(super) fn libc(image: &str) -> Option<&'static str> {
    let (repository, tag) = parts(image);
    if repository.contains("alpine") || tag.contains("alpine") || tag.contains("musl") {
        return Some("musl");
    }
    let glibc = ["node", "debian", "ubuntu", "nginx-unprivileged"];
    let known = glibc.contains(&last(repository)) || repository.contains("distroless/");
    known.then_some("glibc")
}

/// The C library of a base in pnpm's terms. Images whose names do not tell mostly have Debian's.
pub(crate) fn libc_of(base: Option<&Base>) -> &'static str {
    match base {
        Some(Base::Alpine) => "musl",
        Some(Base::Image(image)) => libc(&image.to_string()).unwrap_or("glibc"),
        _ => "glibc",
    }
}

/// What is in an image.
pub(super) fn outfit(image: &str) -> Outfit {
    let (repository, tag) = parts(image);
    match last(repository) {
        "node" if tag.contains("alpine") => Outfit::Bare(PackageManager::Apk),
        "node" if tag.contains("slim") => Outfit::Bare(PackageManager::Apt),
        "node" => Outfit::Full,
        "debian" | "ubuntu" => Outfit::Bare(PackageManager::Apt),
        "alpine" => Outfit::Bare(PackageManager::Apk),
        _ => Outfit::Unknown,
    }
}

/// Whether an image holds node's headers, below `/usr/local`.
pub(super) fn has_headers(image: &str) -> bool {
    last(parts(image).0) == "node"
}

fn last(repository: &str) -> &str {
    repository.rsplit('/').next().unwrap_or(repository)
}

/// Repository and tag.
fn parts(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // A colon before the last slash is a registry's port.
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_tell() {
        use Outfit::{Bare, Full, Unknown};
        use PackageManager::{Apk, Apt};
        for (image, libc_of, with) in [
            ("node:22-slim", Some("glibc"), Bare(Apt)),
            (
                "mirror.example:5000/library/node:22-bookworm-slim",
                Some("glibc"),
                Bare(Apt),
            ),
            ("node:22", Some("glibc"), Full),
            ("node:22-alpine3.20", Some("musl"), Bare(Apk)),
            ("alpine:3.20", Some("musl"), Bare(Apk)),
            ("debian:bookworm-slim", Some("glibc"), Bare(Apt)),
            (
                "gcr.io/distroless/nodejs22-debian12:nonroot",
                Some("glibc"),
                Unknown,
            ),
            ("cgr.dev/chainguard/wolfi-base", None, Unknown),
            ("ours.example/base:1-musl", Some("musl"), Unknown),
            ("ours.example/base:1", None, Unknown),
        ] {
            assert_eq!((libc(image), outfit(image)), (libc_of, with), "{image}");
        }
        assert!(has_headers("node:22-slim@sha256:abc") && !has_headers("debian:12"));
    }
}
