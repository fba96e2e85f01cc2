//! Files of the system's packages: what dpkg and apk have noted in an image.
//!
//! ```text
//! var/lib/dpkg/status, var/lib/dpkg/status.d/NAME            names and versions
//! var/lib/dpkg/info/NAME.list, …/status.d/NAME.md5sums       paths
//! lib/apk/db/installed                                       both
//! ```

use std::collections::BTreeMap;

/// Whether a file tells of the system's packages.
pub(in crate::image) fn is_list(path: &str) -> bool {
    let in_info = |name: &str| name.ends_with(".list") && !name.contains('/');
    path == "var/lib/dpkg/status"
        || path.starts_with("var/lib/dpkg/status.d/")
        || path.strip_prefix("var/lib/dpkg/info/").is_some_and(in_info)
        || is_of_apk(path)
}

pub(super) fn is_of_apk(path: &str) -> bool {
    matches!(path, "lib/apk/db/installed" | "usr/lib/apk/db/installed")
}

/// The system's packages.
#[derive(Debug, Default)]
pub(super) struct System {
    /// Names and versions.
    packages: Vec<(String, Option<String>)>,
    by_name: BTreeMap<String, usize>,
    /// The position of the package that a path belongs to.
    paths: BTreeMap<String, usize>,
}

impl System {
    /// Takes in a list.
    pub(super) fn read(&mut self, path: &str, text: &str) {
        if is_of_apk(path) {
            self.of_apk(text);
        } else if let Some(name) = path.strip_prefix("var/lib/dpkg/info/") {
            // Of several architectures: `libc6:amd64`.
            let name = name.trim_end_matches(".list");
            let at = self.package(name.split(':').next().unwrap_or(name), None);
            self.lines(at, text.lines());
        } else if let Some(name) = path.strip_suffix(".md5sums") {
            let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
            let at = self.package(name, None);
            let paths = text.lines().filter_map(|line| line.split_once("  "));
            self.lines(at, paths.map(|(_, path)| path));
        } else {
            self.status(text);
        }
    }

    /// The package that a path belongs to, with its version.
    pub(super) fn of(&self, path: &str) -> Option<(&str, Option<&str>)> {
        // Since Debian 12, `lib` leads to `usr/lib`, and lists have either.
        let short = || path.strip_prefix("usr/").and_then(|it| self.paths.get(it));
        let at = self.paths.get(path).or_else(short)?;
        let (name, version) = self.packages.get(*at)?;
        Some((name, version.as_deref()))
    }

    /// The package that a list in `status.d` is about: these are in no list themselves.
    pub(super) fn of_own_list(&self, path: &str) -> Option<(&str, Option<&str>)> {
        let name = path.strip_prefix("var/lib/dpkg/status.d/");
        let info = || path.strip_prefix("var/lib/dpkg/info/");
        let name = name.or_else(info)?;
        let stem = name.strip_suffix(".md5sums").or_else(|| {
            let (stem, _) = name.rsplit_once('.')?;
            Some(stem)
        });
        let at = [Some(name), stem].into_iter().flatten().find_map(|name| {
            let name = name.split(':').next().unwrap_or(name);
            self.by_name.get(name)
        })?;
        let (name, version) = self.packages.get(*at)?;
        Some((name, version.as_deref()))
    }

    /// All packages that are named by a list, with their versions.
    pub(super) fn packages(self) -> impl Iterator<Item = (String, Option<String>)> {
        self.packages.into_iter()
    }

    fn lines<'t>(&mut self, at: usize, paths: impl Iterator<Item = &'t str>) {
        for path in paths {
            let path = path.trim_start_matches("./").trim_matches('/');
            if !path.is_empty() {
                // Packages share directories, which have no bytes.
                self.paths.entry(path.to_owned()).or_insert(at);
            }
        }
    }

    fn package(&mut self, name: &str, version: Option<&str>) -> usize {
        let next = self.packages.len();
        let at = *self.by_name.entry(name.to_owned()).or_insert(next);
        if at == next {
            self.packages.push((name.to_owned(), None));
        }
        if let Some(version) = version {
            self.packages[at].1 = Some(version.to_owned());
        }
        at
    }

    /// Paragraphs of `Package: …` and `Version: …`.
    fn status(&mut self, text: &str) {
        for paragraph in text.split("\n\n") {
            let field = |name: &str| {
                let mut lines = paragraph.lines();
                lines
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::trim)
            };
            // Of a package that was removed, the list keeps the name.
            let is_there = field("Status:").is_none_or(|status| status.ends_with(" installed"));
            if let Some(name) = field("Package:").filter(|_| is_there) {
                self.package(name, field("Version:"));
            }
        }
    }

    /// `P:name`, `V:version`, then `F:directory` and `R:file` for each file.
    fn of_apk(&mut self, text: &str) {
        let (mut at, mut directory) = (None, String::new());
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                at = None;
                continue;
            };
            match (key, at) {
                ("P", _) => {
                    at = Some(self.package(value, None));
                    directory.clear();
                }
                ("V", Some(at)) => self.packages[at].1 = Some(value.to_owned()),
                ("F", Some(_)) => value.clone_into(&mut directory),
                ("R", Some(at)) => {
                    let path = format!("{directory}/{value}");
                    self.lines(at, std::iter::once(path.as_str()));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_debian_with_and_without_a_package_manager() {
        let mut system = System::default();
        system.read(
            "var/lib/dpkg/status",
            "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\nPackage: dash\nVersion: 0.5\n",
        );
        system.read(
            "var/lib/dpkg/info/libc6:amd64.list",
            "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n",
        );
        system.read(
            "var/lib/dpkg/status.d/tzdata",
            "Package: tzdata\nVersion: 2024a\n",
        );
        system.read(
            "var/lib/dpkg/status.d/tzdata.md5sums",
            "0123  usr/share/zoneinfo/UTC\n",
        );
        let libc = Some(("libc6", Some("2.36-9")));
        assert_eq!(system.of("lib/x86_64-linux-gnu/libc.so.6"), libc);
        assert_eq!(system.of("usr/lib/x86_64-linux-gnu/libc.so.6"), libc);
        assert_eq!(
            system.of("usr/share/zoneinfo/UTC"),
            Some(("tzdata", Some("2024a")))
        );
        assert_eq!(system.of("bin/dash"), None);
        let removed = "Package: perl\nStatus: deinstall ok config-files\nVersion: 5.36\n";
        system.read("var/lib/dpkg/status", removed);
        for own in [
            "status.d/tzdata",
            "status.d/tzdata.md5sums",
            "info/tzdata.postinst",
        ] {
            let path = format!("var/lib/dpkg/{own}");
            assert_eq!(system.of_own_list(&path), Some(("tzdata", Some("2024a"))));
        }
        let names: Vec<String> = system.packages().map(|(name, _)| name).collect();
        assert_eq!(names, ["libc6", "dash", "tzdata"]);
    }

    #[test]
    fn the_database_of_alpine() {
        let mut system = System::default();
        system.read(
            "lib/apk/db/installed",
            "C:Q1\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\nP:busybox\nV:1.36\nF:bin\nR:busybox\n",
        );
        assert_eq!(
            system.of("lib/ld-musl-x86_64.so.1"),
            Some(("musl", Some("1.2.5-r0")))
        );
        assert_eq!(system.of("bin/busybox"), Some(("busybox", Some("1.36"))));
        assert_eq!(system.of("bin/node"), None);
    }
}
