//! The cache and the network on a bad day: images are made if possible, and otherwise the run ends
//! soon.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use slimbuild::internals::{Cache, Digest};

use crate::support::daemon::skipped;
use crate::support::pnpm::reachable;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;
use crate::trial::server;

/// A base on the disk, which needs no network.
pub(crate) fn base(at: &Path) {
    let blob = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        let path = at.join("blobs/sha256").join(digest.hex());
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
        json!({"digest": digest, "size": bytes.len()})
    };
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    let empty = std::io::empty();
    layer.append_data(&mut header, "nodejs", empty).unwrap();
    let mut layer = blob(&layer.into_inner().unwrap());
    layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "config": {"Entrypoint": ["/nodejs/bin/node"], "User": "65532"},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    });
    let mut config = blob(config.to_string().as_bytes());
    config["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
    });
    let mut manifest = blob(manifest.to_string().as_bytes());
    manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json".into();
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs_err::write(at.join("index.json"), index.to_string()).unwrap();
    fs_err::write(at.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// Makes the server's image on that base, below a script in namespaces of its own.
fn made(tree: &Tree, script: &str, more: &[&str]) -> Output {
    let words = "apps/api --prebuilt --engine native --progress plain --no-verify --platform linux/amd64 --base oci:base";
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec"])
        .arg(format!("{script}\nexec \"$@\""))
        .args(["sh", env!("CARGO_BIN_EXE_slimbuild")])
        .args(words.split(' '))
        .args(more)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TMPDIR", tree.root().join("tmp"))
        .current_dir(tree.root())
        .output()
        .unwrap()
}

#[test]
fn a_cache_that_cannot_be_used_keeps_nobody_from_an_image() {
    let tree = server("");
    base(&tree.root().join("base"));
    let noise: Vec<u8> = (0..100_000u32)
        .flat_map(|at| {
            *Digest::of(&at.to_le_bytes())
                .hex()
                .as_bytes()
                .first_chunk::<4>()
                .unwrap()
        })
        .collect();
    fs_err::write(tree.root().join("apps/api/dist/noise"), noise).unwrap();
    for dir in ["tmp", "small", "open"] {
        fs_err::create_dir(tree.root().join(dir)).unwrap();
    }
    tree.write("file", "");
    let image = |script: &str, more: &[&str], warning: &str| {
        let more = [more, &["-o", "api.tar"]].concat();
        let output = made(&tree, script, &more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let warnings = said.lines().filter(|line| line.starts_with("warning"));
        let warnings: Vec<&str> = warnings.collect();
        assert_eq!(warnings.len(), usize::from(!warning.is_empty()), "{said}");
        assert!(warnings.iter().all(|line| line.contains(warning)), "{said}");
        let left = fs_err::read_dir(tree.root().join("tmp")).unwrap().count();
        assert_eq!(left, 0, "{said}");
        let archive = tree.root().join("api.tar");
        let bytes = fs_err::read(&archive).unwrap();
        fs_err::remove_file(archive).unwrap();
        Digest::of(&bytes)
    };
    let expected = image("", &["--cache-dir", "cache"], "");
    let cases: [(&str, &[&str], &str); 6] = [
        (
            "",
            &[],
            "there is no home directory to keep a cache in: this run goes on without",
        ),
        ("export HOME=$PWD/file", &[], "Not a directory"),
        (
            "chmod 777 open",
            &["--cache-dir", "open"],
            "every user can write to the cache",
        ),
        (
            "mount --bind cache cache; mount -o remount,ro,bind cache",
            &["--cache-dir", "cache"],
            "Read-only file system",
        ),
        (
            "mount -t tmpfs -o size=64k,mode=700 small small",
            &["--cache-dir", "small"],
            "No space left on device",
        ),
        ("export XDG_CACHE_HOME=/dev/null", &[], "File exists"),
    ];
    for (script, more, warning) in cases {
        assert_eq!(image(script, more, warning), expected, "{script}");
    }
}

#[test]
fn builds_at_once_and_a_prune_in_between_do_not_disturb_each_other() {
    let tree = server("");
    base(&tree.root().join("base"));
    fs_err::create_dir(tree.root().join("tmp")).unwrap();
    let is_over = AtomicBool::new(false);
    let digests: Vec<Digest> = std::thread::scope(|scope| {
        let builds: Vec<_> = (0..3)
            .map(|at| {
                let tree = &tree;
                scope.spawn(move || {
                    let each = (0..4).map(|_| {
                        let name = format!("{at}.tar");
                        let output = made(tree, "", &["--cache-dir", "cache", "-o", &name]);
                        let said = String::from_utf8_lossy(&output.stderr).into_owned();
                        assert!(output.status.success(), "{said}");
                        assert!(!said.contains("warning"), "{said}");
                        Digest::of(&fs_err::read(tree.root().join(name)).unwrap())
                    });
                    each.collect::<Vec<_>>()
                })
            })
            .collect();
        let pruning = scope.spawn(|| {
            let words = [
                "cache",
                "prune",
                "--cache-size",
                "0",
                "--cache-dir",
                "cache",
            ];
            while !is_over.load(Ordering::Relaxed) {
                let output = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
                    .args(words)
                    .current_dir(tree.root())
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{output:?}");
            }
        });
        let ended = builds.into_iter().map(ScopedJoinHandle::join);
        let ended: Vec<_> = ended.collect();
        is_over.store(true, Ordering::Relaxed);
        pruning.join().unwrap();
        ended.into_iter().flat_map(Result::unwrap).collect()
    });
    assert_eq!(digests.len(), 12);
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    assert_eq!(
        fs_err::read_dir(tree.root().join("cache/tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn the_cache_is_shown_and_pruned() {
    let tree = Tree::new(&[]);
    let root = tree.root().join("cache");
    let run = |words: &[&str]| {
        let words = [&["cache"], words, &["--cache-dir", "cache"]].concat();
        slimbuild(tree.root(), &words).text()
    };
    let value = |words: &[&str]| serde_json::from_str::<Value>(&run(words)).unwrap();
    assert_eq!(run(&["dir"]), format!("{}\n", root.display()));
    assert_eq!(value(&["--json"])["bytes"], 0);
    assert!(!root.exists(), "to look makes nothing");

    let cache = Cache::open(&root).unwrap();
    let mut blob = cache.begin().unwrap();
    std::io::Write::write_all(&mut blob, &[7; 5000]).unwrap();
    blob.keep(&Digest::of(&[7; 5000])).unwrap();
    let shown = value(&["du", "--json"]);
    assert_eq!(shown["running"], 1);
    assert_eq!(shown["kinds"][0]["kind"], "blobs");
    assert_eq!(shown["kinds"][0]["count"], 1);
    assert_eq!(shown["kinds"][0]["bytes"], 5000);
    assert!(
        shown["kinds"][0]["lastUsed"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    let text = run(&[]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    let row = "layers and downloads 5.00 kB 1 entry used just now";
    assert!(words.contains(row), "{text}");
    assert!(text.contains("in use by 1 running build"), "{text}");

    // Another program leaves alone what this one uses.
    let prune = |words: &[&str]| -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
            .args(["cache", "prune", "--json", "--cache-dir", "cache"])
            .args(words)
            .current_dir(tree.root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(prune(&["--all"])["removed"], 0);
    assert!(cache.blob(&Digest::of(&[7; 5000]), 5000).is_some());
    drop(cache);
    assert_eq!(prune(&["--older-than", "1h"])["removed"], 0);
    assert_eq!(prune(&["--cache-size", "10kB"])["removed"], 0);
    let pruned = prune(&["--cache-size", "1kB"]);
    assert_eq!(
        (&pruned["removed"], &pruned["bytes"]),
        (&json!(1), &json!(5000))
    );
    assert_eq!(prune(&["--all"])["left"], 0);
}

/// A server that takes connections, and says nothing.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let streams: Vec<_> = listener.incoming().collect();
        drop(streams);
    });
    url
}

#[test]
fn a_download_is_stopped_at_once_and_leaves_nothing() {
    let tree = Tree::new(&[]);
    let start = || {
        let mut child = Command::new("env")
            .args(["--default-signal=INT,TERM", env!("CARGO_BIN_EXE_slimbuild")])
            .args(["base", "--cache-dir", "cache", "--debian-mirror", &silent()])
            .current_dir(tree.root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let runs = tree.root().join("cache/tmp");
        let began = Instant::now();
        while fs_err::read_dir(&runs).map_or(0, Iterator::count) == 0 {
            assert!(
                child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(30)
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(500));
        child
    };
    let left = || {
        fs_err::read_dir(tree.root().join("cache/tmp"))
            .unwrap()
            .count()
    };
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = start();
        let id = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        let began = Instant::now();
        kill_process(id, signal).unwrap();
        let status = child.wait().unwrap();
        // On an idle machine it takes 50 ms.
        assert!(began.elapsed() < Duration::from_secs(2));
        assert_eq!(status.code(), Some(128 + signal.as_raw()));
        assert_eq!(left(), 0, "{signal:?}");
    }
    let mut child = start();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(left(), 1);
    slimbuild(tree.root(), &["cache", "prune", "--cache-dir", "cache"]).text();
    assert_eq!(left(), 0);
}

#[test]
fn what_is_in_the_cache_needs_no_network() {
    if let Err(why) = reachable() {
        return skipped(&why, "what_is_in_the_cache_needs_no_network");
    }
    let tree = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  apps/api:\n    dependencies:\n      is-number:\n        specifier: 7.0.0\n        version: 7.0.0\n\npackages:\n\n  is-number@7.0.0:\n    resolution: {integrity: sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==}\n    engines: {node: '>=0.12.0'}\n\nsnapshots:\n\n  is-number@7.0.0: {}\n",
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "dependencies": {"is-number": "7.0.0"}, "scripts": {"build": "mkdir -p dist && echo 'require(\"is-number\")' > dist/main.js", "start": "node dist/main.js"}}"#,
        ),
    ]);
    fs_err::create_dir(tree.root().join("home")).unwrap();
    let run = |unshared: &[&str], cache: &Path, more: &[&str]| {
        let program = [env!("CARGO_BIN_EXE_slimbuild")];
        let words = [unshared, &program].concat();
        Command::new(words[0])
            .args(&words[1..])
            .args([
                "apps/api",
                "--engine",
                "native",
                "-o",
                "api.tar",
                "--cache-dir",
            ])
            .arg(cache)
            .args(more)
            .env("HOME", tree.root().join("home"))
            .current_dir(tree.root())
            .output()
            .unwrap()
    };
    let made = |output: Output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let bytes = fs_err::read(tree.root().join("api.tar")).unwrap();
        Digest::of(&bytes)
    };
    let cache = crate::base::cache();
    let alone = ["unshare", "--user", "--map-root-user", "--net"];
    let expected = made(run(&[], &cache, &[]));
    assert_eq!(made(run(&alone, &cache, &[])), expected);
    // A request for newer versions needs the network; and the error names what was never there.
    for (cache, more) in [
        (cache.as_path(), &["--pull"][..]),
        (Path::new("empty"), &[]),
    ] {
        let output = run(&alone, cache, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(
            said.contains("error: cannot download `https://deb.debian.org/"),
            "{said}"
        );
    }
}
