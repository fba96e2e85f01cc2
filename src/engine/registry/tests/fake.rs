//! A registry in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::image::oci::Image;
use crate::model::digest::Digest;
use crate::store::cache::Cache;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Status(u16),
    /// It is asked too often, and says after how many seconds it may be asked again.
    Wait(u32),
    /// The connection ends after so many bytes of the body; before the answer where there are none.
    Cut(usize),
    /// The first byte is another.
    Damaged,
    /// Nothing is answered for a long time.
    Silence,
    /// A byte of the answer from time to time.
    Drip,
    /// What is sent is not read.
    Deaf,
    /// The answer has this status, and no end.
    Endless(u16),
}

#[derive(Default)]
struct State {
    /// By digest, and who has them.
    blobs: BTreeMap<String, (Vec<u8>, BTreeSet<String>)>,
    /// By `repository/tag` and by `repository/digest`.
    manifests: BTreeMap<String, Vec<u8>>,
    faults: Vec<(String, Fault)>,
    asked: Vec<String>,
    ranges: Vec<(String, String)>,
    password: Option<String>,
    no_mounts: bool,
    /// Whether it lists what refers to an image.
    lists: bool,
    /// Where tokens are handed out, which tell what they are for.
    realm: Option<String>,
    /// How much was sent without an end.
    endless: u64,
}

/// It is there until the test ends.
pub(super) struct Fake {
    pub(super) address: String,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // Who goes away in the middle is no reason to fail.
                std::thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        Self { address, state }
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has an image.
    pub(super) fn serve(&self, repository: &str, tag: &str, image: &Image, cache: &Cache) {
        let layers = image.layers.iter().map(|layer| &layer.descriptor.digest);
        let mut blobs: Vec<Vec<u8>> = layers
            .map(|digest| fs_err::read(cache.path(digest)).unwrap())
            .collect();
        blobs.push(image.config_json());
        self.state(|state| {
            for bytes in blobs {
                let blob = state.blobs.entry(Digest::of(&bytes).to_string());
                let (_, whose) = blob.or_insert((bytes, BTreeSet::new()));
                whose.insert(repository.to_owned());
            }
        });
        self.tag(repository, tag, &image.manifest_json());
    }

    pub(super) fn tag(&self, repository: &str, tag: &str, manifest: &[u8]) {
        let digest = Digest::of(manifest);
        self.state(|state| {
            for name in [tag, &digest.to_string()] {
                let key = format!("{repository}/{name}");
                state.manifests.insert(key, manifest.to_vec());
            }
        });
    }

    /// Fails once where a request begins like this.
    pub(super) fn fail(&self, request: &str, fault: Fault) {
        self.state(|state| state.faults.push((request.to_owned(), fault)));
    }

    /// Lists what refers to an image from now on.
    pub(super) fn list_referrers(&self) {
        self.state(|state| state.lists = true);
    }

    /// What is there under a tag.
    pub(super) fn there(&self, name: &str) -> Option<Vec<u8>> {
        self.state(|state| state.manifests.get(name).cloned())
    }

    /// Wants `user:password` from now on.
    pub(super) fn protect(&self, password: &str) {
        let word = format!("Basic {}", BASE64_STANDARD.encode(password));
        self.state(|state| state.password = Some(word));
    }

    /// Wants a token from now on, which `user:password` gets, or who has the identity token
    /// `identity`.
    pub(super) fn want_tokens(&self, password: &str) {
        self.protect(password);
        let realm = format!("http://{}/token", self.address);
        self.state(|state| state.realm = Some(realm));
    }

    /// How many bytes answers without an end had by now.
    pub(super) fn endless(&self) -> u64 {
        self.state(|state| state.endless)
    }

    pub(super) fn no_mounts(&self) {
        self.state(|state| state.no_mounts = true);
    }

    /// The requests that begin like this, those that look whether it is there aside.
    pub(super) fn asked(&self, start: &str) -> Vec<String> {
        let is_it = |request: &&String| request.starts_with(start) && *request != "GET /v2/";
        self.state(|state| state.asked.iter().filter(is_it).cloned().collect())
    }

