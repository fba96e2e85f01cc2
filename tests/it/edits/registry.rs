//! A registry of npm in this process, with small packages.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

/// Every package is this old, so that no rule about new packages matters.
const DATE: &str = "2020-01-01T00:00:00.000Z";

/// Answers until the process ends.
pub(super) struct Registry {
    address: String,
}

impl Registry {
    /// Serves these packages: name, version, and what the manifest has besides.
    pub(super) fn start(packages: &BTreeMap<String, BTreeMap<String, Value>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let mut answers: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (name, versions) in packages {
            let mut all = serde_json::Map::new();
            for (version, more) in versions {
                let mut manifest = json!({"name": name, "version": version, "main": "index.js"});
                let own = manifest.as_object_mut().unwrap();
                own.extend(more.as_object().cloned().unwrap_or_default());
                let tarball = tarball(&manifest.to_string(), name);
                let path = format!("{name}/-/{name}-{version}.tgz");
                let hash = BASE64_STANDARD.encode(Sha512::digest(&tarball));
                manifest["dist"] = json!({
                    "tarball": format!("{address}{path}"),
                    "integrity": format!("sha512-{hash}"),
                });
                answers.insert(path, tarball);
                all.insert(version.clone(), manifest);
            }
            let times = versions
                .keys()
                .map(|version| (version.clone(), json!(DATE)));
            let latest = versions.keys().last();
            let packument = json!({
                "name": name,
                "dist-tags": {"latest": latest},
                "versions": all,
                "time": times.collect::<serde_json::Map<_, _>>(),
                "modified": DATE,
            });
            answers.insert(name.clone(), packument.to_string().into_bytes());
        }
        let answers = Arc::new(answers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = Arc::clone(&answers);
                thread::spawn(move || answer(stream, &answers));
            }
        });
        Self { address }
    }

    /// What pnpm has to be told, and where it keeps what it downloads.
    pub(super) fn settings(&self, home: &Path) -> Vec<(&'static str, OsString)> {
        vec![
            ("registry", OsString::from(&self.address)),
            ("store_dir", home.join("store").into_os_string()),
            ("cache_dir", home.join("cache").into_os_string()),
        ]
    }
}

/// Answers one request.
fn answer(stream: TcpStream, answers: &BTreeMap<String, Vec<u8>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    // A client that is answered before it has asked all sees a reset.
    lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
    let (status, body) = match answers.get(&path) {
        Some(body) => ("200 OK", &**body),
        None => ("404 Not Found", &[][..]),
    };
    let mut stream = stream;
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    stream.write_all(body).ok()
}

/// A package of a manifest and one module.
fn tarball(manifest: &str, name: &str) -> Vec<u8> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut tar = tar::Builder::new(gzip);
    let module = format!("module.exports = '{name}'\n");
    for (path, text) in [("package.json", manifest), ("index.js", &module)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        let path = format!("package/{path}");
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}
