//! A real Podman that takes images by Docker's interface. It does not build with BuildKit, so images are
//! made on this machine. Its containers do not start on every machine that tests run on, so the files
//! of the image are looked at where Podman has unpacked them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use slimbuild::Env;

use crate::base::cache;
use crate::support::daemon::skipped;
use crate::support::pnpm::reachable;
use crate::support::program::slimbuild_with;
use crate::support::tree::Tree;

/// A Podman of its own, which ends with the value.
struct Podman {
    directory: tempfile::TempDir,
    service: Option<Child>,
}

impl Podman {
    fn start(test: &str) -> Option<Self> {
        if Command::new("podman").arg("--version").output().is_err() {
            skipped("there is no podman", test);
            return None;
        }
        // Podman takes no directory with a long name for what runs.
        let mut directory = tempfile::Builder::new();
        let directory = directory.prefix("sb-podman-").tempdir_in("/tmp").unwrap();
        let mut podman = Self {
            directory,
            service: None,
        };
        let socket = podman.socket();
        let service = podman
            .command()
            .args(["system", "service", "--time=0"])
            .arg(format!("unix://{}", socket.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        podman.service = Some(service.unwrap());
        // Its first start on a busy machine takes long.
        for _ in 0..1800 {
            if socket.exists() {
                return Some(podman);
            }
            sleep(Duration::from_millis(100));
        }
        panic!("podman does not listen");
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("podman.sock")
    }

    fn command(&self) -> Command {
        let mut podman = Command::new("podman");
        for (flag, name) in [("--root", "root"), ("--runroot", "run")] {
            podman.arg(flag).arg(self.directory.path().join(name));
        }
        podman.args(["--storage-driver", "vfs"]);
        podman
    }

    fn run(&self, words: &[&str]) -> String {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command().args(words).output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Some(mut service) = self.service.take() {
            drop(service.kill());
            drop(service.wait());
        }
    }
}

#[test]
fn podman_takes_images_that_are_made_here() {
    let test = "podman_takes_images_that_are_made_here";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let Some(podman) = Podman::start(test) else {
        return;
    };
    let tree = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"start": "node main.js"}}"#,
        ),
        ("apps/api/main.js", "console.log('up')\n"),
    ]);
    let env = Env::of_process();
    let address = format!("unix://{}", podman.socket().display());
    let refused = slimbuild_with(tree.root(), &["apps/api", "--host", &address], &env);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    let hint = "`--engine native --load` makes the image without Docker and loads it into Podman";
    assert!(refused.stderr.contains(hint), "{}", refused.stderr);

    let cache = cache();
    let load = ["apps/api", "--engine", "native", "-t", "team/api:1"];
    let place = ["--load", "--host", &address];
    let own = ["--cache-dir", cache.to_str().unwrap()];
    let load = [&load[..], &place, &own].concat();
    let loaded = slimbuild_with(tree.root(), &load, &env);
    assert_eq!(loaded.code, 0, "{}", loaded.stderr);
    assert!(loaded.stderr.contains("into Podman "), "{}", loaded.stderr);
    let format = "{{.Config.User}} {{.Config.WorkingDir}}";
    let configuration = podman.run(&["image", "inspect", "--format", format, "team/api:1"]);
    assert_eq!(configuration, "65532:65532 /app/apps/api");
    let mounted = PathBuf::from(podman.run(&["image", "mount", "team/api:1"]));
    let main = fs_err::read_to_string(mounted.join("app/apps/api/main.js")).unwrap();
    assert_eq!(main, "console.log('up')\n");
}
