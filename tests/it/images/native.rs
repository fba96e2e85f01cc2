//! Packages with machine code: what must be compiled is compiled, and binaries find their
//! libraries.

use std::process::Command;

use crate::support::container::Container;
use crate::support::daemon::{each_daemon, skipped};
use crate::support::tree::{Tree, repository};

/// A server with one dependency that is always compiled at install time.
const COMPILED: [(&str, &str); 5] = [
    (
        "package.json",
        r#"{"private": true, "packageManager": "pnpm@10.34.8"}"#,
    ),
    (
        "pnpm-workspace.yaml",
        "packages: ['apps/*']\nonlyBuiltDependencies: [unix-dgram]\n",
    ),
    (
        "pnpm-lock.yaml",
        "lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .: {}

  apps/api:
    dependencies:
      unix-dgram:
        specifier: 2.0.7
        version: 2.0.7

packages:

  bindings@1.5.0:
    resolution: {integrity: sha512-p2q/t/mhvuOj/UeLlV6566GD/guowlr0hHxClI0W9m7MWYkL1F0hLo+0Aexs9HSPCtR1SXQ0TD3MMKrXZajbiQ==}

  file-uri-to-path@1.0.0:
    resolution: {integrity: sha512-0Zt+s3L7Vf1biwWZ29aARiVYLx7iMGnEUl9x33fbB/j3jR81u/O2LbqK+Bm1CDSNDKVtJ/YjwY7TUd5SkeLQLw==}

  nan@2.30.0:
    resolution: {integrity: sha512-P5mokDkSvCGBz6mZDD/2l+w9QoICRXdCyZ9ONGmTePr40oihJg3Kpn0YU3twKd6PJnwSlLBWNQeOT6yWEV2c4A==}

  unix-dgram@2.0.7:
    resolution: {integrity: sha512-pWaQorcdxEUBFIKjCqqIlQaOoNVmchyoaNAJ/1LwyyfK2XSxcBhgJNiSE8ZRhR0xkNGyk4xInt1G03QPoKXY5A==}
    engines: {node: '>=0.10.48'}

snapshots:

  bindings@1.5.0:
    dependencies:
      file-uri-to-path: 1.0.0

  file-uri-to-path@1.0.0: {}

  nan@2.30.0: {}

  unix-dgram@2.0.7:
    dependencies:
      bindings: 1.5.0
      nan: 2.30.0
",
    ),
    (
        "apps/api/package.json",
        r#"{"name": "api", "scripts": {"start": "node server.mjs"}, "dependencies": {"unix-dgram": "2.0.7"}}"#,
    ),
    (
        "apps/api/server.mjs",
        "import http from 'node:http';
import unix from 'unix-dgram';
const server = http.createServer((_, response) => response.end(typeof unix.createSocket));
server.listen(process.env.PORT ?? 3000);
",
    ),
];

#[test]
fn what_compiles_is_compiled_and_no_compiler_stays() {
    let name = "what_compiles_is_compiled_and_no_compiler_stays";
    each_daemon(name, |daemon| {
        let tag = daemon.tag("compiled");
        let tree = Tree::new(&COMPILED);
        daemon
            .slimbuild(tree.root(), &["apps/api", "-q", "-t", &tag.name])
            .bytes();
        let container = Container::start(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/"), "function");
        let files = container.files();
        let has = |end: &str| files.iter().any(|entry| entry.path.ends_with(end));
        assert!(has("/build/Release/unix_dgram.node"));
        for gone in ["/g++", "/make", "/python3", "/node_api.h", ".o", ".d"] {
            assert!(!has(gone), "{gone}");
        }
    });
}

/// A library in ELF's format that needs `libvips.so` beside it, and `libc.so.6`.
fn library() -> Vec<u8> {
    let strings = b"\0libvips.so\0libc.so.6\0$ORIGIN/../vips\0";
    let (table, dynamic, names) = (64_u64, 176_u64, 256_u64);
    let machine: u16 = if cfg!(target_arch = "aarch64") {
        183
    } else {
        62
    };
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(256, 0);
    bytes.extend(strings);
    let mut put = |at: u64, value: &[u8]| {
        let at = usize::try_from(at).unwrap();
        bytes[at..at + value.len()].copy_from_slice(value);
    };
    put(18, &machine.to_le_bytes());
    put(32, &table.to_le_bytes());
    put(54, &56_u16.to_le_bytes());
    put(56, &2_u16.to_le_bytes());
    // All of it is loaded, at an address of its own; a part tells what it needs.
    for (at, kind, start, length) in [(table, 1_u32, 0, 300), (table + 56, 2, dynamic, 80)] {
        put(at, &kind.to_le_bytes());
        put(at + 8, &u64::to_le_bytes(start));
        put(at + 16, &u64::to_le_bytes(start + 4096));
        put(at + 32, &u64::to_le_bytes(length));
    }
    let entries = [(5, names + 4096), (1, 1), (1, 12), (29, 22), (0, 0)];
    for (at, (tag, value)) in (dynamic..).step_by(16).zip(entries) {
        put(at, &u64::to_le_bytes(tag));
        put(at + 8, &u64::to_le_bytes(value));
    }
    bytes
}

#[test]
fn a_binary_without_its_library_is_named() {
    let tree = Tree::new(&[("vips/package.json", "{}")]);
    let path = tree.root().join("sharp/sharp.node");
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, library()).unwrap();
    let program = repository().join("templates/verify.mjs");
    let missing = || {
        let script = format!(
            "import {{ missing }} from '{}'; console.log(missing('{}').join())",
            program.display(),
            path.display()
        );
        let mut node = Command::new("node");
        let node = node.args(["--input-type=module", "-e", &script]);
        let output = node.output().ok()?;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some(found) = missing() else {
        return skipped("no node", "a_binary_without_its_library_is_named");
    };
    assert_eq!(found, "libvips.so\n");
    fs_err::write(tree.root().join("vips/libvips.so"), "").unwrap();
    assert_eq!(missing().unwrap(), "\n");
}
