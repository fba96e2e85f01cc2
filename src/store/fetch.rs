//! HTTP downloads, through the user's proxies, always checked against a digest if one is known.
//!
//! Input: an address. Output: bytes, or a file of the cache. Errors that may be temporary are
//! retried. Every download ends in bounded time, and soon after the user cancels it.

pub mod npm;
mod proxies;
mod timeouts;
mod transfer;

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder};

use crate::model::digest::{Digest, Hasher};
use crate::store::cache::Cache;
use crate::system::trail::{self, Trail};

pub use proxies::Proxies;
pub use timeouts::{Pace, Patience, Stall};

pub use transfer::redirects;
use transfer::{Head, Transfer};

/// The size limit in bytes for answers without a digest.
const MAX_ANSWER: u64 = 64 << 20;
/// The size limit in bytes for files; node has about 50 MB.
const MAX_FILE: u64 = 1 << 30;
/// The client's own timeout is this much longer than ours, so that it ends only requests nobody
/// waits for.
const CLIENT_MARGIN: Duration = Duration::from_secs(5);

/// A downloader.
pub struct Net<'n> {
    connections: Connections,
    trail: Trail,
    patience: Patience,
    to: Listener<'n>,
}

/// The client, dropped in the background.
struct Connections(Option<Client>);

impl Drop for Connections {
    /// Dropping the client waits for its thread, which may wait for the system's name service.
    /// Another thread does that waiting.
    fn drop(&mut self) {
        let client = self.0.take();
        thread::spawn(move || drop(client));
    }
}

/// Who hears about downloads and can stop them.
#[derive(Clone, Copy)]
pub struct Listener<'l> {
    /// Called with the name of what is downloaded before the download starts, because it may take a
    /// while.
    pub begins: &'l dyn Fn(&str),
    /// Whether the user wants to stop.
    pub stop: &'l dyn Fn() -> bool,
}

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A proxy's address is invalid, or the system has no TLS.
    #[error("cannot use the network")]
    Setup(#[source] reqwest::Error),
    /// The server does not answer, or the connection broke.
    #[error("cannot download `{url}`")]
    Unreached {
        /// The address, without credentials.
        url: String,
        /// The reason in words.
        #[source]
        source: Cause,
    },
    /// The server is too slow.
    #[error("cannot download `{url}`")]
    Stalled {
        /// The address, without credentials.
        url: String,
        /// Which limit was exceeded.
        #[source]
        source: Stall,
    },
    /// The server redirects to an address that is not followed.
    #[error("cannot download `{url}`")]
    Redirect {
        /// The address, without credentials.
        url: String,
        /// What is wrong with the redirect.
        #[source]
        reason: Cause,
    },
    /// The user cancelled it.
    #[error("interrupted")]
    Interrupted,
    /// The server answered with an error status.
    #[error("cannot download `{url}`: the server answers {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: StatusCode,
    },
    /// The content does not have the expected digest.
    #[error("`{url}` is not what it should be: expected {expected}, got {found}")]
    Digest {
        /// The address.
        url: String,
        /// The expected digest.
        expected: Digest,
        /// The digest of the content.
        found: Digest,
    },
    /// The answer is larger than the limit.
    #[error("`{url}` sends more than {most} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit in bytes.
        most: u64,
    },
    /// Writing to the cache failed, most likely because of its disk.
    #[error("cannot keep what was downloaded")]
    Cache(#[source] io::Error),
}

/// The innermost reason of a failed request. The outer ones only repeat the address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    /// A reason in words.
    pub fn said(words: &str) -> Self {
        Self(words.to_owned())
    }

    /// The innermost reason of an error.
    pub fn of(error: &dyn std::error::Error) -> Self {
        let mut at = error;
        while let Some(source) = at.source() {
            at = source;
        }
        Self(at.to_string())
    }
}

