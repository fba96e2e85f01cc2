//! Where packages come from, and which of them pnpm downloads and cannot verify.

use super::Lockfile;
use super::keys::{Format, package_key};

/// The hosts of git whose archives pnpm takes without an integrity: their bytes change.
const OF_GIT: [&str; 3] = [
    "https://codeload.github.com/",
    "https://bitbucket.org/",
    "https://gitlab.com/",
];

impl Lockfile<'_> {
    /// Whether the entry of a node is a download without an integrity. Only formats 9.0 and later
    /// are read: no version of pnpm that asks for it reads an older one.
    pub(crate) fn lacks_integrity(&self, key: &str) -> bool {
        if self.format() != Format::V9 || self.is_v13() {
            return false;
        }
        let entries = self.packages();
        let Some(at) = entries.find(package_key(key)) else {
            return false;
        };
        let text = &self.text()[entries[at].body..entries[at].range.end];
        // Nearly all have one, so that the rest is seldom read.
        !text.contains("{integrity: ") && resolution(text).is_some_and(|text| !is_verified(text))
    }
}

/// Where a package comes from.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The digests of its archive, as npm writes them.
    pub integrity: Option<&'a str>,
    /// The address of its archive, if the registry's usual one is not meant.
    pub tarball: Option<&'a str>,
}

impl<'a> Lockfile<'a> {
    /// Where the package of a node comes from.
    pub fn origin(&self, key: &str) -> Origin<'a> {
        let (entries, key) = match self.format() {
            Format::V9 => (self.packages(), package_key(key)),
            Format::V5 | Format::V6 => (self.nodes(), key),
        };
        let Some(at) = entries.find(key) else {
            return Origin::default();
        };
        let text: &'a str = self.text();
        let text = resolution(&text[entries[at].body..entries[at].range.end]);
        match text {
            // A runtime has an archive for each machine.
            Some(text) if !text.contains("type: variations") => Origin {
                integrity: field(text, "integrity:"),
                tarball: field(text, "tarball:"),
            },
            _ => Origin::default(),
        }
    }
}

/// A value of a flow map, or of the lines that a formatter made of one.
fn field<'a>(resolution: &'a str, name: &str) -> Option<&'a str> {
    let rest = resolution[resolution.find(name)? + name.len()..].trim_start();
    let value = match rest.as_bytes().first()? {
        quote @ (b'\'' | b'"') => rest[1..].split(char::from(*quote)).next()?,
        _ => &rest[..rest.find([',', '}', '\n']).unwrap_or(rest.len())],
    };
    Some(value.trim()).filter(|value| !value.is_empty())
}

/// The value of `resolution`: the rest of its line, and the lines below it.
fn resolution(entry: &str) -> Option<&str> {
    let key = "    resolution:";
    let from = match entry.strip_prefix(key) {
        Some(rest) => rest,
        None => &entry[entry.find(&format!("\n{key}"))? + 1 + key.len()..],
    };
    let mut end = from.find('\n').map_or(from.len(), |at| at + 1);
    for line in from[end..].split_inclusive('\n') {
        if !line.starts_with("     ") && !line.trim_start().starts_with('}') {
            break;
        }
        end += line.len();
    }
    Some(&from[..end])
}

/// pnpm's rule (`pkgSnapshotToResolution` of pnpm 10.34, `isRegistryTarballResolution` of 11.22).
fn is_verified(resolution: &str) -> bool {
    let has = |word: &str| resolution.contains(word);
    has("integrity:")
        || has("type:")
        || has("gitHosted: true")
        || has("file:")
        || OF_GIT.iter().any(|host| has(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_says_where_it_comes_from() {
        let rows = [
            ("{integrity: sha512-x}", (Some("sha512-x"), None)),
            (
                "{integrity: sha512-x, tarball: https://example.com/a.tgz}",
                (Some("sha512-x"), Some("https://example.com/a.tgz")),
            ),
            (
                "{tarball: 'https://example.com/a,b.tgz'}",
                (None, Some("https://example.com/a,b.tgz")),
            ),
            ("\n      integrity: sha512-x", (Some("sha512-x"), None)),
            ("{commit: abc, repo: x, type: git}", (None, None)),
            (
                "\n      type: variations\n      variants:\n        - resolution: {integrity: sha256-x}",
                (None, None),
            ),
        ];
        for (resolution, (integrity, tarball)) in rows {
            let text = format!(
                "lockfileVersion: '9.0'\n\npackages:\n\n  a@1.0.0:\n    resolution: {resolution}\n\nsnapshots:\n\n  a@1.0.0(b@2.0.0): {{}}\n"
            );
            let lockfile = Lockfile::parse(&text).unwrap();
            let found = lockfile.origin("a@1.0.0(b@2.0.0)");
            let expected = Origin { integrity, tarball };
            assert_eq!(found, expected, "{resolution}");
        }
        let older = "lockfileVersion: '6.0'\n\npackages:\n\n  /a@1.0.0:\n    resolution: {integrity: sha512-x}\n    dev: false\n";
        let lockfile = Lockfile::parse(older).unwrap();
        assert_eq!(lockfile.origin("/a@1.0.0").integrity, Some("sha512-x"));
    }

    #[test]
    fn downloads_without_an_integrity() {
        let rows = [
            ("{integrity: sha512-x}", false),
            (
                "{integrity: sha512-x, tarball: https://example.com/a.tgz}",
                false,
            ),
            (
                "{tarball: https://example.com/a.tgz, integrity: sha512-x}",
                false,
            ),
            ("{tarball: https://example.com/a.tgz}", true),
            ("{}", true),
            ("\n      tarball: https://example.com/a.tgz", true),
            ("\n      integrity: sha512-x", false),
            ("{\n      integrity: sha512-x\n    }", false),
            ("{tarball: file:vendor/a.tgz}", false),
            ("{directory: ../a, type: directory}", false),
            (
                "{commit: abc, repo: https://example.com/a.git, type: git}",
                false,
            ),
            ("{tarball: https://codeload.github.com/a/b/tar.gz/c}", false),
            (
                "{gitHosted: true, tarball: https://git.example.com/a.tgz}",
                false,
            ),
        ];
        for (resolution, lacks) in rows {
            let text = format!(
                "lockfileVersion: '9.0'\n\npackages:\n\n  a@1.0.0:\n    resolution: {resolution}\n    engines: {{node: '>=20'}}\n\n  b@1.0.0:\n    resolution: {{integrity: sha512-y}}\n\nsnapshots:\n\n  a@1.0.0(b@1.0.0): {{}}\n\n  b@1.0.0: {{}}\n"
            );
            let lockfile = Lockfile::parse(&text).unwrap();
            assert_eq!(
                lockfile.lacks_integrity("a@1.0.0(b@1.0.0)"),
                lacks,
                "{resolution}"
            );
            assert!(!lockfile.lacks_integrity("b@1.0.0"));
        }
    }
}
