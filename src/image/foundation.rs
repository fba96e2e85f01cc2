//! What a base gives to an app, and whether another base gives the same.
//!
//! Input: the unpacked files of a base. Output: a [`Foundation`]; of two, what changed, and what the
//! second one lacks. An app that runs on the first also runs on the second if nothing is lacking, so
//! nothing of the app has to be known.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use memchr::memmem::Finder;

use crate::files::rooted::ImageTree;
use crate::image::contents::{Libc, libc_of, packages};
use crate::image::machine::{Libraries, Lost, NODES, Shared};

/// Bytes of a list of the system's packages.
const LIST: u64 = 16 << 20;
/// Bytes of a list of users.
const USERS: u64 = 1 << 20;
/// Lists of packages, and directories of lists.
const LISTS: [&str; 3] = [
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
];
const LIST_DIRECTORY: &str = "var/lib/dpkg/status.d";
/// Where programs are looked for.
const PROGRAMS: [&str; 6] = [
    "bin",
    "sbin",
    "usr/bin",
    "usr/sbin",
    "usr/local/bin",
    "usr/local/sbin",
];
/// The authorities that TLS trusts, on Debian and on Alpine.
const AUTHORITIES: [&str; 2] = ["etc/ssl/certs/ca-certificates.crt", "etc/ssl/cert.pem"];
/// Where the loader of the C library is.
const LOADERS: [&str; 4] = ["lib", "lib64", "usr/lib", "usr/lib64"];

/// What a base gives.
#[derive(Debug, Clone)]
pub struct Foundation {
    libc: Option<Libc>,
    node: Option<Node>,
    packages: BTreeMap<String, Option<String>>,
    /// By their names.
    programs: BTreeSet<String>,
    /// Which of the lists of authorities are there.
    authorities: [bool; 2],
    shared: Shared,
    /// The libraries whose symbol versions tell how old a system is.
    pub libraries: Libraries,
    /// The files with users and groups.
    accounts: Vec<Option<Vec<u8>>>,
}

/// Node in a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// From the root: `usr/local/bin/node`
    pub path: String,
    /// `22.12.0`, if its program tells.
    pub version: Option<String>,
}

/// A difference that keeps any app from running.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Gap {
    #[error("the new base has {}, and the old one {}", libc(*.new), libc(*.old))]
    Libc {
        old: Option<Libc>,
        new: Option<Libc>,
    },
    #[error("the old base has node at `/{0}`, and the new one has none there")]
    NoNode(String),
    #[error(
        "the new base has node {new}, and the old one {old}: another major version has another interface for compiled modules"
    )]
    NodeMajor { old: String, new: String },
    #[error("which version `/{0}` of a base is cannot be told from the program")]
    NodeUnknown(String),
    #[error("the image starts `{0}`, which the new base has not")]
    Program(String),
    #[error(
        "the new base has no list of certificate authorities (`/{0}`), without which TLS fails"
    )]
    Authorities(&'static str),
    #[error("the user `{0}` of the image is not in the new base")]
    User(String),
    #[error("users or groups of the bases differ, and the image has a list of its own over them")]
    Accounts,
}

/// What is different, and does not keep an app from running.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub packages: Vec<Change>,
    /// Programs that are gone.
    pub programs: Vec<String>,
    pub node: Option<(String, String)>,
}

/// What an image needs of its base, as far as its configuration tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct App<'a> {
    /// Its user.
    pub user: &'a str,
    /// Whether it has its own list of users over the base's.
    pub has_accounts: bool,
    /// Words of what it starts: programs may be among them.
    pub words: &'a [&'a str],
}

/// A package of the system that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    /// `None` if it is new.
    pub old: Option<String>,
    /// `None` if it is gone.
    pub new: Option<String>,
}

fn libc(libc: Option<Libc>) -> &'static str {
    match libc {
        Some(Libc::Glibc) => "glibc",
        Some(Libc::Musl) => "musl",
        None => "no C library",
    }
}

