//! Memory: a context is streamed, however large the sources are.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::daemon::{Daemon, one_daemon};
use crate::support::tree::Tree;

const MEGABYTE: u64 = 1 << 20;

/// A worker with as many bytes of assets, in files of up to 100 MB; they have holes, and so take no place on disk.
fn workspace(megabytes: u64) -> Tree {
    let tree = Tree::shop();
    let mut left = megabytes;
    for at in 0.. {
        let size = left.min(100);
        if size == 0 {
            break;
        }
        let path = format!("apps/worker/assets/{at}.bin");
        tree.write(&path, "");
        let file = fs_err::OpenOptions::new()
            .write(true)
            .open(tree.root().join(path))
            .unwrap();
        file.set_len(size * MEGABYTE).unwrap();
        left -= size;
    }
    tree
}

/// The bytes that `slimbuild context` writes and the most memory that it had, in a process of its own.
fn run(tree: &Tree) -> (u64, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
        .args(["context", "apps/worker", "-o", "-"])
        .current_dir(tree.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut stdout = child.stdout.take().unwrap();
    let (mut bytes, mut peak) = (0, 0);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = stdout.read(&mut buffer).unwrap() as u64;
        if read == 0 {
            break;
        }
        bytes += read;
        // The kernel keeps the highest value, until the process ends.
        peak = peak.max(peak_memory(&status).unwrap_or_default());
    }
    assert!(child.wait().unwrap().success());
    (bytes, peak)
}

fn peak_memory(status: &str) -> Option<u64> {
    let text = fs_err::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The bytes that a build sends to the daemon and the most memory that it had until all were sent; then the build is interrupted.
fn send(daemon: &Daemon, tree: &Tree) -> (u64, u64) {
    let tag = daemon.tag("memory");
    let mut child = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
        .args(["apps/worker", "--progress", "json", "-t", &tag.name])
        .current_dir(tree.root())
        .env("DOCKER_HOST", &daemon.address)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let (mut bytes, mut peak) = (0, 0);
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        peak = peak.max(peak_memory(&status).unwrap_or_default());
        if event["event"] == "context-sent" && event["done"] == true {
            bytes = event["bytes"].as_u64().unwrap();
            break;
        }
    }
    let process = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &process]).status();
    assert!(sent.unwrap().success());
    child.wait().unwrap();
    (bytes, peak)
}

fn assert_flat(run: impl Fn(&Tree) -> (u64, u64)) {
    let (small, before) = run(&workspace(2));
    let (large, after) = run(&workspace(500));
    assert!(
        before > 0 && small > 2 * MEGABYTE && large > 500 * MEGABYTE,
        "{before} {small} {large}"
    );
    let added = after.saturating_sub(before) / MEGABYTE;
    eprintln!(
        "memory: {} MiB, and {added} MiB more for 500 MiB of sources",
        before / MEGABYTE
    );
    assert!(added <= 64, "{added} MiB");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn half_a_gigabyte_of_sources_takes_no_memory() {
    assert_flat(run);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn half_a_gigabyte_to_a_daemon_takes_no_memory() {
    one_daemon("half_a_gigabyte_to_a_daemon_takes_no_memory", |daemon| {
        assert_flat(|tree| send(daemon, tree));
    });
}
