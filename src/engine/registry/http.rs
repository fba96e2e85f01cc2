//! Requests to a registry, after the distribution specification
//! (<https://github.com/opencontainers/distribution-spec>).
//!
//! A registry may answer with anything, so its answers are read in pieces, up to a limit.
//! Credentials are sent only to the registry itself and to the server that issues its tokens.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::reach::Reach;
use super::token::{self, Login};
use super::words::words;
use crate::image::oci::limits;
use crate::model::digest::{Digest, Hasher};
use crate::store::fetch::Cause;

/// The accepted media types of manifests and indexes.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// The header with the digest of the content.
const DIGEST: &str = "Docker-Content-Digest";
/// How many tags a registry is asked for at a time.
const TAGS: &str = "1000";
/// The header with which a registry says that it lists what refers to an image.
const SUBJECT: &str = "OCI-Subject";
/// How many redirects of an upload are followed.
const REDIRECTS: usize = 5;

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// A server refused it.
    Status {
        status: u16,
        /// Its message.
        words: String,
        server: Server,
    },
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
    /// A file with a certificate cannot be used: which, and why.
    Certificate(String),
}

/// Who refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The registry.
    Registry,
    /// The server that issues its tokens.
    Tokens,
}

impl Fault {
    /// Whether nothing listens there.
    pub(super) fn is_refused_connection(&self) -> bool {
        matches!(self, Self::Unreached(cause) if cause.to_string().contains("onnection refused"))
    }
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreached(Cause::of(&error.without_url()))
    }
}

/// One repository, and how it is reached.
pub(super) struct Client {
    reach: Rc<Reach>,
    /// `https://registry.example.com/v2/`, once the registry has answered.
    root: OnceCell<Url>,
    /// `shop/server`
    repository: String,
    login: Login,
    /// Whether the registry takes bytes by `PATCH` only.
    pub(super) by_patch: Cell<bool>,
    /// The seconds that the registry asked to wait when it refused the last request.
    pub(super) pause: Cell<Option<u32>>,
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
    pub(super) fn new(reach: Rc<Reach>, repository: &str, login: Login) -> Self {
        Self {
            reach,
            root: OnceCell::new(),
            repository: repository.to_owned(),
            login,
            by_patch: Cell::new(false),
            pause: Cell::new(None),
        }
    }

