//! A place in the lab's registry, and bases that are made for it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use slimbuild::Env;

use crate::registry::registry;
use crate::support::daemon::{quick, skipped};
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;
use crate::support::unique;

/// The repository of the base, whose name tells slimbuild that node is in it.
const BASE: &str = "distroless/nodejs22-debian12";

/// A place in the registry.
pub(super) struct Stand {
    registry: String,
    path: String,
    cache: tempfile::TempDir,
}

/// An image in the registry.
#[derive(Debug, PartialEq)]
pub(super) struct Image {
    pub(super) config: Value,
    /// Their digests.
    pub(super) layers: Vec<String>,
}

/// A base, before it is pushed.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) config: Value,
    /// Compressed, with the digests of their tars.
    pub(super) layers: Vec<(Vec<u8>, String)>,
}

fn sha256(bytes: &[u8]) -> String {
    let hex = |text: String, byte: &u8| format!("{text}{byte:02x}");
    let digest = Sha256::digest(bytes);
    digest.iter().fold("sha256:".to_owned(), hex)
}

/// A compressed layer with these files, which may all be executed, and the digest of its tar.
pub(super) fn layer(files: &[(&str, &[u8])]) -> (Vec<u8>, String) {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar).unwrap();
    (gzip.finish().unwrap(), sha256(&tar))
}

impl Base {
    /// A base with one layer.
    pub(super) fn new(architecture: &str, files: &[(&str, &[u8])]) -> Self {
        let mut base = Self {
            config: json!({
                "architecture": architecture, "os": "linux",
                "config": { "Env": ["PATH=/bin"], "Entrypoint": ["/nodejs/bin/node"], "User": "65532" },
                "rootfs": { "type": "layers", "diff_ids": [] },
                "history": [],
            }),
            layers: Vec::new(),
        };
        base.add(layer(files));
        base
    }

    pub(super) fn add(&mut self, layer: (Vec<u8>, String)) {
        let list = |value: &mut Value, more: Value| value.as_array_mut().unwrap().push(more);
        list(
            &mut self.config["rootfs"]["diff_ids"],
            layer.1.clone().into(),
        );
        list(
            &mut self.config["history"],
            json!({ "created_by": format!("ADD {}", layer.1) }),
        );
        self.layers.push(layer);
    }
}

/// What skopeo says.
fn skopeo(words: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(words).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
    output.stdout
}

impl Stand {
    pub(super) fn new(test: &str) -> Option<Self> {
        if quick() {
            skipped("SLIMBUILD_QUICK=1", test);
            return None;
        }
        let registry = registry("LAB_REGISTRY", "127.0.0.1:5000", test)?;
        Some(Self {
            path: format!("slimbuild-it/rebase-{}", unique()),
            registry,
            cache: crate::support::temporary(),
        })
    }

    pub(super) fn name(&self, of: &str) -> String {
        format!("{}/{}/{of}", self.registry, self.path)
    }

    /// The name of the base.
    pub(super) fn base(&self, tag: &str) -> String {
        self.name(&format!("{BASE}:{tag}"))
    }

    /// The name of an image in the lab's registry with a password.
    pub(super) fn elsewhere(&self, test: &str, of: &str) -> Option<String> {
        let closed = registry("LAB_REGISTRY_AUTH", "127.0.0.1:5001", test)?;
        Some(format!("{closed}/{}/{of}", self.path))
    }

    /// Has a login for the registry of an image from now on.
    pub(super) fn log_in(&self, name: &str) {
        let registry = name.split('/').next().unwrap();
        // `lab:lab`
        let logins = format!(r#"{{"auths":{{"{registry}":{{"auth":"bGFiOmxhYg=="}}}}}}"#);
        fs_err::write(self.cache.path().join("config.json"), logins).unwrap();
    }

    fn env(&self) -> Env {
        let env = Env::of_process();
        let path = ("PATH", env.get("PATH").unwrap_or_default());
        let logins = ("DOCKER_CONFIG", self.cache.path().to_str().unwrap());
        [path, logins].into_iter().collect()
    }

    /// A command with a cache of its own.
    pub(super) fn slimbuild(&self, tree: &Tree, words: &[&str]) -> Outcome {
        let cache = self.cache.path().join("builds");
        let own = ["--cache-dir", cache.to_str().unwrap()];
        slimbuild_with(tree.root(), &[words, &own].concat(), &self.env())
    }

    fn cache(&self) -> PathBuf {
        self.cache.path().join("rebase")
    }

    fn run(&self, words: &[&str], more: &[&str]) -> Outcome {
        let cache = self.cache();
        let own = ["rebase", "--cache-dir", cache.to_str().unwrap()];
        slimbuild_with(
            self.cache.path(),
            &[&own, words, more].concat(),
            &self.env(),
        )
    }

    /// What became of images.
    pub(super) fn rebase(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.run(words, &["--json"]).text()).unwrap()
    }

