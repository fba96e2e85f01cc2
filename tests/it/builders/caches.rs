//! Caches that are not in a registry: in a directory of this machine, and in GitHub's cache.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use slimbuild::Env;

use super::{Lab, SECRET, SECRETS, app, assert_no_secret, change, forget};
use crate::support::daemon::{Daemon, each_daemon, newest_daemon};
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::steps::steps;
use crate::support::tree::Tree;
use crate::support::unique;

const TO: &str = "type=local,dest=caches/api,mode=max";
const FROM: &str = "type=local,src=caches/api";

/// Steps of the install, which a cache saves after a change of sources.
fn installs(outcome: &Outcome) -> Vec<String> {
    let early = |step: &String| {
        let stages = ["base", "deps", "modules"];
        stages
            .iter()
            .any(|stage| step.starts_with(&format!("{stage}: ")))
    };
    steps(&outcome.stderr)
        .ran()
        .into_iter()
        .filter(early)
        .collect()
}

/// Whether the app was built.
fn builds(outcome: &Outcome) -> bool {
    let ran = steps(&outcome.stderr).ran();
    ran.iter().any(|step| step.starts_with("build-apps-api: "))
}

/// A cold runner keeps a directory, as CI systems offer it, and the builder forgets everything.
#[test]
fn a_cache_in_a_directory_outlives_the_builder() {
    let test = "a_cache_in_a_directory_outlives_the_builder";
    let Some(lab) = Lab::new(test) else { return };
    newest_daemon(test, |forgetful| {
        let tree = app();
        let common = ["apps/api", "-o", "x.tar", "--progress", "json"];
        let both = ["--cache-from", FROM, "--cache-to", TO];
        let first = lab.build(&tree, &[&common[..], &SECRETS, &both].concat());
        assert_eq!(first.code, 0, "{}", first.stderr);
        let missing = "there is no cache `latest` in `";
        assert!(first.stderr.contains(missing), "{}", first.stderr);
        assert_layout(&tree.root().join("caches/api"));

        forget(forgetful);
        let again = lab.build(&tree, &[&common[..], &SECRETS, &both].concat());
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert_eq!(installs(&again), [""; 0]);
        assert!(!builds(&again), "{}", again.stderr);
        assert!(!again.stderr.contains(missing), "{}", again.stderr);

        // A Docker daemon has the same way, and reads what the builder has left.
        forget(forgetful);
        change(&tree, &unique());
        let tag = forgetful.tag("local-cache");
        let own = ["apps/api", "-t", &tag.name, "--progress", "json"];
        let changed = forgetful.slimbuild(tree.root(), &[&own[..], &SECRETS, &both].concat());
        assert_eq!(changed.code, 0, "{}", changed.stderr);
        assert_eq!(installs(&changed), [""; 0]);
        assert!(builds(&changed), "{}", changed.stderr);
        assert_layout(&tree.root().join("caches/api"));
    });
}

/// The directory is an OCI layout with one tag, and no blob has the secret.
fn assert_layout(directory: &Path) {
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs_err::read(directory.join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = read("index.json");
    let manifests = index["manifests"].as_array().unwrap();
    assert_eq!(manifests.len(), 1, "{index}");
    let tag = &manifests[0]["annotations"]["org.opencontainers.image.ref.name"];
    assert_eq!(*tag, "latest");
    let digest = manifests[0]["digest"].as_str().unwrap();
    let manifest = read(&format!("blobs/{}", digest.replace(':', "/")));
    assert!(
        manifest["layers"].as_array().unwrap().len() > 3,
        "{manifest}"
    );
    for blob in fs_err::read_dir(directory.join("blobs/sha256")).unwrap() {
        let path = blob.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name.len(), 64, "what is not complete does not stay: {name}");
        assert_no_secret(name, &fs_err::read(&path).unwrap());
    }
}

/// A daemon without containerd's image store can read caches only; the refusal comes first.
#[test]
fn daemons_without_containerds_store_write_no_cache_in_a_directory() {
    let test = "daemons_without_containerds_store_write_no_cache_in_a_directory";
    each_daemon(test, |daemon| {
        let tree = app();
        let arguments = ["apps/api", "-q", "--cache-to", TO];
        let refused = daemon.slimbuild(tree.root(), &[&arguments[..], &SECRETS].concat());
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        let why = "cannot write a cache outside of the image";
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
        assert!(!tree.root().join("caches").exists());
    });
}

