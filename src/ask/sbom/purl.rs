//! Package URLs (<https://github.com/package-url/purl-spec>): `pkg:npm/%40scope/name@1.0.0`.
//!
//! Input: a package's name and version in a lockfile. Output: its address, without credentials.

use nodejs_semver::Version;

use crate::image::contents::{Manager, SystemList, SystemPackage};
use crate::system::credential::redacted;

/// The package URL; `None` for what only this workspace has.
pub(super) fn of(name: &str, version: &str) -> Option<String> {
    let (kind, version) = match version.split_once(':') {
        None => ("npm", version),
        Some(("runtime", version)) => ("generic", version),
        Some(("file" | "link", _)) => return None,
        Some(("https" | "http", _)) => {
            let address = encoded(&redacted(version), "/:");
            return Some(format!("pkg:npm/{}?download_url={address}", path(name)));
        }
        Some((scheme, _)) if scheme == "git" || scheme.starts_with("git+") || scheme == "ssh" => {
            let address = encoded(&redacted(version), "/:");
            return Some(format!("pkg:npm/{}?vcs_url={address}", path(name)));
        }
        // A registry with a name of its own.
        Some((_, version)) => ("npm", version),
    };
    Version::parse(version).ok()?;
    Some(format!(
        "pkg:{kind}/{}@{}",
        path(name),
        encoded(version, "")
    ))
}

/// The package URL of a package of the system: `pkg:deb/debian/libc6@2.36-9?distro=debian-12`.
pub(super) fn of_system(package: &SystemPackage, list: &SystemList) -> String {
    let (kind, usual) = match package.manager {
        Manager::Dpkg => ("deb", "debian"),
        Manager::Apk => ("apk", "alpine"),
    };
    let distribution = list.distribution.as_deref().unwrap_or(usual).to_lowercase();
    let release = list.release.as_ref();
    let release = release.map(|release| {
        let name = format!("{distribution}-{release}");
        format!("?distro={}", encoded(&name, ""))
    });
    format!(
        "pkg:{kind}/{}/{}@{}{}",
        encoded(&distribution, ""),
        encoded(&package.name, ""),
        encoded(&package.version, ""),
        release.unwrap_or_default()
    )
}

/// The scope and the name.
fn path(name: &str) -> String {
    encoded(name, "/")
}

/// All bytes but these and those that never need it, as `%40`.
fn encoded(text: &str, plain: &str) -> String {
    let byte = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_system_have_addresses() {
        let package = |manager, name: &str, version: &str| SystemPackage {
            manager,
            name: name.to_owned(),
            version: version.to_owned(),
        };
        let debian = SystemList {
            distribution: Some("debian".to_owned()),
            release: Some("12".to_owned()),
            packages: Vec::new(),
        };
        let libc = package(Manager::Dpkg, "libstdc++6", "12.2.0-14+deb12u1");
        assert_eq!(
            of_system(&libc, &debian),
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?distro=debian-12"
        );
        let musl = package(Manager::Apk, "musl", "1.2.5-r0");
        let unknown = SystemList::default();
        assert_eq!(of_system(&musl, &unknown), "pkg:apk/alpine/musl@1.2.5-r0");
    }

    #[test]
    fn packages_have_addresses() {
        for (name, version, expected) in [
            ("a", "1.0.0", Some("pkg:npm/a@1.0.0")),
            (
                "@s/a",
                "1.0.0-rc.1+b",
                Some("pkg:npm/%40s/a@1.0.0-rc.1%2Bb"),
            ),
            ("node", "runtime:22.1.0", Some("pkg:generic/node@22.1.0")),
            ("p", "work:1.0.0", Some("pkg:npm/p@1.0.0")),
            ("a", "file:vendor/a.tgz", None),
            (
                "a",
                "https://codeload.github.com/o/a/tar.gz/abc",
                Some("pkg:npm/a?download_url=https://codeload.github.com/o/a/tar.gz/abc"),
            ),
            (
                "a",
                "git+https://user:pa55@host/a.git#abc",
                Some("pkg:npm/a?vcs_url=git%2Bhttps://user:%2A%2A%2A%40host/a.git%23abc"),
            ),
            ("a", "", None),
        ] {
            assert_eq!(of(name, version).as_deref(), expected, "{name} {version}");
        }
    }
}