impl Foundation {
    /// Reads a base.
    pub fn of(image: &ImageTree) -> io::Result<Self> {
        let mut lists: Vec<(String, String)> = Vec::new();
        let mut paths: Vec<String> = LISTS.map(str::to_owned).into();
        if image.is_dir(LIST_DIRECTORY) {
            for name in image.read_dir(LIST_DIRECTORY)?.into_keys() {
                let name = name.to_string_lossy().into_owned();
                if !name.ends_with(".md5sums") {
                    paths.push(format!("{LIST_DIRECTORY}/{name}"));
                }
            }
        }
        for path in paths {
            // `usr/lib` may be where `lib` leads to.
            if let Some(bytes) = read(image, &path, LIST)? {
                lists.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        let lists = lists
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        let accounts = ["etc/passwd", "etc/group"].map(|path| read(image, path, USERS));
        Ok(Self {
            libc: loader(image)?,
            node: node(image)?,
            packages: packages(lists),
            programs: programs(image)?,
            authorities: AUTHORITIES.map(|path| image.file(path).is_ok()),
            shared: Shared::of(image)?,
            libraries: Libraries::of(image)?,
            accounts: accounts.into_iter().collect::<io::Result<_>>()?,
        })
    }

    /// What keeps an app of this base from running on another.
    pub fn gap(&self, other: &Self, app: &App<'_>) -> Option<Gap> {
        if self.libc != other.libc {
            return Some(Gap::Libc {
                old: self.libc,
                new: other.libc,
            });
        }
        if let Some(node) = &self.node {
            let Some(now) = other.node.as_ref().filter(|now| now.path == node.path) else {
                return Some(Gap::NoNode(node.path.clone()));
            };
            let (Some(old), Some(new)) = (&node.version, &now.version) else {
                return Some(Gap::NodeUnknown(node.path.clone()));
            };
            if major(old) != major(new) {
                let (old, new) = (old.clone(), new.clone());
                return Some(Gap::NodeMajor { old, new });
            }
        }
        let lost = |word: &&str| self.programs.contains(*word) && !other.programs.contains(*word);
        if let Some(program) = app.words.iter().copied().find(lost) {
            return Some(Gap::Program(program.to_owned()));
        }
        for (at, path) in AUTHORITIES.into_iter().enumerate() {
            // The other list may be the one that is read.
            if self.authorities[at] && !other.authorities[at] {
                return Some(Gap::Authorities(path));
            }
        }
        if app.has_accounts {
            return (self.accounts != other.accounts).then_some(Gap::Accounts);
        }
        let name = app.user.split(':').next().unwrap_or_default();
        let is_name = !name.is_empty() && name.parse::<u32>().is_err();
        let users = [self, other].map(Self::users);
        let is_lost = is_name && users[0].contains(name) && !users[1].contains(name);
        is_lost.then(|| Gap::User(name.to_owned()))
    }

    fn users(&self) -> BTreeSet<String> {
        let passwd = self.accounts.first().cloned().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&passwd).into_owned();
        let names = text.lines().filter_map(|line| line.split(':').next());
        names.map(str::to_owned).collect()
    }

    /// What libraries give here, and do not give on another base.
    pub fn lost_on(&self, other: &Self) -> Vec<Lost> {
        self.shared.lost_on(&other.shared)
    }

    /// What changes from this base to another.
    pub fn changes(&self, other: &Self) -> Changes {
        let names: BTreeSet<&String> = self.packages.keys().chain(other.packages.keys()).collect();
        let version = |of: &Self, name: &String| {
            let found = of.packages.get(name)?;
            Some(found.clone().unwrap_or_default())
        };
        let packages = names.into_iter().filter_map(|name| {
            let (old, new) = (version(self, name), version(other, name));
            let name = name.clone();
            (old != new).then_some(Change { name, old, new })
        });
        let programs = self.programs.difference(&other.programs);
        let node = |of: &Self| of.node.as_ref().and_then(|node| node.version.clone());
        Changes {
            packages: packages.collect(),
            programs: programs.cloned().collect(),
            node: node(self).zip(node(other)).filter(|(old, new)| old != new),
        }
    }
}

/// Whether a version is lower than another: `22.9.0` than `22.12.0`.
pub fn is_older(version: &str, than: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let parts = text.split('.').map(|part| part.parse().unwrap_or_default());
        parts.collect()
    };
    numbers(version) < numbers(than)
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// A file, if it is there.
fn read(image: &ImageTree, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    match image.read(path, most) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput
    )
}