/// A directory that cannot be made, a cache that is none.
#[test]
fn directories_that_do_not_fit_are_told_before_the_build() {
    let test = "directories_that_do_not_fit_are_told_before_the_build";
    let Some(lab) = Lab::new(test) else { return };
    let tree = app();
    tree.write("file", "");
    let to = [
        "apps/api",
        "-q",
        "-o",
        "x.tar",
        "--cache-to",
        "type=local,dest=file/cache",
    ];
    let refused = lab.build(&tree, &[&to[..], &SECRETS].concat());
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    let why = format!(
        "cannot keep a cache in `{}/file/cache`",
        tree.root().display()
    );
    assert!(refused.stderr.contains(&why), "{}", refused.stderr);
    for (flag, text, why) in [
        (
            "--cache-to",
            "type=local,src=x",
            "write `dest=DIR`, not `src=DIR`",
        ),
        ("--cache-from", "type=local", "`src=DIR` is missing"),
        (
            "--cache-to",
            "type=s3,bucket=x",
            "there is no cache of the type `s3`: there are `type=registry,ref=NAME`",
        ),
        (
            "--cache-to",
            "type=gha,token=hunter2-token,hunter2",
            "it is not of the form",
        ),
        (
            "--cache-to",
            "type=gha",
            "needs the variables ACTIONS_RUNTIME_TOKEN and",
        ),
    ] {
        let refused = lab.build(&tree, &["apps/api", flag, text]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
}

/// What a stand-in for GitHub's cache holds: requests with the right token, and entries by key.
#[derive(Default)]
struct Held {
    authorized: usize,
    refused: Vec<String>,
    /// Keys in the order of their reservation, which gives them numbers from 1 on.
    keys: Vec<String>,
    contents: BTreeMap<usize, Vec<u8>>,
}

/// Speaks the first version of GitHub's protocol for caches, as BuildKit's client calls it.
struct GitHub {
    address: String,
    token: String,
    held: Arc<Mutex<Held>>,
}

impl GitHub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let claims = json!({
            "ac": r#"[{"Scope": "refs/heads/main", "Permission": 3}]"#,
            "nbf": 1, "exp": 32_503_680_000_u64,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = json!({ "alg": "HS256", "typ": "JWT" });
        let token = format!("{}.{}.c2lnbmF0dXJl", part(&head), part(&claims));
        let held = Arc::new(Mutex::new(Held::default()));
        let (all, known, own) = (Arc::clone(&held), token.clone(), address.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (held, known, own) = (Arc::clone(&all), known.clone(), own.clone());
                thread::spawn(move || while serve(&stream, &held, &known, &own).is_some() {});
            }
        });
        Self {
            address,
            token,
            held,
        }
    }
}

