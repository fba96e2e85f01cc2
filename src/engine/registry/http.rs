//! Requests to a registry, after the distribution specification
//! (<https://github.com/opencontainers/distribution-spec>).
//!
//! A registry may answer with anything, so its answers are read in pieces, up to a limit.
//! Credentials are sent only to the registry itself and to the server that issues its tokens.

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Body, Method, NoProxy, Proxy, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::token::{self, Login};
use crate::image::oci::limits;
use crate::model::digest::{Digest, Hasher};
use crate::store::fetch::{Cause, Proxies, redirects};

/// The accepted media types of manifests and indexes.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// The header with the digest of the content.
const DIGEST: &str = "Docker-Content-Digest";
/// The longest message of a registry that is shown.
const WORDS: usize = 300;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The registry refused it: its status and message.
    Status(u16, String),
    /// The connection failed, in words.
    Unreached(Cause),
    /// The answer is invalid.
    Answer(String),
    /// The content does not match the digest.
    Digest {
        /// The expected digest.
        expected: String,
        /// The digest of the content.
        found: String,
    },
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreached(Cause::of(&error.without_url()))
    }
}

/// One repository, and how it is reached.
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    /// `https://registry.example.com/v2/`
    pub(super) root: Url,
    /// `shop/server`
    repository: String,
    login: Login,
}

/// How a registry is reached.
pub(super) struct Way<'w> {
    pub(super) proxies: &'w Proxies,
    pub(super) connecting: std::time::Duration,
    pub(super) silence: std::time::Duration,
}

/// A blob that is being received.
pub(super) struct Blob {
    answer: Response,
    /// Whether it starts at the requested offset instead of the beginning.
    pub(super) is_rest: bool,
}

impl Blob {
    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        Ok(self.answer.chunk().await?)
    }
}

