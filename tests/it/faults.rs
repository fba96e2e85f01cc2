//! Failures of a machine while it makes an image: one clear sentence, the right exit code, and
//! nothing half-written.

mod daemons;
mod disks;
mod scene;
mod signals;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use slimbuild::Env;

use crate::base::cache;
use crate::support::tree::Tree;
use crate::trial::{made, namespaces, server};

/// A server whose image takes a while to write, because its content does not compress.
fn large(megabytes: usize) -> Tree {
    let tree = server("");
    let mut state = 1_u32;
    let noise = (0..megabytes << 20).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    fs_err::write(
        tree.root().join("apps/api/dist/noise"),
        noise.collect::<Vec<u8>>(),
    )
    .unwrap();
    tree
}

/// The program itself, to be started in namespaces or killed.
fn words(cache: &Path) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_slimbuild");
    let cache = cache.to_str().unwrap();
    let words = [
        program,
        "apps/api",
        "--prebuilt",
        "--engine",
        "native",
        "-q",
        "--cache-dir",
        cache,
    ];
    words.map(str::to_owned).to_vec()
}

/// Runs it below a script in namespaces of its own.
fn inside(tree: &Tree, script: &str, cache: &Path, more: &[&str]) -> Output {
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(format!("{script}\nexec \"$@\""))
        .arg("sh")
        .args(words(cache))
        .args(more)
        .current_dir(tree.root())
        .output()
        .unwrap()
}

fn said(output: &Output, root: &Path) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let root = root.to_string_lossy();
    format!(
        "exit code {}\n{}",
        output.status.code().unwrap(),
        text.replace(&*root, "$ROOT")
    )
}

/// Whether the base is in the cache that tests share.
pub(crate) fn has_base(test: &str) -> bool {
    if !namespaces(test) {
        return false;
    }
    assert_eq!(made(&server(""), &cache(), &[], &Env::of_process()).code, 0);
    true
}

fn hidden(dir: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(".slimbuild-")
        })
        .collect()
}

#[test]
fn a_full_disk_is_named() {
    if !has_base("a_full_disk_is_named") {
        return;
    }
    let tree = large(1);
    for dir in ["out", "cache", "tmp"] {
        fs_err::create_dir(tree.root().join(dir)).unwrap();
    }
    let small = |dir: &str| format!("mount -t tmpfs -o size=64k small {dir} || exit 99");
    let full = inside(&tree, &small("out"), &cache(), &["-o", "out/api.tar"]);
    let text = said(&full, tree.root());
    let told = "exit code 4\nerror: cannot write `$ROOT/out/api.tar`\n  caused by: No space left on device (os error 28)";
    assert!(text.starts_with(told), "{text}");
    let script = "mount -t tmpfs -o size=8k small tmp || exit 99; export TMPDIR=$PWD/tmp";
    let full = inside(
        &tree,
        script,
        &cache(),
        &["-o", "out/api.tar", "--no-cache"],
    );
    let text = said(&full, tree.root());
    assert!(
        text.starts_with("exit code 4\nerror: cannot lay out the build\n"),
        "{text}"
    );
    assert!(text.contains("No space left on device"), "{text}");
    assert!(
        fs_err::read_dir(tree.root().join("out"))
            .unwrap()
            .next()
            .is_none()
    );
}

/// Starts it, and waits until it writes the image.
fn writing(tree: &Tree) -> Child {
    let words = words(&cache());
    // A file left by an earlier run says nothing about this one.
    let left = hidden(tree.root());
    let mut child = Command::new("env")
        .arg("--default-signal=INT")
        .args(&words)
        .current_dir(tree.root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while hidden(tree.root()).iter().all(|path| left.contains(path))
        && child.try_wait().unwrap().is_none()
    {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn who_is_killed_leaves_no_half_of_an_image() {
    if !has_base("who_is_killed_leaves_no_half_of_an_image") {
        return;
    }
    let tree = large(40);
    let archive = tree.root().join("api.oci.tar");
    let mut killed = writing(&tree);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!archive.exists());
    // The next run removes it once it is old enough that no starting run can own it.
    std::thread::sleep(Duration::from_millis(1100));

    let mut asked = writing(&tree);
    let id = Pid::from_raw(asked.id().try_into().unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
    let status = asked.wait().unwrap();
    // It may have finished by then.
    assert_eq!(archive.exists(), status.success());
    assert!(status.success() || status.code() == Some(130), "{status}");
    assert!(hidden(tree.root()).is_empty());
}

#[test]
fn what_is_packed_is_not_held_in_memory() {
    if !has_base("what_is_packed_is_not_held_in_memory") {
        return;
    }
    let tree = large(120);
    for number in 0..2000 {
        let text = format!("// {number}\n").repeat(1000);
        tree.write(&format!("apps/api/dist/{}/{number}.js", number % 20), &text);
    }
    let words = words(&cache());
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .current_dir(tree.root())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs_err::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    assert!((1..100_000).contains(&most), "{most} kB");
}

#[test]
fn two_at_the_same_time_do_not_disturb_each_other() {
    if !has_base("two_at_the_same_time_do_not_disturb_each_other") {
        return;
    }
    let tree = large(3);
    let own = crate::support::temporary();
    let both = std::thread::scope(|scope| {
        let one = || made(&tree, &cache(), &[], &Env::of_process());
        let runs = [scope.spawn(one), scope.spawn(one)];
        runs.map(|run| run.join().unwrap())
    });
    for outcome in both {
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    }
    let written = fs_err::read(tree.root().join("api.oci.tar")).unwrap();
    let again = own.path().join("again.tar");
    let outcome = made(
        &tree,
        &cache(),
        &["-o", again.to_str().unwrap()],
        &Env::of_process(),
    );
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(fs_err::read(again).unwrap() == written);
    assert!(hidden(tree.root()).is_empty());
}

#[test]
fn files_that_cannot_be_taken_are_named() {
    if !has_base("files_that_cannot_be_taken_are_named") {
        return;
    }
    let tree = server("");
    let refusal = || made(&tree, &cache(), &[], &Env::of_process()).refusal(tree.root());
    let link = tree.root().join("apps/api/dist/link");
    let link_to = |target: &str| {
        drop(fs_err::remove_file(&link));
        fs_err::os::unix::fs::symlink(target, &link).unwrap();
    };
    link_to("/etc/passwd");
    insta::assert_snapshot!(refusal(), @r"
    exit code 1
    error: the symlink `apps/api/dist/link` has the absolute target `/etc/passwd`

    hint: the install or the build wrote it: make it a file, or a link that is relative and stays in the workspace
    ");
    link_to("../../../../../elsewhere");
    insta::assert_snapshot!(refusal(), @r"
    exit code 1
    error: the symlink `apps/api/dist/link` leaves the workspace: its target is `../../../../../elsewhere`

    hint: the install or the build wrote it: make it a file, or a link that is relative and stays in the workspace
    ");
    fs_err::remove_file(&link).unwrap();

    tree.write("apps/api/dist/private.js", "");
    let private = tree.root().join("apps/api/dist/private.js");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs_err::set_permissions(private, mode).unwrap();
    // Without root's rights, whoever runs the tests.
    let words = words(&cache());
    let output = Command::new("unshare")
        .args(["--user", "--map-user=1000", "--map-group=1000"])
        .args(&words)
        .current_dir(tree.root())
        .output()
        .unwrap();
    insta::assert_snapshot!(said(&output, tree.root()), @r"
    exit code 1
    error: node cannot tell which files of modules are spare: Error: EACCES: permission denied, open 'apps/api/dist/private.js'

    hint: make it readable
    ");
}