/// Answers one request. `None` is the end of the connection.
fn serve(
    stream: &std::io::Result<TcpStream>,
    held: &Mutex<Held>,
    token: &str,
    own: &str,
) -> Option<()> {
    let stream = stream.as_ref().ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let mut length = 0;
    let (mut authorized, mut from) = (false, 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match &*name.to_lowercase() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorized = value == format!("Bearer {token}"),
            "content-range" | "range" => {
                let start = value
                    .trim_start_matches("bytes")
                    .trim_start_matches(['=', ' ']);
                from = start.split('-').next()?.parse().ok()?;
            }
            // Go's client sends chunks of which it does not know the size.
            "transfer-encoding" => length = usize::MAX,
            _ => {}
        }
    }
    let mut body = Vec::new();
    if length == usize::MAX {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        body.resize(length, 0);
        reader.read_exact(&mut body).ok()?;
    }
    let mut held = held.lock().unwrap();
    let number = path
        .rsplit('/')
        .next()
        .and_then(|last| last.parse::<usize>().ok());
    if authorized {
        held.authorized += 1;
    } else if !path.starts_with("/blob/") {
        held.refused.push(path.clone());
    }
    let (status, mut answer) = match (&*method, number) {
        ("GET", Some(number)) => {
            let content = held.contents.get(&number).cloned().unwrap_or_default();
            (
                if from > 0 { "206 Partial" } else { "200 OK" },
                content[from..].to_vec(),
            )
        }
        ("GET", None) => {
            let query = path.split_once("keys=")?.1.split('&').next()?;
            let wanted = query.replace("%3A", ":").replace("%23", "#");
            // The newest key that begins so.
            let found = (0..held.keys.len()).rev().find(|at| {
                held.keys[*at].starts_with(&wanted) && held.contents.contains_key(&(at + 1))
            });
            match found {
                None => ("204 No Content", Vec::new()),
                Some(at) => {
                    let entry = json!({
                        "cacheKey": held.keys[at], "scope": "refs/heads/main",
                        "archiveLocation": format!("{own}/blob/{}", at + 1),
                    });
                    ("200 OK", entry.to_string().into_bytes())
                }
            }
        }
        ("PATCH", Some(number)) => {
            let content = held.contents.entry(number).or_default();
            content.resize(content.len().max(from + body.len()), 0);
            content[from..from + body.len()].copy_from_slice(&body);
            ("204 No Content", Vec::new())
        }
        ("POST", None) => {
            let asked: Value = serde_json::from_slice(&body).unwrap();
            held.keys.push(asked["key"].as_str()?.to_owned());
            let id = json!({ "cacheId": held.keys.len() });
            ("201 Created", id.to_string().into_bytes())
        }
        _ => ("204 No Content", Vec::new()),
    };
    let range = if from > 0 {
        format!(
            "Content-Range: bytes {from}-{}/*\r\n",
            from + answer.len().max(1) - 1
        )
    } else {
        String::new()
    };
    let length = if status.starts_with("204") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", answer.len())
    };
    let head = format!("HTTP/1.1 {status}\r\n{range}{length}\r\n");
    let mut whole = head.into_bytes();
    whole.append(&mut answer);
    let mut writer = stream;
    writer.write_all(&whole).ok()
}

/// The builder talks to GitHub's cache itself; a stand-in shows that it is told the right things, and
/// that the token goes nowhere else. GitHub's own service was never asked.
#[test]
fn githubs_cache_is_used_with_the_variables_of_a_job() {
    let test = "githubs_cache_is_used_with_the_variables_of_a_job";
    newest_daemon(test, |daemon| {
        let github = GitHub::start();
        let tree = app();
        let first = built(daemon, &tree, &github);
        assert_eq!(first.code, 0, "{}", first.stderr);
        {
            let held = github.held.lock().unwrap();
            assert!(held.authorized > 5, "{} requests", held.authorized);
            assert!(held.refused.is_empty(), "{:?}", held.refused);
            assert!(
                held.keys.iter().any(|key| key.starts_with("index-shop-")),
                "{:?}",
                held.keys
            );
            for content in held.contents.values() {
                assert_no_secret("GitHub's cache", content);
            }
        }
        forget(daemon);
        let again = built(daemon, &tree, &github);
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert_eq!(steps(&again.stderr).ran(), [""; 0]);
        for text in [&first.stderr, &again.stderr, &tree.read("m.json")] {
            assert!(
                !text.contains(&github.token) && !text.contains(SECRET),
                "{text}"
            );
        }
    });
}

fn built(daemon: &Daemon, tree: &Tree, github: &GitHub) -> Outcome {
    let env: Env = [
        ("DOCKER_HOST", &*daemon.address),
        ("ACTIONS_RUNTIME_TOKEN", &github.token),
        ("ACTIONS_CACHE_URL", &github.address),
    ]
    .into_iter()
    .collect();
    let tag = daemon.tag("gha");
    let common = [
        "apps/api",
        "-t",
        &tag.name,
        "--progress",
        "json",
        "--metadata-file",
        "m.json",
    ];
    let caches = [
        "--cache-from",
        "type=gha,scope=shop",
        "--cache-to",
        "type=gha,scope=shop,mode=max",
    ];
    slimbuild_with(
        tree.root(),
        &[&common[..], &SECRETS, &caches].concat(),
        &env,
    )
}