fn programs(image: &ImageTree) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for place in PROGRAMS {
        if image.is_dir(place) {
            let names = image.read_dir(place)?.into_iter();
            let names = names.filter(|(_, is_dir)| !is_dir);
            found.extend(names.map(|(name, _)| name.to_string_lossy().into_owned()));
        }
    }
    Ok(found)
}

fn loader(image: &ImageTree) -> io::Result<Option<Libc>> {
    let mut found = None;
    for place in LOADERS {
        if !image.is_dir(place) {
            continue;
        }
        for (name, is_dir) in image.read_dir(place)? {
            let name = name.to_string_lossy().into_owned();
            let below = Path::new(place).join(&name);
            let mut names = vec![name];
            if is_dir && names[0].contains("-linux-") {
                let inside = image.read_dir(below)?.into_keys();
                names = inside
                    .map(|name| name.to_string_lossy().into_owned())
                    .collect();
            }
            match names.iter().find_map(|name| libc_of(name)) {
                Some(Libc::Glibc) => return Ok(Some(Libc::Glibc)),
                Some(Libc::Musl) => found = Some(Libc::Musl),
                None => {}
            }
        }
    }
    Ok(found)
}

fn node(image: &ImageTree) -> io::Result<Option<Node>> {
    for path in NODES {
        let file = match image.file(path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => continue,
            Err(error) => return Err(error),
        };
        return Ok(Some(Node {
            path: path.to_owned(),
            version: version(file)?,
        }));
    }
    Ok(None)
}

