//! Which machines an entry is for, and whether it runs install scripts.

use std::borrow::Cow;

use super::keys::{Format, Reference, package_key, resolve};
use super::lines::lines;
use super::scalar::{split_entry, value};
use super::{Lockfile, LockfileError};

/// What an entry says about itself. An empty list means every machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traits<'a> {
    /// Operating systems, as node names them; `!win32` for all others.
    pub os: Vec<Cow<'a, str>>,
    /// Processors, as node names them.
    pub cpu: Vec<Cow<'a, str>>,
    /// `glibc` or `musl`.
    pub libc: Vec<Cow<'a, str>>,
    /// Whether it runs install scripts. Only formats before 9.0 say so.
    pub requires_build: bool,
}

impl Traits<'_> {
    /// Whether the entry is for some machines only.
    pub fn is_bound(&self) -> bool {
        !self.os.is_empty() || !self.cpu.is_empty()
    }

    /// Whether pnpm would install it on this machine. An unknown C library fits all.
    pub fn fits(&self, os: &str, cpu: &str, libc: Option<&str>) -> bool {
        allows(&self.os, os)
            && allows(&self.cpu, cpu)
            && libc.is_none_or(|libc| allows(&self.libc, libc))
    }
}

/// pnpm's rule for such a list: no entry forbids it, and if the list allows anything by name, it
/// must allow this too.
pub(crate) fn allows(list: &[impl AsRef<str>], this: &str) -> bool {
    let words = || list.iter().map(AsRef::as_ref);
    let forbidden = words().any(|word| word.strip_prefix('!') == Some(this));
    let named = words().any(|word| word == this || word == "any");
    !forbidden && (named || words().all(|word| word.starts_with('!')))
}

impl<'a> Lockfile<'a> {
    /// The traits of a node; the default if there is no such node.
    pub fn traits(&self, key: &str) -> Traits<'a> {
        let (entries, key) = match self.format() {
            Format::V9 => (self.packages(), package_key(key)),
            Format::V5 | Format::V6 => (self.nodes(), key),
        };
        let mut traits = Traits::default();
        let Some(at) = entries.find(key) else {
            return traits;
        };
        // The list whose `- linux` lines follow.
        let mut open = None;
        for line in lines(self.text(), entries[at].body..entries[at].range.end) {
            if let Some(word) = line.text.strip_prefix("- ").filter(|_| line.indent >= 4) {
                if let (Some(key), Ok(word)) = (open, value(word)) {
                    traits.list(key).push(word);
                }
                continue;
            }
            if line.indent != 4 {
                continue;
            }
            open = None;
            let Ok((key, text)) = split_entry(line.text) else {
                continue;
            };
            let key = match &*key {
                "os" => Key::Os,
                "cpu" => Key::Cpu,
                "libc" => Key::Libc,
                "requiresBuild" => {
                    traits.requires_build = text.map(str::trim_end) == Some("true");
                    continue;
                }
                _ => continue,
            };
            match text {
                None => open = Some(key),
                Some(text) => {
                    let words = text.trim_end().trim_matches(['[', ']']).split(',');
                    let words = words.filter_map(|word| value(word.trim()).ok());
                    traits
                        .list(key)
                        .extend(words.filter(|word| !word.is_empty()));
                }
            }
        }
        traits
    }

    /// The optional dependencies of a node, as keys.
    pub fn optional_entries(&self, key: &str) -> Result<Vec<Cow<'a, str>>, LockfileError> {
        let Some(at) = self.nodes().find(key) else {
            return Ok(Vec::new());
        };
        let edges = self.node(at)?.edges.into_iter();
        let optional = edges.filter(|(.., optional)| *optional);
        let entry = |(alias, version, _): (Cow<'a, str>, Cow<'a, str>, bool)| match resolve(
            self.format(),
            &alias,
            &version,
        ) {
            Reference::Entry(key) => Some(Cow::Owned(key.into_owned())),
            Reference::Link(_) => None,
        };
        Ok(optional.filter_map(entry).collect())
    }
}

#[derive(Debug, Clone, Copy)]
enum Key {
    Os,
    Cpu,
    Libc,
}

impl<'a> Traits<'a> {
    fn list(&mut self, key: Key) -> &mut Vec<Cow<'a, str>> {
        match key {
            Key::Os => &mut self.os,
            Key::Cpu => &mut self.cpu,
            Key::Libc => &mut self.libc,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V9: &str = "\
lockfileVersion: '9.0'

importers:

  .: {}

packages:

  '@img/sharp-linux-x64@0.34.5':
    resolution: {integrity: sha512-x}
    engines: {node: '>=20'}
    cpu: [x64]
    os: [linux]
    libc: [glibc]

  sharp@0.34.5:
    resolution: {integrity: sha512-x}
    os:
      - '!win32'
      - '!aix'
    deprecated: |-
      - none

snapshots:

  '@img/sharp-linux-x64@0.34.5':
    optional: true

  sharp@0.34.5(patch_hash=1):
    dependencies:
      detect-libc: 2.1.2
    optionalDependencies:
      '@img/sharp-linux-x64': 0.34.5
";

    #[test]
    fn traits_of_format_9() {
        let lockfile = Lockfile::parse(V9).unwrap();
        let traits = lockfile.traits("@img/sharp-linux-x64@0.34.5");
        assert!(traits.is_bound() && !traits.requires_build);
        assert!(traits.fits("linux", "x64", Some("glibc")) && traits.fits("linux", "x64", None));
        assert!(!traits.fits("linux", "x64", Some("musl")));
        assert!(!traits.fits("linux", "arm64", None) && !traits.fits("darwin", "x64", None));
        let key = "sharp@0.34.5(patch_hash=1)";
        let traits = lockfile.traits(key);
        assert_eq!(traits.os, ["!win32", "!aix"]);
        assert!(traits.fits("linux", "x64", Some("musl")) && !traits.fits("win32", "x64", None));
        let optional = lockfile.optional_entries(key).unwrap();
        assert_eq!(optional, ["@img/sharp-linux-x64@0.34.5"]);
        assert_eq!(lockfile.traits("gone@1.0.0"), Traits::default());
    }

    #[test]
    fn traits_of_older_formats() {
        let text = "\
lockfileVersion: '6.0'

packages:

  /bcrypt@5.1.1:
    resolution: {integrity: sha512-x}
    engines: {node: '>= 10.0.0'}
    requiresBuild: true
    dev: false

  /turbo-linux-64@1.0.0:
    cpu: [x64, \"arm64\"]
    requiresBuild: false
";
        let lockfile = Lockfile::parse(text).unwrap();
        assert!(lockfile.traits("/bcrypt@5.1.1").requires_build);
        let traits = lockfile.traits("/turbo-linux-64@1.0.0");
        assert_eq!(traits.cpu, ["x64", "arm64"]);
        assert!(!traits.requires_build);
    }
}