    /// Which parts of a blob were asked for.
    pub(super) fn ranges(&self, digest: &str) -> Vec<String> {
        let is_it = |(request, _): &&(String, String)| request.ends_with(digest);
        self.state(|state| {
            let ranges = state.ranges.iter().filter(is_it);
            ranges.map(|(_, range)| range.clone()).collect()
        })
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let (mut length, mut range, mut who) = (0, String::new(), String::new());
    for header in reader.by_ref().lines() {
        let header = header?;
        let Some((name, value)) = header.split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or_default(),
            "range" => value.clone_into(&mut range),
            "authorization" => value.clone_into(&mut who),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    let request = format!("{method} {target}");
    let is_deaf = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut faults = state.faults.iter();
        let at = faults.position(|(start, fault)| {
            matches!(fault, Fault::Deaf) && request.starts_with(start.as_str())
        });
        at.map(|at| state.faults.remove(at)).is_some()
    };
    if is_deaf {
        std::thread::sleep(std::time::Duration::from_secs(30));
    }
    reader.read_exact(&mut body)?;
    let (mut reply, fault) = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.push(request.clone());
        if !range.is_empty() {
            state.ranges.push((request.clone(), range.clone()));
        }
        let at = state
            .faults
            .iter()
            .position(|(start, _)| request.starts_with(start.as_str()));
        let fault = at.map(|at| state.faults.remove(at).1);
        let reply = match (&state.password, fault) {
            (Some(_), _) if state.realm.is_some() => state.with_token(&request, &who, &range, body),
            (Some(password), _) if *password != who => {
                Reply::new(401).with("WWW-Authenticate: Basic realm=\"fake\"")
            }
            (_, Some(Fault::Status(status))) => Reply::new(status),
            (_, Some(Fault::Wait(seconds))) => {
                Reply::new(429).with(&format!("Retry-After: {seconds}"))
            }
            // What goes wrong on the way in leaves nothing.
            (_, Some(Fault::Cut(0))) => return Ok(()),
            _ => state.reply(&method, &target, &range, None, body),
        };
        (reply, fault)
    };
    if let Some(Fault::Silence) = fault {
        std::thread::sleep(std::time::Duration::from_secs(30));
    }
    if let Some(Fault::Endless(status)) = fault {
        let head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let spaces = vec![b' '; 1 << 16];
        loop {
            stream.write_all(&spaces)?;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.endless += spaces.len() as u64;
        }
    }
    if let (Some(Fault::Damaged), Some(first)) = (fault, reply.body.first_mut()) {
        *first ^= 1;
    }
    let head = format!(
        "HTTP/1.1 {} Status\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
        reply.status,
        reply.body.len(),
        reply.headers
    );
    stream.write_all(head.as_bytes())?;
    let end = match fault {
        Some(Fault::Cut(end)) => end.min(reply.body.len()),
        _ if method == "HEAD" => 0,
        _ => reply.body.len(),
    };
    if let Some(Fault::Drip) = fault {
        for byte in &reply.body[..end] {
            stream.write_all(&[*byte])?;
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        return Ok(());
    }
    stream.write_all(&reply.body[..end])
}

struct Reply {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Reply {
    fn new(status: u16) -> Self {
        Self {
            status,
            headers: String::new(),
            body: Vec::new(),
        }
    }

    fn with(mut self, header: &str) -> Self {
        self.headers = format!("{}{header}\r\n", self.headers);
        self
    }

    fn of(body: Vec<u8>) -> Self {
        Self {
            body,
            ..Self::new(200)
        }
    }
}

impl State {
    /// Hands tokens out, and sees to it that they are for what is asked for.
    fn with_token(&mut self, request: &str, who: &str, range: &str, body: Vec<u8>) -> Reply {
        let (method, target) = request.split_once(' ').unwrap_or_default();
        let decoded = |text: &str| {
            text.replace("%3A", ":")
                .replace("%2F", "/")
                .replace("%2C", ",")
        };
        if let Some(query) = target.strip_prefix("/token") {
            let form = String::from_utf8_lossy(&body).into_owned();
            let is_known = if method == "POST" {
                form.contains("grant_type=refresh_token")
                    && form.contains("refresh_token=identity&")
            } else {
                self.password.as_deref() == Some(who)
            };
            if !is_known {
                return Reply::new(401);
            }
            let asked = format!("{}&{form}", query.trim_start_matches('?'));
            let scopes = asked
                .split('&')
                .filter_map(|pair| pair.strip_prefix("scope="));
            let scopes: Vec<String> = scopes
                .map(|scope| decoded(scope).replace('+', "|"))
                .collect();
            let key = if method == "POST" {
                "access_token"
            } else {
                "token"
            };
            let answer = serde_json::json!({ key: scopes.join("|") });
            return Reply::of(serde_json::to_vec(&answer).unwrap());
        }
        let token = who.strip_prefix("Bearer ").unwrap_or_default();
        let repository = target
            .strip_prefix("/v2/")
            .and_then(|rest| rest.split('/').next());
        let right = if method == "GET" || method == "HEAD" {
            "pull"
        } else {
            "pull,push"
        };
        let scope = format!("repository:{}:{right}", repository.unwrap_or_default());
        if !token.split('|').any(|granted| granted.starts_with(&scope)) {
            let realm = self.realm.as_deref().unwrap_or_default();
            let header = format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"fake\"");
            return Reply::new(401).with(&header);
        }
        self.reply(method, target, range, Some(token), body)
    }

