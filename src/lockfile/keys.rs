//! Keys of entries: from a reference in an importer or snapshot to the entry's key, and from a
//! snapshot's key to its package's key.
//!
//! Mirrors pnpm's [`deps/path`](https://github.com/pnpm/pnpm/blob/main/deps/path/src/index.ts), and
//! for the older formats `dependency-path` of pnpm 7 and `lockfileFormatConverters` of pnpm 9. Keys
//! are compared, never built: a long peer suffix is a hash, which cannot be reversed.

use std::borrow::Cow;

/// The formats that differ in their keys and in the layout of importers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// 5.3 and 5.4, of pnpm 6 and 7: `/name/1.0.0_peers`, specifiers in their own map.
    V5,
    /// 6.0 and 6.1, of pnpm 8: `/name@1.0.0(peers)`.
    V6,
    /// 9.0, of pnpm 9 and later: `name@1.0.0(peers)`, with separate packages and snapshots.
    V9,
}

/// What a version refers to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `link:`: a directory, relative to the importer or, in an entry, to the lockfile.
    Link(&'a str),
    /// An entry of `snapshots`, or of `packages` in the older formats.
    Entry(Cow<'a, str>),
}

/// Resolves the version of `alias`, as pnpm's `refToRelative` does.
pub fn resolve<'a>(format: Format, alias: &str, version: &'a str) -> Reference<'a> {
    if let Some(target) = version.strip_prefix("link:") {
        return Reference::Link(target);
    }
    let whole = Reference::Entry(Cow::Borrowed(version));
    match format {
        Format::V9 => {
            if version.starts_with('@') {
                return whole;
            }
            let own = match memchr::memchr(b'@', version.as_bytes()) {
                None => true,
                // `bar@1.0.0` is the target of an alias. In `file:a@b`, `1.0.0(peer@2)` and
                // `https://x@y` the `@` belongs to something else.
                Some(at) => {
                    version.find(':').is_some_and(|colon| colon < at)
                        || version.find('(').is_some_and(|bracket| bracket < at)
                }
            };
            if own {
                Reference::Entry(Cow::Owned([alias, "@", version].concat()))
            } else {
                whole
            }
        }
        Format::V6 | Format::V5 if version.starts_with("file:") => whole,
        // A slash marks a complete key: an alias's target, a git commit, a package of another
        // registry. Slashes in peers do not count.
        Format::V6 if version[..suffix_start(version).unwrap_or(version.len())].contains('/') => {
            whole
        }
        Format::V6 => Reference::Entry(Cow::Owned(format!("/{alias}@{version}"))),
        Format::V5 if version[..version.find('(').unwrap_or(version.len())].contains('/') => whole,
        Format::V5 => Reference::Entry(Cow::Owned(format!("/{alias}/{version}"))),
    }
}

/// The key in `packages` of a key in `snapshots`: without peers and patch hash. (Format 9.0; the
/// older ones have no snapshots.)
pub fn package_key(snapshot: &str) -> &str {
    suffix_start(snapshot).map_or(snapshot, |start| &snapshot[..start])
}

