//! An imitation of a registry, which behaves as it is told: like ECR, GHCR, GitLab, Docker Hub, Harbor,
//! Artifactory or ACR in one respect, like the specification in all others.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use slimbuild::internals::Digest;

/// How a connection with TLS begins.
const TLS: u8 = 22;

/// A request.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// An answer.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What answers instead of the registry; the number counts the requests that it answered.
type Rule = Box<dyn Fn(&Asked, usize) -> Option<Reply> + Send + Sync>;

/// Who may push.
#[derive(Default)]
pub(crate) enum Gate {
    #[default]
    Open,
    /// Who sends this header.
    Basic(String),
    /// Who has a token, which this header or this identity token gets.
    Tokens(String, String),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) gate: Gate,
    /// Tokens with a smaller number have expired.
    pub(crate) oldest: usize,
    /// After how many bytes the next upload breaks off.
    pub(crate) cut: Option<usize>,
    /// Whether uploads by `PUT` must be empty.
    pub(crate) patch_only: bool,
    /// Whether the first upload ends all tokens so far.
    pub(crate) expires: bool,
    issued: usize,
    counts: BTreeMap<usize, usize>,
    uploads: Vec<Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, Vec<u8>>,
}

/// It is there until the test ends.
pub(crate) struct Imitation {
    pub(crate) port: u16,
}

/// The connection's stream: plain, or with TLS.
pub(crate) trait Stream: Read + std::io::Write + Send {}
impl<S: Read + std::io::Write + Send> Stream for S {}

/// Makes a stream of a connection.
pub(crate) type Dress = Box<dyn Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync>;

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn text(mut self, kind: &str, body: &str) -> Self {
        body.as_bytes().clone_into(&mut self.body);
        self.with("Content-Type", kind)
    }

    /// An error as the specification has it.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Self::new(status).text("application/json", &body.to_string())
    }
}

impl Asked {
    /// What is no request of HTTP.
    fn malformed() -> Self {
        Self {
            method: String::new(),
            path: String::new(),
            query: String::new(),
            headers: BTreeMap::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Imitation {
    pub(crate) fn start(address: &str, rules: Vec<Rule>, state: State, dress: Dress) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new((rules, dress, Mutex::new(state)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let (rules, dress, state) = &*shared;
                    if let Some(stream) = dress(stream) {
                        // Who goes away in the middle is no reason to fail.
                        drop(serve(stream, rules, state));
                    }
                });
            }
        });
        Self { port }
    }
}

fn serve(stream: Box<dyn Stream>, rules: &[Rule], state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut asked) = head(&mut stream)? {
        let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_upload = asked.path.contains("/uploads/") && asked.method != "POST";
        let cut = if is_upload && has_body(&asked) {
            lock().cut.take()
        } else {
            None
        };
        if let Some(bytes) = cut {
            let mut part = vec![0; bytes];
            stream.read_exact(&mut part)?;
            lock().upload(&asked.path).extend(part);
            return Ok(());
        }
        if asked.method.is_empty() {
            return stream
                .get_mut()
                .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
        }
        asked.body = body(&mut stream, &asked)?;
        let mut reply = lock().reply(&asked, rules);
        if reply.status == 0 {
            return Ok(());
        }
        let length = reply.body.len().to_string();
        reply = reply.with("Content-Length", length);
        let status = format!("{} {}", reply.status, reason(reply.status));
        let headers = reply.headers.iter();
        let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n"));
        let headers: String = headers.collect();
        let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes();
        if asked.method != "HEAD" {
            bytes.extend(&reply.body);
        }
        stream.get_mut().write_all(&bytes)?;
        stream.get_mut().flush()?;
    }
    Ok(())
}

