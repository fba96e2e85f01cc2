//! Memory: a context is streamed, however large the sources are.

use std::io::Read;
use std::process::{Command, Stdio};

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

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn half_a_gigabyte_of_sources_takes_no_memory() {
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
