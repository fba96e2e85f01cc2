//! The real pnpm, which has the last word: versions 6 to 12 from npm, each on the node that slimbuild would choose for it.
//!
//! Input: versions of pnpm and node, a directory. Output: whether pnpm installs there frozen, and its words if not. The programs are
//! kept in the target directory, and so is a store for small installs: only the first run waits for the network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use slimbuild::internals::Scope;

use super::daemon::quick;
use super::tree::Tree;

/// What pnpm says where the network was at fault: asking again may help.
pub(crate) const NETWORK: [&str; 8] = [
    "ERR_PNPM_META_FETCH_FAIL",
    "ERR_PNPM_FETCH_5",
    "ERR_PNPM_TARBALL_",
    "ERR_SOCKET_TIMEOUT",
    "ECONNRESET",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "socket hang up",
];

/// How often.
pub(crate) const TRIES: usize = 3;

/// A checkout of the shop whose server is installed and built.
pub(crate) fn built_server() -> Tree {
    let tree = Tree::shop();
    let pnpm = Pnpm::new("22", "10.34.8").unwrap();
    let store = home().join("store");
    pnpm.install(tree.root(), Scope::Build, &store).unwrap();
    pnpm.run(tree.root(), &["--filter=@shop/server...", "run", "build"]);
    tree
}

/// A pnpm, on a node.
#[derive(Debug)]
pub(crate) struct Pnpm {
    /// The variable `PATH` with both in front.
    path: OsString,
}

impl Pnpm {
    /// Gets both from npm, if they are not there yet.
    pub(crate) fn new(node: &str, pnpm: &str) -> Result<Self, String> {
        let mut paths = vec![
            program("pnpm", pnpm)?.join("node_modules/.bin"),
            program("node", node)?.join("node_modules/node/bin"),
        ];
        if let Some(path) = std::env::var_os("PATH") {
            paths.extend(std::env::split_paths(&path));
        }
        let path = std::env::join_paths(paths).map_err(|error| error.to_string())?;
        Ok(Self { path })
    }

    /// The variable `PATH` with both in front.
    pub(crate) fn path(&self) -> &OsString {
        &self.path
    }

    /// Installs frozen and without scripts. What is there of an earlier install goes, since pnpm would spare itself the checks.
    pub(crate) fn install(&self, dir: &Path, scope: Scope, store: &Path) -> Result<(), String> {
        let lockfile = fs_err::read(dir.join("pnpm-lock.yaml")).unwrap();
        let mut problem = Ok(());
        for again in 0..TRIES {
            std::thread::sleep(Duration::from_secs(5) * u32::try_from(again).unwrap());
            remove_modules(dir);
            let output = self
                .command(dir, scope, store)
                .output()
                .map_err(|error| error.to_string())?;
            if output.status.success() {
                let after = fs_err::read(dir.join("pnpm-lock.yaml")).unwrap();
                return if after == lockfile {
                    Ok(())
                } else {
                    Err("pnpm wrote another lockfile".to_owned())
                };
            }
            let all = [output.stdout, output.stderr].concat();
            let words = String::from_utf8_lossy(&all);
            problem = Err(words.trim().to_owned());
            if !NETWORK.iter().any(|sign| words.contains(sign)) {
                break;
            }
        }
        problem
    }

    /// Runs pnpm with these arguments, which has to go well.
    pub(crate) fn run(&self, dir: &Path, arguments: &[&str]) {
        let output = self.pnpm(dir, arguments).output().unwrap();
        let words = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{words}");
    }

    /// Runs pnpm with these arguments and settings: its words if it fails.
    pub(crate) fn verdict(
        &self,
        dir: &Path,
        arguments: &[&str],
        settings: &[(&str, OsString)],
    ) -> Result<(), String> {
        let mut command = self.pnpm(dir, arguments);
        for (setting, value) in settings {
            command.env(format!("pnpm_config_{setting}"), value);
            command.env(format!("npm_config_{setting}"), value);
        }
        let output = command.output().map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let all = [output.stdout, output.stderr].concat();
        Err(String::from_utf8_lossy(&all).trim().to_owned())
    }

    /// This pnpm with these arguments.
    fn pnpm(&self, dir: &Path, arguments: &[&str]) -> Command {
        // `env` looks pnpm up in the new `PATH`; a `Command` would in the old one.
        let mut command = Command::new("env");
        command
            .arg("pnpm")
            .args(arguments)
            .current_dir(dir)
            .env("PATH", &self.path)
            .env("CI", "true")
            // The version is the right one already, or another on purpose.
            .env("npm_config_manage_package_manager_versions", "false")
            .env("pnpm_config_pm_on_fail", "ignore");
        command
    }

    fn command(&self, dir: &Path, scope: Scope, store: &Path) -> Command {
        let mut command = self.pnpm(dir, &["install", "--frozen-lockfile", "--ignore-scripts"]);
        if scope == Scope::Production {
            command.arg("--prod");
        }
        for (setting, value) in [
            ("store_dir", store.as_os_str()),
            // A download that stalls is given up soon and tried again, instead of after a minute.
            ("fetch_timeout", "20000".as_ref()),
            ("fetch_retries", "6".as_ref()),
            ("fetch_retry_mintimeout", "500".as_ref()),
            ("fetch_retry_maxtimeout", "3000".as_ref()),
        ] {
            // pnpm 11 and later read the one, those before the other.
            command.env(format!("pnpm_config_{setting}"), value);
            command.env(format!("npm_config_{setting}"), value);
        }
        command
    }
}

/// Where programs and the store are kept.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pnpm")
}

/// Whether npm and its registry are there. It is asked once, since each question takes seconds.
pub(crate) fn reachable() -> Result<(), String> {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    let ask = || {
        if quick() {
            return Err("SLIMBUILD_QUICK=1".to_owned());
        }
        let ping = ["ping", "--fetch-retries=5", "--fetch-timeout=20000"];
        match Command::new("npm").args(ping).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(_) => Err("no registry of npm answers".to_owned()),
            Err(_) => Err("no npm".to_owned()),
        }
    };
    ANSWER.get_or_init(ask).clone()
}

/// A program of npm in a directory of its own.
fn program(name: &str, version: &str) -> Result<PathBuf, String> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _alone = INSTALLING.lock();
    let dir = home().join(format!("{name}@{version}"));
    if dir.is_dir() {
        return Ok(dir);
    }
    let part = home().join(format!(".{name}@{version}.{}", super::unique()));
    fs_err::create_dir_all(&part).unwrap();
    let output = Command::new("npm")
        .args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--prefix",
        ])
        .arg(&part)
        .arg(format!("{name}@{version}"))
        .output()
        .map_err(|error| format!("npm does not run: {error}"))?;
    if !output.status.success() {
        drop(fs_err::remove_dir_all(&part));
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    // Another process may have been faster.
    if let Err(error) = fs_err::rename(&part, &dir) {
        drop(fs_err::remove_dir_all(&part));
        assert!(dir.is_dir(), "{error}");
    }
    Ok(dir)
}

/// Removes what an install made below `dir`.
fn remove_modules(dir: &Path) {
    let mut walk = walkdir::WalkDir::new(dir).into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.unwrap();
        if entry.file_name() == "node_modules" && entry.file_type().is_dir() {
            fs_err::remove_dir_all(entry.path()).unwrap();
            walk.skip_current_dir();
        }
    }
}
