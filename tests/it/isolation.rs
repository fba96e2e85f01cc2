//! What an image from elsewhere can do while it is proved: nothing to this machine. Its node here
//! is a program that tries.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use slimbuild::Env;
use slimbuild::internals::Digest;

use crate::support::program::Outcome;
use crate::support::tree::Tree;
use crate::trial::{made, namespaces, server};

/// Looks around, prints what it sees, and fails, so that the log is shown.
const NODE: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
static const char *tried(int result) { return result < 0 ? strerror(errno) : "yes"; }
int main(void) {
  for (const char **name = (const char *[]){"LD_PRELOAD", "NODE_OPTIONS", "A.b-c", "IFS", 0}; *name; name++)
    printf("%s=%s\n", *name, getenv(*name) ? getenv(*name) : "");
  printf("user: %d:%d\n", getuid(), getgid());
  printf("the host's files: %s\n", tried(access(HOST, F_OK)));
  printf("the kernel's settings: %s\n", tried(open("/proc/sys/kernel/core_pattern", O_WRONLY)));
  printf("what it may not have: %s\n", tried(open("/sys/kernel/uevent_helper", O_WRONLY)));
  DIR *dir = opendir("/dev");
  int count = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    struct stat of;
    if (fstatat(dirfd(dir), entry->d_name, &of, AT_SYMLINK_NOFOLLOW) == 0) count += S_ISCHR(of.st_mode) || S_ISBLK(of.st_mode);
  }
  printf("devices: %d\n", count);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  printf("the host's network: %s\n", tried(connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&at, sizeof at)));
  // The way out of a root that was only changed by chroot.
  mkdir("/tmp/x", 0755);
  if (chroot("/tmp/x") == 0) {
    for (int i = 0; i < 64; i++) if (chdir("..")) break;
    if (chroot(".")) return 9;
  }
  printf("what lies above: %s\n", tried(access(HOST, F_OK)));
  return 3;
}
"#;

/// An image on disk with this program as its node.
fn image(at: &Path, node: &[u8], env: &[String], user: &str) {
    let mut tar = tar::Builder::new(Vec::new());
    for path in ["nodejs/bin/node", "usr/local/bin/node"] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(node.len() as u64);
        tar.append_data(&mut header, path, node).unwrap();
    }
    let layer = tar.into_inner().unwrap();
    let hex = |bytes: &[u8]| Digest::of(bytes).hex().to_owned();
    let blob = |kind: &str, bytes: &[u8]| {
        let path = at.join("blobs/sha256").join(hex(bytes));
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, bytes).unwrap();
        json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{}", hex(bytes)),
            "size": bytes.len(),
        })
    };
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "config": {"Env": env, "User": user, "Entrypoint": ["node"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
    });
    let manifest = json!({
        "schemaVersion": 2,
        "config": blob("config.v1+json", config.to_string().as_bytes()),
        "layers": [blob("layer.v1.tar", &layer)],
    });
    let manifest = blob("manifest.v1+json", manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs_err::write(at.join("index.json"), index.to_string()).unwrap();
    let version = r#"{"imageLayoutVersion": "1.0.0"}"#;
    fs_err::write(at.join("oci-layout"), version).unwrap();
}

fn compiled(dir: &Path, text: &str, arguments: &[&str]) -> Vec<u8> {
    fs_err::write(dir.join("x.c"), text).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-o", "x", "x.c"]).args(arguments).current_dir(dir);
    assert!(cc.status().unwrap().success());
    fs_err::read(dir.join("x")).unwrap()
}

/// A directory of this machine that an image knows. A file `ran` in it shows that something ran
/// here.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        let script = format!("#!/bin/sh\necho \"$0\" >> '{}/ran'\n", host.text());
        for name in ["unshare", "sh", "mount", "ip", "mkdir", "cp", "node"] {
            let path = host.0.path().join("bin").join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, &script).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs_err::set_permissions(&path, mode).unwrap();
        }
        let constructor = format!(
            "#include <stdio.h>\n__attribute__((constructor)) static void x(void) {{ FILE *f = fopen(\"{}/ran\", \"a\"); if (f) fputs(\"preloaded\\n\", f); }}",
            host.text()
        );
        let library = compiled(host.0.path(), &constructor, &["-shared", "-fPIC"]);
        fs_err::write(host.0.path().join("evil.so"), library).unwrap();
        let module = format!(
            "require('node:fs').appendFileSync('{}/ran', 'required\\n')",
            host.text()
        );
        fs_err::write(host.0.path().join("evil.js"), module).unwrap();
        fs_err::write(
            host.0.path().join("evil.sh"),
            format!("echo read >> '{}/ran'", host.text()),
        )
        .unwrap();
        host
    }

    fn text(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Variables with which an image could try to run code outside.
    fn env(&self) -> Vec<String> {
        let at = self.text();
        vec![
            format!("LD_PRELOAD={at}/evil.so"),
            format!("LD_AUDIT={at}/evil.so"),
            format!("LD_LIBRARY_PATH={at}"),
            format!("NODE_OPTIONS=--require {at}/evil.js"),
            format!("PATH={at}/bin:/usr/local/bin:/usr/bin:/bin"),
            format!("BASH_ENV={at}/evil.sh"),
            format!("ENV={at}/evil.sh"),
            "IFS=/".to_owned(),
            "A.b-c=names of shells are narrower".to_owned(),
            "=no name".to_owned(),
            "nothing".to_owned(),
        ]
    }

    fn ran(&self) -> String {
        fs_err::read_to_string(self.0.path().join("ran")).unwrap_or_default()
    }
}