    fn reply(
        &mut self,
        method: &str,
        target: &str,
        range: &str,
        token: Option<&str>,
        body: Vec<u8>,
    ) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.find(|(key, _)| *key == name)?.1;
            Some(value.replace("%3A", ":").replace("%2F", "/"))
        };
        let Some(rest) = path.strip_prefix("/v2/").filter(|rest| !rest.is_empty()) else {
            return Reply::new(200);
        };
        let (repository, kind, name) = match rest.split('/').collect::<Vec<_>>()[..] {
            [repository, "blobs", "uploads", _] => (repository, "uploads", ""),
            [repository, kind, name] => (repository, kind, name),
            _ => return Reply::new(404),
        };
        match (method, kind) {
            ("GET" | "HEAD", "manifests") => {
                let found = self.manifests.get(&format!("{repository}/{name}"));
                found.map_or(Reply::new(404), |bytes| Reply::of(bytes.clone()))
            }
            ("GET" | "HEAD", "blobs") => {
                let found = self.blobs.get(name);
                let found = found.filter(|(_, whose)| whose.contains(repository));
                let Some((bytes, _)) = found else {
                    return Reply::new(404);
                };
                let from = range
                    .strip_prefix("bytes=")
                    .and_then(|it| it.strip_suffix('-'));
                match from.and_then(|from| from.parse::<usize>().ok()) {
                    Some(from) => Reply {
                        body: bytes[from..].to_vec(),
                        ..Reply::new(206)
                    },
                    None => Reply::of(bytes.clone()),
                }
            }
            ("POST", "uploads") => {
                let mount = parameter("mount").filter(|_| !self.no_mounts);
                let from = parameter("from").unwrap_or_default();
                let may =
                    token.is_none_or(|token| token.contains(&format!("repository:{from}:pull")));
                if let Some(digest) = mount.filter(|_| may)
                    && let Some((_, whose)) = self.blobs.get_mut(&digest)
                    && whose.contains(&from)
                {
                    whose.insert(repository.to_owned());
                    return Reply::new(201)
                        .with(&format!("Location: /v2/{repository}/blobs/{digest}"));
                }
                Reply::new(202).with(&format!("Location: /v2/{repository}/blobs/uploads/1"))
            }
            ("PUT", "uploads") => {
                let digest = Digest::of(&body).to_string();
                if parameter("digest").as_ref() != Some(&digest) {
                    return Reply::new(400);
                }
                let (_, whose) = self
                    .blobs
                    .entry(digest.clone())
                    .or_insert((body, BTreeSet::new()));
                whose.insert(repository.to_owned());
                Reply::new(201).with(&format!("Location: /v2/{repository}/blobs/{digest}"))
            }
            ("PUT", "manifests") => {
                let digest = Digest::of(&body).to_string();
                for name in [name, &digest] {
                    self.manifests
                        .insert(format!("{repository}/{name}"), body.clone());
                }
                let reply = Reply::new(201);
                let reply = reply.with(&format!("Location: /v2/{repository}/manifests/{digest}"));
                let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                match value["subject"]["digest"].as_str() {
                    Some(subject) if self.lists => reply.with(&format!("OCI-Subject: {subject}")),
                    _ => reply,
                }
            }
            _ => Reply::new(405),
        }
    }
}