impl Client {
    /// `root` is the registry's address: `https://registry.example.com`.
    pub(super) fn new(
        root: &str,
        repository: &str,
        login: Login,
        way: &Way<'_>,
    ) -> Result<Self, Fault> {
        let proxies = way.proxies;
        let none = proxies.none.as_deref().and_then(NoProxy::from_string);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("slimbuild/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(way.connecting)
            .read_timeout(way.silence)
            .redirect(redirects())
            .no_proxy();
        if let Some(http) = &proxies.http {
            builder = builder.proxy(Proxy::http(http)?.no_proxy(none.clone()));
        }
        if let Some(https) = &proxies.https {
            builder = builder.proxy(Proxy::https(https)?.no_proxy(none));
        }
        let root = Url::parse(&format!("{root}/v2/"));
        Ok(Self {
            http: builder.build()?,
            root: root.map_err(|error| Fault::Answer(error.to_string()))?,
            repository: repository.to_owned(),
            login,
        })
    }

    /// A manifest by tag or digest. `size` is its size in bytes, if known.
    pub(super) async fn manifest(&self, name: &str, size: Option<u64>) -> Result<Vec<u8>, Fault> {
        let url = self.url(&format!("manifests/{name}"))?;
        let answer = self.send(Method::GET, &url, |request| {
            request.header(ACCEPT, ACCEPTED)
        });
        let answer = answer.await?;
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        let told = header(answer.headers(), DIGEST);
        let most = size.unwrap_or(limits::MANIFEST).min(limits::MANIFEST);
        let bytes = whole(answer, most, "its manifest").await?;
        for expected in [Some(name.to_owned()), told].into_iter().flatten() {
            let Ok(digest) = expected.parse::<Digest>() else {
                continue;
            };
            let mut hasher = Hasher::new(digest.algorithm());
            hasher.update(&bytes);
            let found = hasher.finish();
            if found != digest {
                let found = found.to_string();
                return Err(Fault::Digest { expected, found });
            }
        }
        Ok(bytes)
    }

    /// A blob from this offset on, or all of it if the registry does not support that.
    pub(super) async fn blob(&self, digest: &str, from: u64) -> Result<Blob, Fault> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let range = format!("bytes={from}-");
        let answer = self.send(Method::GET, &url, |request| request.header(RANGE, &range));
        let answer = answer.await?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(Blob {
                is_rest: answer.status() == StatusCode::PARTIAL_CONTENT,
                answer,
            }),
            _ => Err(refused(answer).await),
        }
    }

    /// Whether a blob exists.
    pub(super) async fn blob_exists(&self, digest: &str) -> Result<bool, Fault> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let answer = self.send(Method::HEAD, &url, |request| request).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(refused(answer).await),
        }
    }

    /// Mounts a blob from another repository of the registry. Returns whether the registry did it.
    pub(super) async fn mount_blob(&self, from: &str, digest: &str) -> Result<bool, Fault> {
        let mut url = self.url("blobs/uploads/")?;
        let pairs = [("mount", digest), ("from", from)];
        url.query_pairs_mut().extend_pairs(pairs);
        let answer = self.send(Method::POST, &url, |request| {
            request.header(CONTENT_LENGTH, 0)
        });
        Ok(answer.await?.status() == StatusCode::CREATED)
    }

    /// Uploads a blob.
    pub(super) async fn push_blob<S>(&self, digest: &str, size: u64, pieces: S) -> Result<(), Fault>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        let url = self.url("blobs/uploads/")?;
        let begun = self.send(Method::POST, &url, |request| {
            request.header(CONTENT_LENGTH, 0)
        });
        let begun = begun.await?;
        if begun.status() != StatusCode::ACCEPTED {
            return Err(refused(begun).await);
        }
        let nowhere = || Fault::Answer("it does not say where a layer is to be sent".to_owned());
        let location = header(begun.headers(), LOCATION.as_str()).ok_or_else(nowhere)?;
        let mut location = url.join(&location).map_err(|_| nowhere())?;
        location.query_pairs_mut().append_pair("digest", digest);
        let request = self.http.put(location.clone());
        let request = request
            .header(CONTENT_LENGTH, size)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Body::wrap_stream(pieces));
        // The token is as new as the answer with the upload's location.
        let answer = self.login.sign(request, &location, &self.root).send();
        let answer = answer.await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refused(answer).await)
    }

    /// Uploads a manifest under a tag.
    pub(super) async fn push_manifest(
        &self,
        tag: &str,
        kind: &'static str,
        manifest: &Bytes,
    ) -> Result<(), Fault> {
        let url = self.url(&format!("manifests/{tag}"))?;
        let answer = self.send(Method::PUT, &url, |request| {
            request.header(CONTENT_TYPE, kind).body(manifest.clone())
        });
        let answer = answer.await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refused(answer).await)
    }

    fn url(&self, rest: &str) -> Result<Url, Fault> {
        let url = self.root.join(&format!("{}/{rest}", self.repository));
        url.map_err(|error| Fault::Answer(error.to_string()))
    }

    /// Sends a request with the login. A rejected token is renewed once.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Fault> {
        self.login.begin(self).await?;
        let request = || with(self.http.request(method.clone(), url.clone()));
        let used = self.login.authorization();
        let answer = self.login.sign(request(), url, &self.root).send().await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Another request may have renewed it already.
        if self.login.authorization() == used {
            self.login.renew(self, &answer).await?;
        }
        if self.login.authorization() == used {
            return Ok(answer);
        }
        Ok(self.login.sign(request(), url, &self.root).send().await?)
    }
}

/// The body of an answer, up to a limit.
pub(super) async fn whole(mut answer: Response, most: u64, what: &str) -> Result<Vec<u8>, Fault> {
    let most_bytes = usize::try_from(most).unwrap_or(usize::MAX);
    let too_large = || Fault::Answer(format!("{what} has more than {}", limits::size(most)));
    if answer.content_length().is_some_and(|length| length > most) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if piece.len() > most_bytes - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn header(headers: &HeaderMap<HeaderValue>, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The fault of a refusal, with the registry's message if it has one.
async fn refused(answer: Response) -> Fault {
    let status = answer.status().as_u16();
    // An endless message is cut off.
    let body = whole(answer, limits::ANSWER, "its answer").await;
    Fault::Status(status, words(&body.unwrap_or_default()))
}

/// The first message of an error answer. Other content, such as HTML pages of proxies, is ignored.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        message: Option<String>,
    }
    let envelope: Option<Envelope> = serde_json::from_slice(body).ok();
    let first = envelope.and_then(|envelope| envelope.errors.into_iter().next());
    let message = first.and_then(|first| first.message).unwrap_or_default();
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(WORDS).collect()
}

/// What the registry requires for authentication.
pub(super) fn challenge(answer: &Response) -> Option<token::Challenge> {
    token::Challenge::parse(&header(answer.headers(), "WWW-Authenticate")?)
}