/// The node's output, and how the run ended.
fn proved(tree: &Tree, image: &Path, env: &Env) -> Outcome {
    let cache = tree.root().join("cache");
    let base = format!("oci:{}", image.display());
    let more = ["--base", &base, "--whole-modules"];
    made(tree, &cache, &more, env)
}

fn said(outcome: &Outcome) -> String {
    let lines = outcome.stderr.lines();
    let said: Vec<&str> = lines.filter_map(|line| line.strip_prefix("  │ ")).collect();
    said.join("\n")
}

#[test]
fn an_image_reaches_nothing_of_this_machine() {
    if !namespaces("an_image_reaches_nothing_of_this_machine") {
        return;
    }
    let host = Host::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = NODE
        .replace("HOST", &format!("\"{}\"", host.text()))
        .replace("PORT", &port.to_string());
    let node = compiled(host.0.path(), &text, &["-static", "-w"]);
    for user in ["65532:65532", "0"] {
        let tree = server("");
        let at = host.0.path().join("image");
        drop(fs_err::remove_dir_all(&at));
        image(&at, &node, &host.env(), user);
        let outcome = proved(&tree, &at, &Env::of_process());
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        let shown = said(&outcome).replace(host.text(), "$HOST");
        // An image with user root runs as node's own user, as in every image of slimbuild.
        let user = if user == "0" { "1000:1000" } else { user };
        assert_eq!(
            shown,
            format!(
                "LD_PRELOAD=$HOST/evil.so
NODE_OPTIONS=--require $HOST/evil.js
A.b-c=names of shells are narrower
IFS=/
user: {user}
the host's files: No such file or directory
the kernel's settings: Read-only file system
what it may not have: No such file or directory
devices: 5
the host's network: Connection refused
what lies above: No such file or directory"
            )
        );
        assert_eq!(host.ran(), "");
    }
}

#[test]
fn the_node_of_somebody_elses_image_never_runs_outside_of_it() {
    let host = Host::new();
    let node = format!("#!/bin/sh\necho node >> '{}/ran'\n", host.text());
    let at = host.0.path().join("image");
    image(&at, node.as_bytes(), &host.env(), "");
    let tree = server("");
    let empty = tree.root().join("empty");
    fs_err::create_dir(&empty).unwrap();
    // This path has neither `unshare` nor node.
    let env = Env::from_iter([("PATH", empty.to_str().unwrap())]);
    let outcome = proved(&tree, &at, &env);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let told = "that all is there which the app loads was not proved: no node runs on this machine";
    assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    assert_eq!(host.ran(), "");
}

#[test]
fn names_of_directories_are_not_part_of_a_script_or_a_mount() {
    if !namespaces("names_of_directories_are_not_part_of_a_script_or_a_mount") {
        return;
    }
    let host = Host::new();
    let at = host.0.path().join("image");
    let node = compiled(
        host.0.path(),
        "int main(void) { return 0; }",
        &["-static", "-w"],
    );
    image(&at, &node, &[], "");
    let odd = "a,b:c=d \\ 'e' \"f\" $(touch ran)\n;`touch ran`";
    let odd = host.0.path().join(odd);
    fs_err::create_dir(&odd).unwrap();
    let tree = server("");
    let path = Env::of_process().get("PATH").unwrap().to_owned();
    let env = Env::from_iter([("PATH", path.as_str()), ("TMPDIR", odd.to_str().unwrap())]);
    let base = format!("oci:{}", at.display());
    let cache = odd.join("cache");
    let outcome = made(&tree, &cache, &["--base", &base], &env);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let proofs = walkdir::WalkDir::new(cache.join("notes/proofs"));
    let noted = proofs
        .into_iter()
        .flatten()
        .filter(|it| it.file_type().is_file());
    assert_eq!(noted.count(), 1, "{}", outcome.stderr);
    assert_eq!(host.ran(), "");
    assert!(!tree.root().join("ran").exists());
    // All unpacked files are gone.
    let left: Vec<_> = fs_err::read_dir(&odd)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["cache"]);
}
