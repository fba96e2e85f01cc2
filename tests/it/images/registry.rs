//! A registry of one package that asks for a token, and builds that need it.

mod authority;

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha512};
use slimbuild::Env;

use crate::support::archive::entries;
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon};
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;
use crate::support::unique;

/// `@priv/words@1.0.0`, packed. The words make it unique, so that no store has it already.
fn packed(words: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in [
        (
            "package/package.json",
            r#"{"name": "@priv/words", "version": "1.0.0"}"#.to_owned(),
        ),
        ("package/index.js", format!("module.exports = '{words}';\n")),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    gzip(&tar.into_inner().unwrap())
}

/// gzip's format without its compression (RFC 1951, 3.2.4, and RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    });
    let length = u16::try_from(bytes.len()).unwrap();
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend(bytes);
    packed.extend((!crc).to_le_bytes());
    packed.extend(u32::from(length).to_le_bytes());
    packed
}

/// A registry that runs until the test ends.
struct Registry {
    /// `192.0.2.2:4873`
    host: String,
    /// Of the package.
    integrity: String,
    /// Whether each request had the token.
    asked: Arc<Mutex<Vec<bool>>>,
}

impl Registry {
    fn start(token: &str, words: &str) -> Self {
        let packed = packed(words);
        let hash = BASE64_STANDARD.encode(Sha512::digest(&packed));
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let host = format!("{}:{}", address(), listener.local_addr().unwrap().port());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (known, token) = (Arc::clone(&asked), format!("bearer {token}"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let welcome = answer(stream, &token, &packed);
                known.lock().unwrap().extend(welcome);
            }
        });
        Self {
            host,
            integrity: format!("sha512-{hash}"),
            asked,
        }
    }
}

/// An address of this machine that containers can reach. Nothing is sent.
fn address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.254:9").unwrap();
    socket.local_addr().unwrap().ip()
}

fn answer(mut stream: TcpStream, token: &str, packed: &[u8]) -> Option<bool> {
    let mut welcome = false;
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        let line = line.to_lowercase();
        if line.is_empty() {
            break;
        }
        welcome |= line.strip_prefix("authorization: ") == Some(token);
    }
    let (status, body) = if welcome {
        ("200 OK", packed)
    } else {
        ("401 Unauthorized", &b"{}"[..])
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    Some(welcome)
}

/// An app that needs the package, and whose build needs a secret variable.
fn workspace(registry: &Registry, credential: &str) -> Tree {
    let Registry {
        host, integrity, ..
    } = registry;
    let npmrc = format!("@priv:registry=http://{host}/\n//{host}/:_authToken={credential}\n");
    let lockfile = format!(
        "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {{}}\n\n  \
         apps/api:\n    dependencies:\n      '@priv/words':\n        specifier: 1.0.0\n        version: 1.0.0\n\npackages:\n\n  '@priv/words@1.0.0':\n    \
         resolution: {{integrity: {integrity}}}\n\nsnapshots:\n\n  '@priv/words@1.0.0': {{}}\n"
    );
    Tree::new(&[
        (".npmrc", &npmrc),
        (
            "package.json",
            r#"{"private": true, "packageManager": "pnpm@10.34.8"}"#,
        ),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        ("pnpm-lock.yaml", &lockfile),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"passThroughEnv": ["SIGNING_KEY"]}}}"#,
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"build": "node build.js", "start": "node index.js"}, "dependencies": {"@priv/words": "1.0.0"}}"#,
        ),
        (
            "apps/api/build.js",
            "require('fs').writeFileSync('length.txt', String(process.env.SIGNING_KEY.length));\n",
        ),
        (
            "apps/api/index.js",
            "const length = require('fs').readFileSync('length.txt', 'utf8');\nrequire('http').createServer((_, response) => \
             response.end(`${require('@priv/words')}, ${length}`)).listen(3000);\n",
        ),
    ])
}

fn built(daemon: &Daemon, tree: &Tree, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let docker = [("DOCKER_HOST", daemon.address.as_str())];
    let env: Env = docker.iter().chain(variables).copied().collect();
    slimbuild_with(tree.root(), arguments, &env)
}

#[test]
fn secrets_serve_a_build_and_leave_no_trace() {
    each_daemon("secrets_serve_a_build_and_leave_no_trace", |daemon| {
        let (token, key) = (format!("token-{}", unique()), format!("key-{}", unique()));
        let words = format!("words {}", unique());
        let registry = Registry::start(&token, &words);
        let tree = workspace(&registry, "${NPM_TOKEN}");
        let tag = daemon.tag("secrets");
        let variables = [("NPM_TOKEN", &*token), ("KEY", &*key)];
        let arguments = [
            "apps/api",
            "-t",
            &tag.name,
            "--secret",
            "id=NPM_TOKEN",
            "--secret",
            "id=SIGNING_KEY,env=KEY",
        ];
        let outcome = built(daemon, &tree, &arguments, &variables);
        assert!(!outcome.stderr.contains(&token) && !outcome.stderr.contains(&key));
        outcome.bytes();
        assert!(registry.asked.lock().unwrap().contains(&true));
        let container = Container::start(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/"), format!("{words}, {}", key.len()));
        for entry in container.files() {
            let text = String::from_utf8_lossy(&entry.content);
            assert!(
                !text.contains(&token) && !text.contains(&key),
                "{}",
                entry.path
            );
        }
        let history = daemon.wait(daemon.client.image_history(&tag.name));
        let shown = format!("{:?}{history:?}", daemon.image(&tag.name));
        assert!(!shown.contains(&token) && !shown.contains(&key));
        // Another value does not make another build.
        let variables = [("NPM_TOKEN", "0ther"), ("KEY", "0ther")];
        let again = built(daemon, &tree, &arguments, &variables);
        assert!(again.stderr.contains("cached"), "{}", again.stderr);
        again.bytes();
        for command in ["plan", "dockerfile"] {
            let outcome = built(
                daemon,
                &tree,
                &[&[command][..], &["apps/api"], &arguments[3..]].concat(),
                &variables,
            );
            let text = outcome.text();
            assert!(
                text.contains("SIGNING_KEY") && !text.contains("0ther"),
                "{text}"
            );
        }
        let context = built(daemon, &tree, &["context", "apps/api", "-o", "-"], &[]);
        for entry in entries(&context.bytes()) {
            let text = String::from_utf8_lossy(&entry.content);
            assert!(!text.contains("_authToken"), "{}", entry.path);
        }
    });
}

#[test]
fn credentials_of_a_workspace_serve_its_installs() {
    each_daemon("credentials_of_a_workspace_serve_its_installs", |daemon| {
        let token = format!("token-{}", unique());
        let registry = Registry::start(&token, &unique());
        let tree = workspace(&registry, &token);
        tree.write("turbo.json", "{}");
        tree.write(
            "apps/api/build.js",
            "require('fs').writeFileSync('length.txt', '0');\n",
        );
        let tag = daemon.tag("credentials");
        let outcome = built(daemon, &tree, &["apps/api", "-t", &tag.name], &[]);
        assert!(!outcome.stderr.contains(&token), "{}", outcome.stderr);
        outcome.bytes();
        let asked = registry.asked.lock().unwrap();
        assert!(!asked.is_empty() && asked.iter().all(|welcome| *welcome));
    });
}
