//! The real turbo builds images with what `slimbuild init --turbo` wrote.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::affected::{commit, git};
use crate::corpus::found;
use crate::support::daemon::{Daemon, one_daemon};
use crate::support::pnpm::Pnpm;
use crate::support::program::{PROGRAM, slimbuild};
use crate::support::tree::Tree;
use crate::support::unique;

const APPS: [&str; 3] = ["server", "site", "worker"];

/// turbo, pnpm, and a workspace with images of its own names.
struct Scene<'d> {
    daemon: &'d Daemon,
    turbo: PathBuf,
    pnpm: Pnpm,
    tree: Tree,
    home: tempfile::TempDir,
    prefix: String,
}

/// What a run of turbo ended with.
struct Ran {
    code: i32,
    said: String,
}

impl Ran {
    /// How many tasks turbo ran, and how many it had.
    fn counts(&self) -> (usize, usize) {
        assert_eq!(self.code, 0, "{}", self.said);
        let number = |label: &str| -> usize {
            let line = self.said.lines().find_map(|line| line.split_once(label));
            let (_, rest) = line.unwrap_or_else(|| panic!("{label}: {}", self.said));
            let word = rest.split_whitespace().next().unwrap();
            word.parse().unwrap()
        };
        let (all, cached) = (number("Tasks:"), number("Cached:"));
        (all - cached, cached)
    }
}

impl<'d> Scene<'d> {
    fn new(daemon: &'d Daemon, turbo: &Path) -> Self {
        let tree = Tree::shop();
        let prefix = format!("slimbuild-it/turbo-{}", unique());
        let names = format!("{{\"tags\": [\"{prefix}/{{app}}:1\"]}}\n");
        tree.write("slimbuild.json", &names);
        for app in APPS {
            let outcome = slimbuild(tree.root(), &["init", &format!("apps/{app}"), "--turbo"]);
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        }
        git(tree.root(), &["init", "--quiet"]);
        commit(tree.root(), "first");
        Self {
            daemon,
            turbo: turbo.to_owned(),
            pnpm: Pnpm::new("22", "10.34.8").unwrap(),
            tree,
            home: crate::support::temporary(),
            prefix,
        }
    }

    /// Runs turbo with nothing in its environment but this.
    fn run(&self, host: &str, more: &[&str]) -> Ran {
        let programs = Path::new(PROGRAM).parent().unwrap().to_owned();
        let paths = std::env::split_paths(self.pnpm.path()).collect::<Vec<_>>();
        let path = std::env::join_paths(std::iter::once(programs).chain(paths)).unwrap();
        let output = Command::new(&self.turbo)
            .args(["run", "--ui=stream", "--no-color"])
            .args(more)
            .current_dir(self.tree.root())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("DOCKER_HOST", host)
            .envs([
                ("TURBO_TELEMETRY_DISABLED", "1"),
                ("TURBO_NO_UPDATE_NOTIFIER", "1"),
            ])
            .output()
            .unwrap();
        let all = [output.stdout, output.stderr].concat();
        Ran {
            code: output.status.code().unwrap(),
            said: String::from_utf8(all).unwrap(),
        }
    }

    fn image(&self) -> Ran {
        self.run(&self.daemon.address, &["image", "--env-mode=strict"])
    }
}

#[test]
fn turbo_builds_what_changed() {
    let test = "turbo_builds_what_changed";
    one_daemon(test, |daemon| {
        let Some(turbo) = found(test, super::turbo("2.11")) else {
            return;
        };
        let scene = Scene::new(daemon, &turbo);
        let first = scene.image();
        assert_eq!(first.counts(), (3, 0), "{}", first.said);
        let ids = APPS.map(|app| {
            let name = format!("{}/{app}:1", scene.prefix);
            assert!(first.said.contains(&name), "{}", first.said);
            daemon.image(&name).id.unwrap()
        });
        // Each app says its image's name, and nothing else.
        assert!(!first.said.contains("exporting to"), "{}", first.said);
        let again = scene.image();
        assert_eq!(again.counts(), (0, 3));
        assert!(again.said.contains("FULL TURBO"), "{}", again.said);
        for (file, built) in [
            ("README.md", 0),
            ("apps/web/next.config.mjs", 0),
            ("packages/ui/src/index.ts", 1),
            ("packages/events/src/index.js", 2),
            ("apps/worker/src/main.js", 1),
            (".npmrc", 3),
        ] {
            let text = if file == ".npmrc" {
                "; later\n"
            } else {
                "// later\n"
            };
            let path = scene.tree.root().join(file);
            let before = fs_err::read_to_string(&path).unwrap_or_default();
            scene.tree.write(file, &(before + text));
            assert_eq!(scene.image().counts(), (built, 3 - built), "{file}");
        }
        let worker = daemon.image(&format!("{}/worker:1", scene.prefix));
        assert_ne!(worker.id.as_ref(), Some(&ids[2]));
        // The variable arrives, and another daemon lacks the images.
        let lost = scene.run(
            "unix:///nowhere/docker.sock",
            &["image", "--env-mode=strict"],
        );
        assert_ne!(lost.code, 0);
        assert!(lost.said.contains("(DOCKER_HOST)"), "{}", lost.said);
        for app in APPS {
            daemon.remove(&format!("{}/{app}:1", scene.prefix));
        }
    });
}