/// The version of a node program, from the address of its release that is in it:
/// `…/release/v22.12.0/node-v22.12.0`.
fn version(mut program: impl Read) -> io::Result<Option<String>> {
    const PIECE: usize = 1 << 20;
    const WORD: &[u8] = b"/node-v";
    /// More bytes than an address has around the word.
    const AROUND: usize = 64;
    let finder = Finder::new(WORD);
    let mut piece = Vec::new();
    loop {
        let count = (&mut program).take(PIECE as u64).read_to_end(&mut piece)?;
        for at in finder.find_iter(&piece) {
            let rest = &piece[at + WORD.len()..];
            let end = rest
                .iter()
                .position(|byte| !byte.is_ascii_digit() && *byte != b'.');
            // At the end of the piece, the rest is not known yet.
            let Some(end) = end else { continue };
            let version = String::from_utf8_lossy(&rest[..end]).into_owned();
            let version = version.trim_end_matches('.');
            let before = format!("/v{version}");
            if version.split('.').count() == 3 && piece[..at].ends_with(before.as_bytes()) {
                return Ok(Some(version.to_owned()));
            }
        }
        if count == 0 {
            return Ok(None);
        }
        piece.drain(..piece.len().saturating_sub(AROUND));
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_node_program_tells_its_version() {
        let mut program = vec![0_u8; (1 << 20) - 30];
        let address = b"\0https://nodejs.org/download/release/v22.12.0/node-v22.12.0\0";
        program.extend(address);
        program.extend([7; 500]);
        let found = version(&program[..]).unwrap();
        assert_eq!(found.as_deref(), Some("22.12.0"));
        let other = b"/docs/node-v1 and /v1.2.3/node-v1.2.4\0";
        assert_eq!(version(&other[..]).unwrap(), None);
    }

    /// A base with these files.
    fn base(files: &[(&str, &str)]) -> Foundation {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        Foundation::of(&ImageTree::open([directory.path()]).unwrap()).unwrap()
    }

    const NODE_22: (&str, &str) = ("nodejs/bin/node", "/v22.12.0/node-v22.12.0\0");
    const GLIBC: (&str, &str) = ("lib64/ld-linux-x86-64.so.2", "");
    const USERS: (&str, &str) = ("etc/passwd", "root:x:0:0::/:\nweb:x:101:101::/:\n");

    #[test]
    fn what_changes() {
        let old = base(&[
            NODE_22,
            (
                "var/lib/dpkg/status.d/tzdata",
                "Package: tzdata\nVersion: 2024a\n",
            ),
            ("var/lib/dpkg/status.d/tzdata.md5sums", "0  usr/x\n"),
            ("var/lib/dpkg/status", "Package: zlib\nVersion: 1\n"),
        ]);
        let new = base(&[
            ("nodejs/bin/node", "/v22.13.1/node-v22.13.1\0"),
            (
                "var/lib/dpkg/status.d/tzdata",
                "Package: tzdata\nVersion: 2025b\n",
            ),
            ("lib/apk/db/installed", "P:musl\nV:1.2.5-r0\n"),
        ]);
        let changes = old.changes(&new);
        let texts: Vec<String> = (changes.packages.iter())
            .map(|it| format!("{} {:?} {:?}", it.name, it.old, it.new))
            .collect();
        assert_eq!(
            texts,
            [
                r#"musl None Some("1.2.5-r0")"#,
                r#"tzdata Some("2024a") Some("2025b")"#,
                r#"zlib Some("1") None"#,
            ]
        );
        let node = ("22.12.0".to_owned(), "22.13.1".to_owned());
        assert_eq!(changes.node, Some(node));
        assert_eq!(old.changes(&old), Changes::default());
    }

    #[test]
    fn what_keeps_apps_from_running() {
        let (shell, authorities) = (("bin/sh", ""), ("etc/ssl/certs/ca-certificates.crt", "x"));
        let old = base(&[NODE_22, GLIBC, USERS, shell, authorities]);
        let gap = |files: &[(&str, &str)], user: &str, own: bool| {
            let app = App {
                user,
                has_accounts: own,
                words: &["sh", "-c", "node main.js"],
            };
            let gap = old.gap(&base(files), &app);
            gap.map_or_else(String::new, |gap| gap.to_string())
        };
        assert_eq!(
            gap(&[NODE_22, GLIBC, USERS, shell, authorities], "web", true),
            ""
        );
        insta::assert_snapshot!(
            gap(&[NODE_22, ("lib/ld-musl-x86_64.so.1", "")], "web", false),
            @"the new base has musl, and the old one glibc"
        );
        insta::assert_snapshot!(
            gap(&[("usr/local/bin/node", NODE_22.1), GLIBC], "web", false),
            @"the old base has node at `/nodejs/bin/node`, and the new one has none there"
        );
        insta::assert_snapshot!(
            gap(&[("nodejs/bin/node", "/v24.1.0/node-v24.1.0\0"), GLIBC], "0", false),
            @"the new base has node 24.1.0, and the old one 22.12.0: another major version has another interface for compiled modules"
        );
        insta::assert_snapshot!(
            gap(&[("nodejs/bin/node", "no node"), GLIBC], "0", false),
            @"which version `/nodejs/bin/node` of a base is cannot be told from the program"
        );
        insta::assert_snapshot!(
            gap(&[NODE_22, GLIBC, USERS, authorities], "web", false),
            @"the image starts `sh`, which the new base has not"
        );
        insta::assert_snapshot!(
            gap(&[NODE_22, GLIBC, USERS, shell], "web", false),
            @"the new base has no list of certificate authorities (`/etc/ssl/certs/ca-certificates.crt`), without which TLS fails"
        );
        insta::assert_snapshot!(
            gap(&[NODE_22, GLIBC, shell, authorities], "web:web", false),
            @"the user `web` of the image is not in the new base"
        );
        assert_eq!(
            gap(&[NODE_22, GLIBC, shell, authorities], "101:101", false),
            ""
        );
        insta::assert_snapshot!(
            gap(&[NODE_22, GLIBC, shell, authorities, ("etc/passwd", "root:x:0:0::/:\n")], "0", true),
            @"users or groups of the bases differ, and the image has a list of its own over them"
        );
    }

    #[test]
    fn versions_are_numbers() {
        assert!(is_older("22.9.0", "22.12.0") && !is_older("22.12.0", "22.12.0"));
    }
}
