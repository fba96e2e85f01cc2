//! Downloads: over HTTP, through the proxies that the user has, and never without a digest where one is known.
//!
//! Goes in: an address. Comes out: bytes, or a file of the cache. What may pass by itself is tried again. Every download ends in bounded time, and
//! soon after somebody wants to stop.

pub mod npm;
mod timeouts;
mod transfer;

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{NoProxy, Proxy};

use crate::model::digest::{Digest, Hasher};
use crate::store::cache::Cache;

pub use timeouts::{Pace, Patience, Stall};

pub use transfer::redirects;
use transfer::{Head, Transfer};

/// The largest answer that is taken without a digest.
const MOST: u64 = 64 << 20;
/// The largest file: node has about 50 MB.
const MOST_OF_A_FILE: u64 = 1 << 30;
/// The client ends what nobody waits for any more this much later than who waits.
const LATER: Duration = Duration::from_secs(5);

/// The proxies that an environment names; see curl's `http_proxy`.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `http:` addresses.
    pub http: Option<String>,
    /// For `https:` addresses.
    pub https: Option<String>,
    /// Hosts that are reached without.
    pub none: Option<String>,
}

/// Who downloads.
pub struct Net<'n> {
    connections: Connections,
    patience: Patience,
    to: Listener<'n>,
}

/// The client, which is there until the value goes.
struct Connections(Option<Client>);

impl Drop for Connections {
    /// The client waits for its own thread when it goes, and that one for the system's name service: nobody else has to.
    fn drop(&mut self) {
        let client = self.0.take();
        thread::spawn(move || drop(client));
    }
}

/// Who is told about downloads, and who tells them to stop.
#[derive(Clone, Copy)]
pub struct Listener<'l> {
    /// Hears which files are downloaded, before they are: that may take a while.
    pub begins: &'l dyn Fn(&str),
    /// Whether to stop.
    pub stop: &'l dyn Fn() -> bool,
}

/// Why something could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A proxy that is no address, or a system without TLS.
    #[error("cannot use the network")]
    Setup(#[source] reqwest::Error),
    /// Nobody answers, or not to the end.
    #[error("cannot download `{url}`")]
    Unreached {
        /// From where, without credentials.
        url: String,
        /// What went wrong, in words.
        #[source]
        source: Cause,
    },
    /// The server is too slow.
    #[error("cannot download `{url}`")]
    Stalled {
        /// From where, without credentials.
        url: String,
        /// What did not come.
        #[source]
        source: Stall,
    },
    /// The server sends us somewhere else, where nobody goes.
    #[error("cannot download `{url}`")]
    Redirect {
        /// From where, without credentials.
        url: String,
        /// What is wrong with it.
        #[source]
        reason: Cause,
    },
    /// Somebody wants to stop.
    #[error("interrupted")]
    Interrupted,
    /// The server says no.
    #[error("cannot download `{url}`: the server answers {status}")]
    Status {
        /// From where.
        url: String,
        /// Its number and its words.
        status: StatusCode,
    },
    /// Something else was sent.
    #[error("`{url}` is not what it should be: expected {expected}, got {found}")]
    Digest {
        /// From where.
        url: String,
        /// What was asked for.
        expected: Digest,
        /// What was sent.
        found: Digest,
    },
    /// More than makes sense.
    #[error("`{url}` sends more than {most} bytes")]
    TooLarge {
        /// From where.
        url: String,
        /// The limit.
        most: u64,
    },
    /// The cache, its disk most likely.
    #[error("cannot keep what was downloaded")]
    Cache(#[source] io::Error),
}

/// The innermost reason of a failed request: those around it repeat the address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
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
    /// What to do about it.
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

    /// Whether it may be otherwise in a moment.
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

    /// Whether somebody wanted to stop.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// Whether the server does not have it.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

impl<'n> Net<'n> {
    /// Prepares to download.
    pub fn new(
        proxies: &Proxies,
        patience: Patience,
        to: Listener<'n>,
    ) -> Result<Self, FetchError> {
        prepare_tls();
        let client = || -> Result<Client, reqwest::Error> {
            let mut builder = Client::builder()
                .user_agent(concat!("slimbuild/", env!("CARGO_PKG_VERSION")))
                .timeout(patience.answer.max(patience.silence) + LATER)
                .redirect(transfer::redirects())
                .no_proxy();
            let none = proxies.none.as_deref().and_then(NoProxy::from_string);
            if let Some(http) = &proxies.http {
                builder = builder.proxy(Proxy::http(http)?.no_proxy(none.clone()));
            }
            if let Some(https) = &proxies.https {
                builder = builder.proxy(Proxy::https(https)?.no_proxy(none));
            }
            builder.build()
        };
        let client = client().map_err(|error| FetchError::Setup(error.without_url()))?;
        Ok(Self {
            connections: Connections(Some(client)),
            patience,
            to,
        })
    }

    /// The body of an answer whose digest nobody knows.
    pub fn bytes(&self, url: &str, accept: &str) -> Result<Vec<u8>, FetchError> {
        self.again(url, accept, |mut answer| all(url, &mut answer))
    }

    /// A file of the cache, downloaded where it is not there.
    pub fn file(&self, url: &str, digest: &Digest, cache: &Cache) -> Result<PathBuf, FetchError> {
        if let Some(path) = cache.verified(digest) {
            return Ok(path);
        }
        (self.to.begins)(&shown(url));
        self.again(url, "*/*", |mut answer| {
            let mut incoming = cache.begin().map_err(FetchError::Cache)?;
            let mut hasher = Hasher::new(digest.algorithm());
            let mut size = 0;
            while let Some(bytes) = answer.next()? {
                size += bytes.len() as u64;
                if size > MOST_OF_A_FILE {
                    return Err(too_large(url, MOST_OF_A_FILE));
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

    /// Asks, and asks again where that may help.
    fn again<T>(
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
                // Who was waited for twice is not waited for a third time.
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
        Transfer::begin(shown(url), request, self.patience, self.to.stop)
    }

    fn success(&self, url: &str, request: RequestBuilder) -> Result<Transfer<'n>, FetchError> {
        let (Head { status }, answer) = self.begin(url, request)?;
        if status.is_redirection() {
            // The client hands on what it does not follow.
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

/// All of a small answer.
fn all(url: &str, answer: &mut Transfer<'_>) -> Result<Vec<u8>, FetchError> {
    let mut all = Vec::new();
    while let Some(bytes) = answer.next()? {
        if (all.len() + bytes.len()) as u64 > MOST {
            return Err(too_large(url, MOST));
        }
        all.extend(bytes);
    }
    Ok(all)
}

fn too_large(url: &str, most: u64) -> FetchError {
    let url = shown(url);
    FetchError::TooLarge { url, most }
}

/// Says once for the program what does TLS.
pub fn prepare_tls() {
    // Another part of the program may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// An address without the name and password that may stand in it.
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