/// Where the balanced run of `(…)` at the end begins: pnpm's `indexOfDepPathSuffix`.
fn suffix_start(key: &str) -> Option<usize> {
    let bytes = key.as_bytes();
    if bytes.last() != Some(&b')') {
        return None;
    }
    let mut open = 1_usize;
    for at in (0..bytes.len() - 1).rev() {
        match bytes[at] {
            b'(' => open = open.checked_sub(1)?,
            b')' => open += 1,
            _ if open == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The package's name and version in a key: `@scope/name` and `1.0.0` of
/// `@scope/name@1.0.0(peer@2.0.0)`.
pub fn name_and_version(format: Format, key: &str) -> (&str, &str) {
    let key = if format == Format::V5 {
        key
    } else {
        package_key(key)
    };
    let key = key.strip_prefix('/').unwrap_or(key);
    let (separator, from) = match (format, key.starts_with('@')) {
        (Format::V5, true) => ('/', key.find('/').map_or(0, |slash| slash + 1)),
        (Format::V5, false) => ('/', 0),
        _ => ('@', 1.min(key.len())),
    };
    match key.get(from..).and_then(|rest| rest.find(separator)) {
        Some(at) => {
            let version = &key[from + at + 1..];
            let end = if format == Format::V5 {
                version.find('_').unwrap_or(version.len())
            } else {
                version.len()
            };
            (&key[..from + at], &version[..end])
        }
        None => (key, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(format: Format, alias: &str, version: &str) -> String {
        match resolve(format, alias, version) {
            Reference::Entry(key) => key.into_owned(),
            Reference::Link(target) => format!("-> {target}"),
        }
    }

    #[test]
    fn references_of_format_9() {
        for (alias, version, expected) in [
            ("react", "18.2.0", "react@18.2.0"),
            (
                "react-dom",
                "18.2.0(react@18.2.0)",
                "react-dom@18.2.0(react@18.2.0)",
            ),
            ("lib", "link:../../packages/lib", "-> ../../packages/lib"),
            (
                "inj",
                "file:packages/inj(react@18.2.0)",
                "inj@file:packages/inj(react@18.2.0)",
            ),
            ("alias", "bar@1.0.0", "bar@1.0.0"),
            ("alias", "@s/bar@1.0.0(x@1)", "@s/bar@1.0.0(x@1)"),
            ("node", "runtime:22.0.0", "node@runtime:22.0.0"),
            (
                "r",
                "https://h/o@r/tar.gz/abc",
                "r@https://h/o@r/tar.gz/abc",
            ),
            (
                "r",
                "git+ssh://git@host/o/r.git#abc",
                "r@git+ssh://git@host/o/r.git#abc",
            ),
            ("p", "work:1.0.0", "p@work:1.0.0"),
        ] {
            assert_eq!(
                entry(Format::V9, alias, version),
                expected,
                "{alias}: {version}"
            );
        }
    }

    #[test]
    fn references_of_older_formats() {
        for (format, alias, version, expected) in [
            (Format::V6, "react", "18.2.0", "/react@18.2.0"),
            (Format::V6, "a", "1.0.0(@s/b@2.0.0)", "/a@1.0.0(@s/b@2.0.0)"),
            (
                Format::V6,
                "a",
                "1.0.0(@s/b@2.0.0(@s/c@3.0.0))",
                "/a@1.0.0(@s/b@2.0.0(@s/c@3.0.0))",
            ),
            (
                Format::V6,
                "alias",
                "/bar@1.0.0(x@1.0.0)",
                "/bar@1.0.0(x@1.0.0)",
            ),
            (Format::V6, "r", "github.com/o/r/abc", "github.com/o/r/abc"),
            (
                Format::V6,
                "r",
                "registry.example/r@1.0.0",
                "registry.example/r@1.0.0",
            ),
            (
                Format::V6,
                "l",
                "file:packages/l(react@18.2.0)",
                "file:packages/l(react@18.2.0)",
            ),
            (Format::V6, "l", "link:../l", "-> ../l"),
            (Format::V5, "react", "17.0.2", "/react/17.0.2"),
            (
                Format::V5,
                "a",
                "1.0.0_react@17.0.2",
                "/a/1.0.0_react@17.0.2",
            ),
            (Format::V5, "a", "1.0.0_@s+b@1.0.0", "/a/1.0.0_@s+b@1.0.0"),
            (Format::V5, "alias", "/bar/1.0.0", "/bar/1.0.0"),
            (Format::V5, "r", "github.com/o/r/abc", "github.com/o/r/abc"),
            (Format::V5, "l", "file:packages/l", "file:packages/l"),
        ] {
            assert_eq!(
                entry(format, alias, version),
                expected,
                "{format:?} {alias}: {version}"
            );
        }
    }

    #[test]
    fn package_keys() {
        for (snapshot, package) in [
            ("a@1.0.0", "a@1.0.0"),
            ("a@1.0.0(b@2.0.0(c@3.0.0))(d@4.0.0)", "a@1.0.0"),
            ("a@1.0.0(patch_hash=abc)(b@1.0.0)", "a@1.0.0"),
            ("@s/a@1.0.0(@t/b@1.0.0)", "@s/a@1.0.0"),
            ("l@file:packages/(group)/l", "l@file:packages/(group)/l"),
            ("l@file:packages/l(react@18.0.0)", "l@file:packages/l"),
        ] {
            assert_eq!(package_key(snapshot), package);
        }
    }

    #[test]
    fn names_and_versions() {
        for (format, key, expected) in [
            (Format::V9, "@s/a@1.0.0(b@2)", ("@s/a", "1.0.0")),
            (Format::V9, "a@1.0.0", ("a", "1.0.0")),
            (
                Format::V9,
                "node@runtime:22.0.0",
                ("node", "runtime:22.0.0"),
            ),
            (Format::V6, "/@s/a@1.0.0(b@2)", ("@s/a", "1.0.0")),
            (Format::V6, "/a@1.0.0", ("a", "1.0.0")),
            (Format::V5, "/@s/a/1.0.0_react@17.0.2", ("@s/a", "1.0.0")),
            (Format::V5, "/a/1.0.0", ("a", "1.0.0")),
            (Format::V6, "file:packages/l", ("file:packages/l", "")),
        ] {
            assert_eq!(name_and_version(format, key), expected, "{key}");
        }
    }
}
