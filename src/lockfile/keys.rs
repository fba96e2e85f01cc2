//! Names of entries: from the reference in an importer or snapshot to the entry's key, and from a snapshot's key to its package's.
//!
//! Mirrors pnpm's [`deps/path`](https://github.com/pnpm/pnpm/blob/main/deps/path/src/index.ts). Strings are compared, never rebuilt: a
//! long peer suffix is a hash that cannot be computed back.

use std::borrow::Cow;

/// What a version slot refers to.
#[derive(Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `link:`: a directory, relative to the importer, or to the lockfile where a snapshot holds it.
    Link(&'a str),
    /// An entry of `snapshots`.
    Entry(Cow<'a, str>),
}

/// Resolves the version that stands beside `alias`, as pnpm's `refToRelative` does.
pub fn resolve<'a>(alias: &str, version: &'a str) -> Reference<'a> {
    if let Some(target) = version.strip_prefix("link:") {
        return Reference::Link(target);
    }
    if version.starts_with('@') {
        return Reference::Entry(Cow::Borrowed(version));
    }
    let own = match version.find('@') {
        None => true,
        // `bar@1.0.0` is an alias's target; in `file:a@b`, `1.0.0(peer@2)` and `https://x@y` the sign belongs to something else.
        Some(at) => {
            version.find(':').is_some_and(|colon| colon < at)
                || version.find('(').is_some_and(|bracket| bracket < at)
        }
    };
    Reference::Entry(if own {
        Cow::Owned(format!("{alias}@{version}"))
    } else {
        Cow::Borrowed(version)
    })
}

/// The key in `packages` of a key in `snapshots`: without peers and patch hash.
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

/// The directory of an entry such as `lib@file:packages/lib(react@18.0.0)`, or the tarball's path.
pub fn local_path(snapshot: &str) -> Option<&str> {
    let key = package_key(snapshot);
    // The name may begin with `@`; the next one parts it from the version.
    let at = key.get(1..)?.find('@')? + 1;
    key[at + 1..].strip_prefix("file:")
}

/// The package's name in a key: `@scope/name` of `@scope/name@1.0.0(peer@2.0.0)`.
pub fn package_name(snapshot: &str) -> &str {
    let key = package_key(snapshot);
    let end = key
        .get(1..)
        .and_then(|rest| rest.find('@'))
        .map_or(key.len(), |at| at + 1);
    &key[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let entry = |alias, version| match resolve(alias, version) {
            Reference::Entry(key) => key.into_owned(),
            Reference::Link(target) => format!("-> {target}"),
        };
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
        ] {
            assert_eq!(entry(alias, version), expected, "{alias}: {version}");
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
    fn names_and_paths() {
        assert_eq!(package_name("@s/a@1.0.0(b@2)"), "@s/a");
        assert_eq!(package_name("a@1.0.0"), "a");
        assert_eq!(
            local_path("@s/l@file:packages/l(react@18.0.0)"),
            Some("packages/l")
        );
        assert_eq!(local_path("l@1.0.0"), None);
    }
}