/// Go's clients show these words.
fn reason(status: u16) -> &'static str {
    match status {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

fn head(stream: &mut impl std::io::BufRead) -> std::io::Result<Option<Asked>> {
    if stream.fill_buf()?.first() == Some(&TLS) {
        return Ok(Some(Asked::malformed()));
    }
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    // A proxy is asked by whole addresses.
    let target = match target.split_once("://") {
        Some((_, rest)) => format!("/{}", rest.split_once('/').unwrap_or_default().1),
        None => target,
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = BTreeMap::new();
    for header in stream.by_ref().lines() {
        let header = header?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Ok(Some(Asked {
        method,
        path: path.to_owned(),
        query: query.replace("%3A", ":").replace("%2F", "/"),
        headers,
        body: Vec::new(),
    }))
}

fn has_body(asked: &Asked) -> bool {
    let length = asked.header("content-length");
    !asked.header("transfer-encoding").is_empty() || !matches!(length, "" | "0")
}

fn body(stream: &mut impl std::io::BufRead, asked: &Asked) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if asked.header("transfer-encoding").is_empty() {
        let length = asked.header("content-length").parse().unwrap_or_default();
        stream.take(length).read_to_end(&mut body)?;
        return Ok(body);
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).unwrap_or_default();
        stream.take(size).read_to_end(&mut body)?;
        stream.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

impl State {
    fn reply(&mut self, asked: &Asked, rules: &[Rule]) -> Reply {
        for (at, rule) in rules.iter().enumerate() {
            let count = self.counts.entry(at).or_default();
            if let Some(reply) = rule(asked, *count) {
                *count += 1;
                return reply;
            }
        }
        let host = asked.header("host").to_owned();
        let who = asked.header("authorization");
        match &self.gate {
            Gate::Open => {}
            Gate::Basic(known) if known == who => {}
            Gate::Basic(_) => {
                return Reply::error(401, "UNAUTHORIZED", "authentication required")
                    .with("WWW-Authenticate", "Basic realm=\"imitation\"");
            }
            Gate::Tokens(known, identity) if asked.path == "/token" => {
                let form = String::from_utf8_lossy(&asked.body);
                let is_known = who == known || form.contains(&format!("refresh_token={identity}&"));
                if !is_known {
                    return Reply::error(401, "UNAUTHORIZED", "incorrect username or password");
                }
                self.issued += 1;
                let token = format!("granted-{}", self.issued);
                let answer = serde_json::json!({"token": token, "access_token": token});
                return Reply::new(200).text("application/json", &answer.to_string());
            }
            Gate::Tokens(..) => {
                let number = who.strip_prefix("Bearer granted-");
                let number = number.and_then(|number| number.parse::<usize>().ok());
                if number.is_none_or(|number| number < self.oldest) {
                    let challenge =
                        format!("Bearer realm=\"http://{host}/token\",service=\"imitation\"");
                    return Reply::error(401, "UNAUTHORIZED", "authentication required")
                        .with("WWW-Authenticate", challenge);
                }
            }
        }
        self.protocol(asked)
    }

    /// Uploads that rules begin.
    pub(crate) fn uploads_begun(&mut self, number: usize) {
        self.uploads.resize(number, Vec::new());
    }

    fn upload(&mut self, path: &str) -> &mut Vec<u8> {
        let number = path
            .rsplit('/')
            .next()
            .and_then(|number| number.parse().ok());
        &mut self.uploads[number.unwrap_or(0_usize)]
    }

    fn protocol(&mut self, asked: &Asked) -> Reply {
        let path = asked.path.as_str();
        let digest = |query: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(key, _)| *key == "digest")
                .map(|(_, value)| value.to_owned())
        };
        if path == "/v2/" {
            return Reply::new(200);
        }
        if let Some((repository, rest)) = path.split_once("/blobs/") {
            if asked.method == "POST" {
                self.uploads.push(Vec::new());
                let at = format!("{repository}/blobs/uploads/{}", self.uploads.len() - 1);
                return Reply::new(202).with("Location", at).with("Range", "0-0");
            }
            if rest.starts_with("uploads/") {
                if asked.method == "PUT" && self.patch_only && !asked.body.is_empty() {
                    return Reply::error(405, "UNSUPPORTED", "send bytes by PATCH");
                }
                let upload = self.upload(path);
                if let Some(from) = asked.header("content-range").split('-').next()
                    && !from.is_empty()
                    && from != upload.len().to_string()
                {
                    return Reply::new(416);
                }
                upload.extend(&asked.body);
                let (bytes, size) = (upload.clone(), upload.len());
                if asked.method == "PUT" {
                    let found = Digest::of(&bytes).to_string();
                    if digest(&asked.query).as_ref() != Some(&found) {
                        return Reply::error(400, "DIGEST_INVALID", "another digest");
                    }
                    if std::mem::take(&mut self.expires) {
                        self.oldest = self.issued + 1;
                    }
                    self.blobs.insert(format!("{repository}/{found}"), bytes);
                    return Reply::new(201)
                        .with("Location", format!("{repository}/blobs/{found}"))
                        .with("Docker-Content-Digest", found);
                }
                let status = if asked.method == "GET" { 204 } else { 202 };
                let range = format!("0-{}", size.saturating_sub(1));
                return Reply::new(status)
                    .with("Location", path)
                    .with("Range", range);
            }
            return match self.blobs.get(&format!("{repository}/{rest}")) {
                Some(bytes) => Reply {
                    body: bytes.clone(),
                    ..Reply::new(200)
                },
                None => Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            };
        }
        if let Some((repository, name)) = path.split_once("/manifests/") {
            if asked.method == "PUT" {
                let digest = Digest::of(&asked.body).to_string();
                for name in [name, &digest] {
                    self.manifests
                        .insert(format!("{repository}/{name}"), asked.body.clone());
                }
                return Reply::new(201)
                    .with("Location", format!("{repository}/manifests/{digest}"))
                    .with("Docker-Content-Digest", digest);
            }
            return match self.manifests.get(&format!("{repository}/{name}")) {
                Some(bytes) => Reply {
                    body: bytes.clone(),
                    ..Reply::new(200)
                }
                .with("Docker-Content-Digest", Digest::of(bytes).to_string()),
                None => Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            };
        }
        Reply::new(404)
    }
}

/// No reply: the connection ends.
pub(crate) fn cut() -> Reply {
    Reply::new(0)
}
