//! The user of an image: ids and home directory from the image's own files, which are not trusted.

use std::path::{Component, Path, PathBuf};

use crate::files::rooted::ImageTree;
use crate::image::oci::Config;

/// The size limit in bytes for the files of users and groups.
const LISTS: u64 = 1 << 20;
/// Directories that are mounted in an image before it starts. None can hold a home directory.
const MOUNTED: [&str; 4] = ["proc", "sys", "dev", "tmp"];

/// The ids of user and group, and the home directory if it may be copied.
pub(super) fn user(config: &Config, layers: &[PathBuf]) -> (String, String, Option<String>) {
    let tree = ImageTree::open(layers).ok();
    let of = |file: &str, name: &str, which: usize| {
        let bytes = tree.as_ref().and_then(|tree| tree.read(file, LISTS).ok());
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        let mut lines = text
            .lines()
            .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
        lines.find(|line| line.get(which).is_some_and(|field| field == name))
    };
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let given = if config.user.is_empty() {
        "0"
    } else {
        &config.user
    };
    let (user, group) = match given.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (given, None),
    };
    let entry = of("etc/passwd", user, if numeric(user) { 2 } else { 0 });
    let field = |at: usize| entry.as_ref().and_then(|entry| entry.get(at).cloned());
    let number = field(2).unwrap_or_else(|| user.to_owned());
    let group = match group {
        Some(group) if numeric(group) => group.to_owned(),
        Some(name) => of("etc/group", name, 0)
            .and_then(|entry| entry.get(2).cloned())
            .unwrap_or_default(),
        None => field(3).unwrap_or_else(|| "0".to_owned()),
    };
    let home = field(5).and_then(|home| home_in(tree.as_ref()?, &home, &config.working_dir));
    (number, group, home)
}

/// A home directory without links and `..`, which means the same here and in the image. `None` if
/// it contains the app.
fn home_in(tree: &ImageTree, home: &str, app: &str) -> Option<String> {
    let home = match tree.real(home) {
        Ok(real) if tree.is_dir(&real) => real,
        Ok(_) => return None,
        // A missing directory is only a name.
        Err(_) => {
            Path::new(home)
                .components()
                .try_fold(PathBuf::new(), |path, part| match part {
                    Component::Normal(name) => Some(path.join(name)),
                    Component::ParentDir => None,
                    _ => Some(path),
                })?
        }
    };
    let first = home.components().next()?;
    let is_mounted = MOUNTED.iter().any(|name| first.as_os_str() == *name);
    let app = tree
        .real(app)
        .unwrap_or_else(|_| app.trim_start_matches('/').into());
    if is_mounted || app.starts_with(&home) {
        return None;
    }
    Some(format!("/{}", home.to_str()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn of(passwd: &str, name: &str, link: Option<&str>) -> (String, String, Option<String>) {
        let tree = crate::testing::tree(&[
            ("outside", "me:x:7:7::/root:\n"),
            ("low/home/node/.profile", ""),
            ("low/etc/group", "staff:x:50:\n"),
            ("low/etc/passwd", passwd),
            ("low/usr/bin/sh", ""),
            ("low/dev/fd", ""),
            ("high/app/main.js", ""),
        ]);
        let low = tree.path().join("low");
        symlink("/home", low.join("homes")).unwrap();
        symlink("/", low.join("all")).unwrap();
        if let Some(target) = link {
            fs_err::remove_file(low.join("etc/passwd")).unwrap();
            let target = target.replace('@', &tree.path().display().to_string());
            symlink(target, low.join("etc/passwd")).unwrap();
        }
        let config = Config {
            user: name.to_owned(),
            working_dir: "/app/server".to_owned(),
            ..Config::default()
        };
        user(&config, &[tree.path().join("high"), low])
    }

    #[test]
    fn a_home_lies_in_the_image() {
        for (home, expected) in [
            ("/home/node", Some("/home/node")),
            ("/homes/node", Some("/home/node")),
            ("/all/home/../home/node/", Some("/home/node")),
            ("/nonexistent", Some("/nonexistent")),
            ("/../../usr", Some("/usr")),
            ("/../../nonexistent", None),
            ("/dev", None),
            ("/all/dev", None),
            ("/proc/1/root", None),
            ("/", None),
            ("/all", None),
            ("/app", None),
            ("/etc/group", None),
            ("", None),
        ] {
            let (number, group, found) = of(&format!("node:x:1000:1000::{home}:\n"), "node", None);
            assert_eq!((&*number, &*group), ("1000", "1000"));
            assert_eq!(found.as_deref(), expected, "{home}");
        }
    }

    #[test]
    fn users_are_those_of_the_image() {
        let node = "node:x:1000:1000::/home/node:\n";
        assert_eq!(of(node, "1000:staff", None).1, "50");
        assert_eq!(of(node, "nobody", None).0, "nobody");
        for target in [
            "@/outside",
            "../../outside",
            "../../../../../../../..@/outside",
        ] {
            assert_eq!(of(node, "me", Some(target)).0, "me", "{target}");
        }
    }
}