    /// A manifest by tag or digest. `size` is its size in bytes, if known.
    pub(super) async fn manifest(&self, name: &str, size: Option<u64>) -> Result<Vec<u8>, Fault> {
        let url = self.url(&format!("manifests/{name}")).await?;
        let answer = self.send(Method::GET, &url, |request| {
            request.header(ACCEPT, ACCEPTED)
        });
        let answer = answer.await?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
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
        let url = self.url(&format!("blobs/{digest}")).await?;
        let range = format!("bytes={from}-");
        let answer = self.send(Method::GET, &url, |request| request.header(RANGE, &range));
        let answer = answer.await?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(Blob {
                is_rest: answer.status() == StatusCode::PARTIAL_CONTENT,
                answer,
            }),
            _ => Err(self.refused(answer).await),
        }
    }

    /// The digest of a manifest; `None` if it is not there.
    pub(super) async fn digest(&self, name: &str) -> Result<Option<Digest>, Fault> {
        let url = self.url(&format!("manifests/{name}")).await?;
        let answer = self.send(Method::HEAD, &url, |request| {
            request.header(ACCEPT, ACCEPTED)
        });
        let answer = answer.await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let told = header(answer.headers(), DIGEST);
                match told.and_then(|told| told.parse().ok()) {
                    Some(digest) => Ok(Some(digest)),
                    // Some registries tell it with the manifest alone.
                    None => Ok(Some(Digest::of(&self.manifest(name, None).await?))),
                }
            }
            _ => Err(self.refused(answer).await),
        }
    }

    /// Tags of the repository, after this one. A registry sends some at a time; none are the end.
    pub(super) async fn tags(&self, last: Option<&str>) -> Result<Vec<String>, Fault> {
        #[derive(Deserialize)]
        struct Tags {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.url("tags/list").await?;
        url.query_pairs_mut().append_pair("n", TAGS);
        if let Some(last) = last {
            url.query_pairs_mut().append_pair("last", last);
        }
        let answer = self.send(Method::GET, &url, |request| request).await?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
        }
        let bytes = whole(answer, limits::MANIFEST, "its list of tags").await?;
        let tags: Tags = serde_json::from_slice(&bytes)
            .map_err(|error| Fault::Answer(format!("its list of tags: {error}")))?;
        Ok(tags.tags.unwrap_or_default())
    }

    /// Whether a blob exists.
    pub(super) async fn blob_exists(&self, digest: &str) -> Result<bool, Fault> {
        let url = self.url(&format!("blobs/{digest}")).await?;
        let answer = self.send(Method::HEAD, &url, |request| request).await?;
        match answer.status() {
            // Not there, or the registry cannot say: the blob is sent.
            StatusCode::NOT_FOUND
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.refused(answer).await),
        }
    }

    /// Mounts a blob from another repository of the registry. Returns whether the registry did it.
    pub(super) async fn mount_blob(&self, from: &str, digest: &str) -> Result<bool, Fault> {
        let mut url = self.url("blobs/uploads/").await?;
        let pairs = [("mount", digest), ("from", from)];
        url.query_pairs_mut().extend_pairs(pairs);
        let answer = self.send(Method::POST, &url, |request| {
            request.header(CONTENT_LENGTH, 0)
        });
        Ok(answer.await?.status() == StatusCode::CREATED)
    }

    /// Uploads a manifest under a tag. Returns whether the registry lists it with its subject.
    pub(super) async fn push_manifest(
        &self,
        tag: &str,
        kind: &str,
        manifest: &Bytes,
    ) -> Result<bool, Fault> {
        let url = self.url(&format!("manifests/{tag}")).await?;
        let answer = self.send(Method::PUT, &url, |request| {
            request.header(CONTENT_TYPE, kind).body(manifest.clone())
        });
        let answer = answer.await?;
        if answer.status().is_success() {
            return Ok(header(answer.headers(), SUBJECT).is_some());
        }
        Err(self.refused(answer).await)
    }

    /// The registry's address. The first call finds out how it is reached and what it requires.
    async fn root(&self) -> Result<&Url, Fault> {
        let ask = || async {
            let first = self.reach.first().await?;
            let required = first.challenge.as_ref();
            self.login.renew(&self.reach, &first.root, required).await?;
            Ok(first.root.clone())
        };
        self.root.get_or_try_init(ask).await
    }

    /// An address in the repository.
    pub(super) async fn url(&self, rest: &str) -> Result<Url, Fault> {
        let root = self.root().await?;
        let url = root.join(&format!("{}/{rest}", self.repository));
        url.map_err(|error| Fault::Answer(error.to_string()))
    }

    /// Sends a small request with the login. A rejected token is renewed once.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Fault> {
        self.signed(method, url, |request| Ok(with(request))).await
    }

    /// The same for a request with a part of a blob, which is read again for each attempt. The
    /// client does not follow its redirects.
    pub(super) async fn send_blob(
        &self,
        method: Method,
        url: Url,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
        body: impl Fn() -> Result<Body, Fault>,
    ) -> Result<Response, Fault> {
        let mut url = url;
        for _ in 0..REDIRECTS {
            let request = |request| Ok(with(request).body(body()?));
            let answer = self.signed(method.clone(), &url, request).await?;
            let status = answer.status();
            if status != StatusCode::TEMPORARY_REDIRECT && status != StatusCode::PERMANENT_REDIRECT
            {
                return Ok(answer);
            }
            url = location(&answer)?;
        }
        Err(Fault::Answer(
            "it redirects an upload without an end".to_owned(),
        ))
    }

    async fn signed(
        &self,
        method: Method,
        url: &Url,
        with: impl Fn(RequestBuilder) -> Result<RequestBuilder, Fault>,
    ) -> Result<Response, Fault> {
        let root = self.root().await?;
        let send = async || {
            let request = self.reach.client(url)?.request(method.clone(), url.clone());
            let request = self.login.sign(with(request)?, url, root);
            self.reach.send(&method, url, request).await
        };
        let used = self.login.authorization();
        let answer = send().await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Another request may have renewed it already.
        if self.login.authorization() == used {
            let required = challenge(&answer);
            self.login
                .renew(&self.reach, root, required.as_ref())
                .await?;
        }
        if self.login.authorization() == used {
            return Ok(answer);
        }
        send().await
    }

    /// The fault of a refusal, with the registry's message if it has one.
    pub(super) async fn refused(&self, answer: Response) -> Fault {
        let told = header(answer.headers(), RETRY_AFTER.as_str());
        self.pause.set(told.and_then(|told| told.parse().ok()));
        let (status, words) = refusal(answer).await;
        Fault::Status {
            status,
            words: self.login.without_secrets(words),
            server: Server::Registry,
        }
    }
}

/// Where an answer leads to.
pub(super) fn location(answer: &Response) -> Result<Url, Fault> {
    let nowhere = || Fault::Answer("it does not say where a layer is to be sent".to_owned());
    let location = header(answer.headers(), LOCATION.as_str()).ok_or_else(nowhere)?;
    answer.url().join(&location).map_err(|_| nowhere())
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

pub(super) fn header(headers: &HeaderMap<HeaderValue>, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The status and the message of a refusal.
pub(super) async fn refusal(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    // An endless message is cut off.
    let body = whole(answer, limits::ANSWER, "its answer").await;
    (status, words(&body.unwrap_or_default()))
}

/// What the registry requires for authentication.
pub(super) fn challenge(answer: &Response) -> Option<token::Challenge> {
    token::Challenge::parse(&header(answer.headers(), "WWW-Authenticate")?)
}
