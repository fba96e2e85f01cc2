//! Programs in an image's own file system without a container engine: in a user namespace, which most systems allow everybody.
//!
//! util-linux makes the namespaces and enters them, as our own process would need unsafe code for it. The layers are mounted on top of each other for
//! reading alone, so that what lies in the cache stays as it is. Of a user's numbers a namespace like this has one: all files seem to be the program's
//! own, and what keeps it from writing is the mount.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::NativeError;
use crate::layer::{Layer, Node, Owner};
use crate::oci::Config;

const SCRIPT: &str = include_str!("../../../templates/namespace.sh");
/// What the script says when all is mounted.
pub(super) const READY: &str = "ready";
/// What a program of an image finds its programs in where the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where programs of the outside see the one inside, who is alone in its network.
pub(super) const ADDRESS: &str = "192.0.2.2";

/// An image, and a place for what the namespace needs besides.
pub(super) struct Namespace<'n> {
    /// Its layers as directories, the highest first.
    pub(super) layers: &'n [PathBuf],
    /// How it is run.
    pub(super) config: &'n Config,
    /// What it may write to, from its root.
    pub(super) writable: &'n [String],
    /// An empty directory.
    pub(super) scratch: &'n Path,
    /// This machine's `PATH`.
    pub(super) path: &'n str,
}

/// A program to start, as [`std::process::Command`] has it.
pub(super) struct Words {
    pub(super) words: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
}

impl Namespace<'_> {
    /// The words that start a program of the image, and the variables that it gets. With a probe, both run in a network of their own.
    pub(super) fn words(
        &self,
        program: &[String],
        probe: Option<&[String]>,
        more: &BTreeMap<String, String>,
    ) -> Result<Words, NativeError> {
        let (user, group, home) = self.user();
        let (root, top) = (self.scratch.join("root"), self.scratch.join("top"));
        lay(&root, &top).map_err(NativeError::Workshop)?;
        let lower: Vec<String> = std::iter::once(top.as_path())
            .chain(self.layers.iter().map(PathBuf::as_path))
            .map(escaped)
            .collect();
        let mut words = vec![unshare(self.path).unwrap_or_default()];
        words.extend(
            [
                "--user",
                "--map-root-user",
                "--mount",
                "--pid",
                "--kill-child",
            ]
            .map(str::to_owned),
        );
        if probe.is_some() {
            words.push("--net".to_owned());
        }
        let text = |path: &Path| path.display().to_string();
        let directory = match &*self.config.working_dir {
            "" => "/",
            directory => directory,
        };
        words.extend(["--", "/bin/sh", "-c", SCRIPT, "sh", self.path].map(str::to_owned));
        words.extend([
            text(&root),
            lower.join(":"),
            text(self.scratch),
            user,
            group,
        ]);
        words.push(directory.to_owned());
        words.extend(self.writable.iter().cloned());
        words.extend(
            home.clone()
                .map(|home| home.trim_start_matches('/').to_owned()),
        );
        words.push("--".to_owned());
        match probe {
            None => words.push("only".to_owned()),
            Some(probe) => {
                words.push(probe.len().to_string());
                words.extend(probe.iter().cloned());
            }
        }
        words.extend(program.iter().cloned());

        let mut env = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        env.extend(home.map(|home| ("HOME".to_owned(), home)));
        let own = self.config.env.iter().filter_map(|set| set.split_once('='));
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.extend(more.clone());
        Ok(Words { words, env })
    }

    /// The numbers of who runs it, and where its home is.
    fn user(&self) -> (String, String, Option<String>) {
        super::user::user(self.config, self.layers)
    }
}

/// What a container engine puts into an image before it starts it.
fn lay(root: &Path, top: &Path) -> std::io::Result<()> {
    fs_err::create_dir_all(root)?;
    for mounted in ["proc", "sys", "dev", "tmp", "etc"] {
        fs_err::create_dir_all(top.join(mounted))?;
    }
    fs_err::write(
        top.join("etc/hosts"),
        "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
    )
}

/// The directories that who runs an image owns, but for those in others of them.
pub(super) fn writable(layers: &[Layer]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for layer in layers {
        for (path, entry) in &layer.entries {
            let inside = found.iter().any(|dir| path.starts_with(&format!("{dir}/")));
            if entry.owner != Owner::ROOT && matches!(entry.node, Node::Directory(_)) && !inside {
                found.push(path.clone());
            }
        }
    }
    found
}

/// The program that makes namespaces.
pub(super) fn unshare(path: &str) -> Option<String> {
    let places = path.split(':').map(|dir| Path::new(dir).join("unshare"));
    let found = places.into_iter().find(|place| place.is_file());
    found.map(|place| place.display().to_string())
}

/// Whether a program can be started in namespaces of its own, network included; if not, why.
pub fn available(path: &str) -> Result<(), String> {
    let unshare = unshare(path).ok_or("there is no `unshare` (util-linux) on the path")?;
    let script = "mount -t tmpfs t /tmp && mkdir /tmp/a /tmp/b && mount -t overlay -o ro,lowerdir=/tmp/a:/tmp/b o /tmp/a && \
                  ip link set lo up && ip address add 192.0.2.2/32 dev lo";
    let output = Command::new(unshare)
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--kill-child",
            "--net",
        ])
        .args(["--", "/bin/sh", "-c", script])
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty());
    Err(line
        .unwrap_or("namespaces are not allowed")
        .trim()
        .to_owned())
}

/// As overlayfs reads a list of directories.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for letter in path.display().to_string().chars() {
        if matches!(letter, ':' | ',' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}
