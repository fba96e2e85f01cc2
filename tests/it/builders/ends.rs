//! Ctrl-C ends what runs at a builder.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{SECRETS, app};
use crate::support::daemon::{newest_daemon, skipped};
use crate::support::line::Line;
use crate::support::program::PROGRAM;
use crate::support::unique;

/// Whether a process with this word runs on this machine, where the lab's builders run too.
fn runs(word: &str) -> bool {
    let processes = fs_err::read_dir("/proc").unwrap();
    let mut lines = processes.filter_map(|process| {
        // Others may end meanwhile.
        fs_err::read(process.ok()?.path().join("cmdline")).ok()
    });
    lines.any(|line| String::from_utf8_lossy(&line).contains(word))
}

/// Waits until it is so, for at most this long.
fn becomes(what: impl Fn() -> bool, patience: Duration) -> bool {
    let began = Instant::now();
    while !what() {
        if began.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

#[test]
fn ctrl_c_ends_the_step_at_the_builder() {
    let test = "ctrl_c_ends_the_step_at_the_builder";
    newest_daemon(test, |daemon| {
        let Some(line) = Line::to_buildkit(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let tree = app();
        let word = format!("asleep-{}", unique());
        tree.write(
            "apps/api/build.js",
            &format!(
                "require('node:child_process').spawnSync(process.execPath, ['-e', 'setTimeout(() => {{}}, 300000)', '{word}'], {{ stdio: 'inherit' }});\n"
            ),
        );
        let mut building = Command::new("env")
            .args(["--default-signal=INT", PROGRAM, "apps/api", "-o", "x.tar"])
            .args(["--builder", &line.address, "--progress", "plain"])
            .args(SECRETS)
            .current_dir(tree.root())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(building.stderr.take().unwrap());
        let said = std::thread::spawn(move || {
            let lines = stderr.lines().map(Result::unwrap);
            lines.collect::<Vec<_>>().join("\n")
        });
        let begun = becomes(|| runs(&word), Duration::from_secs(200));
        if begun {
            let id = Pid::from_raw(building.id().try_into().unwrap()).unwrap();
            kill_process(id, Signal::INT).unwrap();
        } else {
            building.kill().unwrap();
        }
        let status = building.wait().unwrap();
        let gone = becomes(|| !runs(&word), Duration::from_secs(5));
        let said = said.join().unwrap();
        assert!(begun, "the step is not seen on this machine:\n{said}");
        assert_eq!(status.code(), Some(130), "{said}");
        assert!(gone, "the step goes on");
        assert!(said.contains("error: interrupted"), "{said}");
        assert!(!tree.root().join("x.tar").exists());
    });
}
