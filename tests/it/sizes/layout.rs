//! Images that a test makes, as OCI layouts and as what old engines save.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use slimbuild::internals::Digest;

/// An image: its layers with their files, and how it is run.
#[derive(Clone)]
pub(super) struct ImageOf {
    pub(super) layers: Vec<Vec<(String, Vec<u8>)>>,
    pub(super) config: Value,
}

impl Default for ImageOf {
    fn default() -> Self {
        Self {
            layers: Vec::new(),
            config: json!({ "WorkingDir": "/app/apps/server" }),
        }
    }
}

/// Some code: a text of this length that compresses as code does.
pub(super) fn code(bytes: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut state = 7_u32;
    while text.len() < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (one, other) = (state >> 20, state >> 24);
        text.push_str("const value");
        text.push_str(&one.to_string());
        text.push_str(" = require('");
        text.push_str(&other.to_string());
        text.push_str("');\n");
    }
    text.truncate(bytes);
    text.into_bytes()
}

/// The files of a package as pnpm lays them out.
pub(super) fn package(name: &str, version: &str, bytes: usize) -> Vec<(String, Vec<u8>)> {
    let place = format!(
        "app/node_modules/.pnpm/{}@{version}/node_modules/{name}",
        name.replace('/', "+")
    );
    let manifest = format!(r#"{{"name":"{name}","version":"{version}"}}"#);
    vec![
        (format!("{place}/package.json"), manifest.into_bytes()),
        (format!("{place}/index.js"), code(bytes)),
    ]
}

/// A small server: a base, modules, the app.
pub(super) fn server() -> ImageOf {
    let text = |text: &str| text.as_bytes().to_vec();
    let base = vec![
        ("etc/motd".into(), text("hello")),
        ("nodejs/bin/node".into(), code(300_000)),
        ("usr/lib/x86_64-linux-gnu/libc.so.6".into(), code(90_000)),
        (
            "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2".into(),
            code(9_000),
        ),
        (
            "var/lib/dpkg/status.d/libc6".into(),
            text("Package: libc6\nVersion: 2.36-9\n"),
        ),
        (
            "var/lib/dpkg/status.d/libc6.md5sums".into(),
            text(
                "0  lib/x86_64-linux-gnu/libc.so.6\n0  lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\n",
            ),
        ),
    ];
    let mut modules = package("fastify", "5.2.0", 50_000);
    modules.extend(package("ajv", "6.12.6", 20_000));
    modules.extend(package("ajv", "8.17.1", 30_000));
    modules.extend(package("@img/sharp-linuxmusl-x64", "0.33.5", 40_000));
    let musl = modules
        .iter_mut()
        .find(|(path, _)| path.ends_with("sharp-linuxmusl-x64/package.json"));
    if let Some((_, manifest)) = musl {
        *manifest = text(
            r#"{"name":"@img/sharp-linuxmusl-x64","version":"0.33.5","os":["linux"],"cpu":["x64"]}"#,
        );
    }
    let fastify = "app/node_modules/.pnpm/fastify@5.2.0/node_modules/fastify";
    modules.push((format!("{fastify}/index.js.map"), code(8_000)));
    modules.push((format!("{fastify}/README.md"), code(2_000)));
    let app = vec![
        (
            "app/packages/catalog/package.json".into(),
            text(r#"{"name":"@shop/catalog"}"#),
        ),
        ("app/packages/catalog/dist/index.js".into(), code(7_000)),
        (
            "app/apps/server/package.json".into(),
            text(r#"{"name":"@shop/server"}"#),
        ),
        ("app/apps/server/dist/main.js".into(), code(5_000)),
        // It replaces a file of the base, and removes another.
        ("etc/motd".into(), text("bye")),
    ];
    ImageOf {
        layers: vec![base, modules, app],
        config: json!({
            "User": "65532:65532",
            "Env": ["PATH=/nodejs/bin", "NODE_ENV=production", "NODE_VERSION=22.11.0"],
            "Entrypoint": ["/nodejs/bin/node"],
            "Cmd": ["dist/main.js"],
            "WorkingDir": "/app/apps/server",
            "ExposedPorts": { "3000/tcp": {} },
            "Labels": { "org.opencontainers.image.base.name": "gcr.io/distroless/nodejs22-debian12:nonroot" },
        }),
    }
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, &**bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl ImageOf {
    /// The tars of its layers.
    pub(super) fn tars(&self) -> Vec<Vec<u8>> {
        self.layers.iter().map(|layer| tar(layer)).collect()
    }

    /// Its configuration.
    fn configuration(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self
            .tars()
            .iter()
            .map(|tar| Digest::of(tar).to_string())
            .collect();
        let history: Vec<Value> = (0..diff_ids.len())
            .map(|at| json!({ "created_by": format!("COPY layer{at}/ ./ # buildkit") }))
            .collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        });
        config.to_string().into_bytes()
    }

    /// Writes an OCI layout.
    pub(super) fn layout(&self, directory: &Path) {
        let blobs = directory.join("blobs/sha256");
        fs_err::create_dir_all(&blobs).unwrap();
        let keep = |kind: &str, bytes: &[u8]| {
            let digest = Digest::of(bytes);
            fs_err::write(blobs.join(digest.hex()), bytes).unwrap();
            json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
        };
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers = self
            .tars()
            .iter()
            .map(|tar| keep(kind, &gzip(tar)))
            .collect::<Vec<_>>();
        let config = keep(
            "application/vnd.oci.image.config.v1+json",
            &self.configuration(),
        );
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers });
        let manifest = keep(kind, manifest.to_string().as_bytes());
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs_err::write(directory.join("index.json"), index.to_string()).unwrap();
        let version = json!({ "imageLayoutVersion": "1.0.0" });
        fs_err::write(directory.join("oci-layout"), version.to_string()).unwrap();
    }

    /// Writes what an old engine saves: uncompressed layers.
    pub(super) fn saved(&self, file: &Path) {
        let mut files = vec![("config.json".to_owned(), self.configuration())];
        let mut names = Vec::new();
        for (at, tar) in self.tars().into_iter().enumerate() {
            names.push(format!("{at}/layer.tar"));
            files.push((format!("{at}/layer.tar"), tar));
        }
        let manifest =
            json!([{ "Config": "config.json", "RepoTags": ["server:1"], "Layers": names }]);
        files.push((
            "manifest.json".to_owned(),
            manifest.to_string().into_bytes(),
        ));
        fs_err::write(file, tar(&files)).unwrap();
    }
}