impl FetchError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Setup(_) => "look at HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
            Self::Unreached { source, .. } if source.0.contains("certificate") => {
                "a certificate authority of your own is named by SSL_CERT_FILE"
            }
            Self::Stalled { .. } => {
                "that server or the way to it is too slow: look at HTTP_PROXY, HTTPS_PROXY and NO_PROXY, name another (`--npm-registry`, `--debian-mirror`), or try again later"
            }
            Self::Redirect { .. } => "nothing of it was used; ask who runs that server",
            Self::Unreached { .. } => {
                "look at the network, and at HTTP_PROXY, HTTPS_PROXY and NO_PROXY; then try again"
            }
            Self::Digest { .. } => {
                "nothing of it was used; try again, and if it stays so, ask who runs that server"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether a retry may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreached { source, .. } => !source.0.contains("certificate"),
            Self::Stalled { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }

    /// Whether the user cancelled it.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// Whether the server does not have the file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

impl<'n> Net<'n> {
    /// Sets up the proxies and limits.
    pub fn new(
        proxies: &Proxies,
        patience: Patience,
        to: Listener<'n>,
    ) -> Result<Self, FetchError> {
        prepare_tls();
        let client = || -> Result<Client, reqwest::Error> {
            Client::builder()
                .user_agent(concat!("slimbuild/", env!("CARGO_PKG_VERSION")))
                .timeout(patience.answer.max(patience.silence) + CLIENT_MARGIN)
                .redirect(transfer::redirects())
                .no_proxy()
                .proxy(proxies.rule()?)
                .build()
        };
        let client = client().map_err(|error| FetchError::Setup(error.without_url()))?;
        Ok(Self {
            connections: Connections(Some(client)),
            trail: trail::own(),
            patience,
            to,
        })
    }

    /// Downloads an answer whose digest is not known.
    pub fn bytes(&self, url: &str, accept: &str) -> Result<Vec<u8>, FetchError> {
        self.with_retries(url, accept, |mut answer| all(url, &mut answer))
    }

    /// A file of the cache. It is downloaded if the cache does not have it.
    pub fn file(&self, url: &str, digest: &Digest, cache: &Cache) -> Result<PathBuf, FetchError> {
        if let Some(path) = cache.verified(digest) {
            return Ok(path);
        }
        (self.to.begins)(&shown(url));
        self.with_retries(url, "*/*", |mut answer| {
            let mut incoming = cache.begin().map_err(FetchError::Cache)?;
            let mut hasher = Hasher::new(digest.algorithm());
            let mut size = 0;
            while let Some(bytes) = answer.next()? {
                size += bytes.len() as u64;
                if size > MAX_FILE {
                    return Err(too_large(url, MAX_FILE));
                }
                hasher.update(&bytes);
                incoming.write_all(&bytes).map_err(FetchError::Cache)?;
            }
            let found = hasher.finish();
            if found != *digest {
                return Err(FetchError::Digest {
                    url: shown(url),
                    expected: digest.clone(),
                    found,
                });
            }
            incoming.keep(digest).map_err(FetchError::Cache)
        })
    }

    /// Sends a request, and retries it if that may help.
    fn with_retries<T>(
        &self,
        url: &str,
        accept: &str,
        take: impl Fn(Transfer<'n>) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let mut pauses = self.patience.pauses.iter();
        let mut stalled = false;
        loop {
            let request = self.client()?.get(url).header("Accept", accept);
            let answer = self.success(url, request).and_then(&take);
            let Err(error) = answer else {
                return answer;
            };
            let stalls = matches!(error, FetchError::Stalled { .. });
            match pauses.next() {
                // A server that stalled twice gets no third try.
                Some(pause) if error.may_pass() && !(stalls && stalled) => self.wait(*pause)?,
                _ => return Err(error),
            }
            stalled |= stalls;
        }
    }

    fn wait(&self, pause: Duration) -> Result<(), FetchError> {
        let began = Instant::now();
        while began.elapsed() < pause {
            if (self.to.stop)() {
                return Err(FetchError::Interrupted);
            }
            thread::sleep(Duration::from_millis(20).min(pause));
        }
        Ok(())
    }

    fn client(&self) -> Result<&Client, FetchError> {
        let client = self.connections.0.as_ref();
        client.ok_or(FetchError::Interrupted)
    }

    fn begin(
        &self,
        url: &str,
        request: RequestBuilder,
    ) -> Result<(Head, Transfer<'n>), FetchError> {
        let began = Instant::now();
        let answer = Transfer::begin(shown(url), request, self.patience, self.to.stop);
        let status = answer.as_ref().ok().map(|(head, _)| head.status.as_u16());
        self.trail.request("GET", url, status, began);
        answer
    }

    fn success(&self, url: &str, request: RequestBuilder) -> Result<Transfer<'n>, FetchError> {
        let (Head { status }, answer) = self.begin(url, request)?;
        if status.is_redirection() {
            // The client returns a redirect that it does not follow.
            let reason = Cause("it is redirected to what is no address of the web".to_owned());
            let url = shown(url);
            return Err(FetchError::Redirect { url, reason });
        }
        if !status.is_success() {
            let url = shown(url);
            return Err(FetchError::Status { url, status });
        }
        Ok(answer)
    }
}

/// Reads a small answer to its end.
fn all(url: &str, answer: &mut Transfer<'_>) -> Result<Vec<u8>, FetchError> {
    let mut all = Vec::new();
    while let Some(bytes) = answer.next()? {
        if (all.len() + bytes.len()) as u64 > MAX_ANSWER {
            return Err(too_large(url, MAX_ANSWER));
        }
        all.extend(bytes);
    }
    Ok(all)
}

fn too_large(url: &str, most: u64) -> FetchError {
    let url = shown(url);
    FetchError::TooLarge { url, most }
}

/// Chooses the TLS implementation, once for the program.
pub fn prepare_tls() {
    // It may have been chosen already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// The address without the user name and password that it may contain.
fn shown(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.find('/').unwrap_or(rest.len());
            match rest[..host].rfind('@') {
                Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