    /// The words of a run that must fail.
    pub(super) fn refused(&self, words: &[&str]) -> String {
        let refusal = self.run(words, &[]).refusal(self.cache.path());
        refusal.replace(&self.name(""), "HOME/")
    }

    /// A run of several images of which some fail: the exit code, and what became of each.
    pub(super) fn some_refused(&self, words: &[&str]) -> (i32, Value) {
        let outcome = self.run(words, &["--json"]);
        (
            outcome.code,
            serde_json::from_slice(&outcome.stdout).unwrap(),
        )
    }

    /// Fails if one of these layers was received.
    pub(super) fn has_no_layer(&self, layers: &[String]) {
        let files = walkdir::WalkDir::new(self.cache()).into_iter();
        let names: Vec<String> = files
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        assert!(!names.is_empty());
        for layer in layers {
            let hex = layer.trim_start_matches("sha256:");
            assert!(!names.iter().any(|name| name.contains(hex)), "{layer}");
        }
    }

    pub(super) fn digest(name: &str) -> String {
        let place = format!("docker://{name}");
        sha256(&skopeo(&["inspect", "--tls-verify=false", "--raw", &place]))
    }

    pub(super) fn image(name: &str) -> Image {
        let place = format!("docker://{name}");
        let read = |what: &str| -> Value {
            let words = ["inspect", "--tls-verify=false", what, &place];
            serde_json::from_slice(&skopeo(&words)).unwrap()
        };
        let manifest = read("--raw");
        let layers = manifest["layers"].as_array().unwrap().iter();
        let words = ["inspect", "--tls-verify=false", "--config", "--raw", &place];
        Image {
            config: serde_json::from_slice(&skopeo(&words)).unwrap(),
            layers: layers
                .map(|it| it["digest"].as_str().unwrap().to_owned())
                .collect(),
        }
    }

    /// Has skopeo read all images of an index, which checks every digest.
    pub(super) fn reads(name: &str) {
        let directory = crate::support::temporary();
        let (from, to) = (
            format!("docker://{name}"),
            format!("oci:{}:x", directory.path().display()),
        );
        skopeo(&["copy", "--all", "--src-tls-verify=false", &from, &to]);
    }

    /// The lab's distroless.
    pub(super) fn distroless(&self) -> Base {
        let directory = crate::support::temporary();
        let from = format!("docker://{}/gcr.io/{BASE}:nonroot", self.registry);
        let to = format!("dir:{}", directory.path().display());
        skopeo(&["copy", "--src-tls-verify=false", &from, &to]);
        let blob = |digest: &Value| {
            let hex = digest
                .as_str()
                .unwrap()
                .trim_start_matches("sha256:")
                .to_owned();
            fs_err::read(directory.path().join(hex)).unwrap()
        };
        let manifest = fs_err::read(directory.path().join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let config: Value = serde_json::from_slice(&blob(&manifest["config"]["digest"])).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap().iter();
        Base {
            layers: layers
                .zip(diff_ids)
                .map(|(layer, id)| (blob(&layer["digest"]), id.as_str().unwrap().to_owned()))
                .collect(),
            config,
        }
    }

    /// Pushes a base under a tag.
    pub(super) fn push_base(&self, base: &Base, tag: &str) {
        Self::push(base, &self.base(tag));
    }

    pub(super) fn push(base: &Base, name: &str) {
        let directory = crate::support::temporary();
        let write = |bytes: &[u8]| {
            let digest = sha256(bytes);
            let file = directory.path().join(digest.trim_start_matches("sha256:"));
            fs_err::write(file, bytes).unwrap();
            digest
        };
        let config = base.config.to_string();
        let layers = base.layers.iter().map(|(bytes, _)| {
            json!({
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": bytes.len(), "digest": write(bytes),
            })
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(), "digest": write(config.as_bytes()),
            },
            "layers": layers.collect::<Vec<_>>(),
        });
        let at = |name: &str| directory.path().join(name);
        fs_err::write(at("manifest.json"), manifest.to_string()).unwrap();
        fs_err::write(at("version"), "Directory Transport Version: 1.1\n").unwrap();
        let from = format!("dir:{}", directory.path().display());
        let to = format!("docker://{name}");
        skopeo(&["copy", "--dest-tls-verify=false", &from, &to]);
    }
}

/// A library that a compiler made.
pub(super) fn library(
    directory: &Path,
    file: &str,
    soname: &str,
    text: &str,
    versions: &str,
    with: &[&str],
) -> Vec<u8> {
    let path = |name: &str| directory.join(name);
    fs_err::write(path("x.c"), text).unwrap();
    fs_err::write(path("x.map"), versions).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-nostdlib", "-o", file, "x.c"]);
    cc.arg(format!("-Wl,-soname,{soname}"));
    if !versions.is_empty() {
        cc.arg("-Wl,--version-script=x.map");
    }
    let status = cc.args(with).current_dir(directory).status();
    assert!(status.unwrap().success());
    fs_err::read(path(file)).unwrap()
}
