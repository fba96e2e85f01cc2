//! Downloads: over HTTP, through the proxies that the user has, and never without a digest where one is known.
//!
//! Goes in: an address. Comes out: bytes, or a file of the cache. What may pass by itself is tried again.

pub mod npm;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{NoProxy, Proxy, Url};

use crate::cache::Cache;
use crate::digest::{Digest, Hasher};

/// How long to wait before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest answer that is taken without a digest.
const MOST: u64 = 64 << 20;

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
    client: Client,
    /// Hears which files are downloaded, before they are: that may take a while.
    begins: &'n dyn Fn(&str),
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
    #[error("`{url}` sends more than {MOST} bytes")]
    TooLarge {
        /// From where.
        url: String,
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

    /// Whether the server does not have it.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

impl<'n> Net<'n> {
    /// Prepares to download. `begins` hears the address of each file that is not in the cache.
    pub fn new(proxies: &Proxies, begins: &'n dyn Fn(&str)) -> Result<Self, FetchError> {
        prepare_tls();
        let client = || -> Result<Client, reqwest::Error> {
            let mut builder = Client::builder()
                .user_agent(concat!("slimbuild/", env!("CARGO_PKG_VERSION")))
                .timeout(PATIENCE)
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
        Ok(Self { client, begins })
    }

    /// The body of an answer whose digest nobody knows.
    pub fn bytes(&self, url: &str, accept: &str) -> Result<Vec<u8>, FetchError> {
        self.again(url, accept, |response| {
            let mut bytes = Vec::new();
            let read = response.take(MOST + 1).read_to_end(&mut bytes);
            read.map_err(|error| unreached(url, &error))?;
            if bytes.len() as u64 > MOST {
                return Err(FetchError::TooLarge { url: shown(url) });
            }
            Ok(bytes)
        })
    }

    /// How a server wants to be told who one is (`WWW-Authenticate`), where it does.
    pub fn challenge(&self, url: &str) -> Result<Option<String>, FetchError> {
        let answer = self.client.get(url).send();
        let answer = answer.map_err(|error| unreached(url, &error.without_url()))?;
        let header = answer.headers().get("WWW-Authenticate");
        let text = header.and_then(|header| header.to_str().ok());
        Ok(text.map(str::to_owned))
    }

    /// An answer for who has this name and password, or for anybody.
    pub fn told(
        &self,
        url: &str,
        query: &[(&str, &str)],
        login: Option<(&str, &str)>,
    ) -> Result<Vec<u8>, FetchError> {
        let request = self.client.get(with_query(url, query)?);
        answered(
            url,
            match login {
                Some((user, password)) => request.basic_auth(user, Some(password)),
                None => request,
            },
        )
    }

    /// An answer to a form.
    pub fn posted(&self, url: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, FetchError> {
        let encoded = with_query("http://form", form)?;
        let body = encoded.query().unwrap_or_default().to_owned();
        let request = self.client.post(url).body(body);
        let kind = "application/x-www-form-urlencoded";
        answered(url, request.header("Content-Type", kind))
    }

    /// A file of the cache, downloaded where it is not there.
    pub fn file(&self, url: &str, digest: &Digest, cache: &Cache) -> Result<PathBuf, FetchError> {
        if let Some(path) = cache.verified(digest) {
            return Ok(path);
        }
        (self.begins)(&shown(url));
        self.again(url, "*/*", |mut response| {
            let mut incoming = cache.begin().map_err(FetchError::Cache)?;
            let mut hasher = Hasher::new(digest.algorithm());
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = response.read(&mut buffer);
                let read = read.map_err(|error| unreached(url, &error))?;
                if read == 0 {
                    break;
                }
                hasher.update(&buffer[..read]);
                let written = incoming.write_all(&buffer[..read]);
                written.map_err(FetchError::Cache)?;
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
        take: impl Fn(Response) -> Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        let mut pauses = PAUSES.iter();
        loop {
            let answer = self.ask(url, accept).and_then(&take);
            let Err(error) = answer else {
                return answer;
            };
            match pauses.next() {
                Some(pause) if may_pass(&error) => thread::sleep(*pause),
                _ => return Err(error),
            }
        }
    }

    fn ask(&self, url: &str, accept: &str) -> Result<Response, FetchError> {
        let answer = self.client.get(url).header("Accept", accept).send();
        let answer = answer.map_err(|error| unreached(url, &error.without_url()))?;
        if !answer.status().is_success() {
            let (url, status) = (shown(url), answer.status());
            return Err(FetchError::Status { url, status });
        }
        Ok(answer)
    }
}

fn answered(url: &str, request: RequestBuilder) -> Result<Vec<u8>, FetchError> {
    let answer = request.send();
    let answer = answer.map_err(|error| unreached(url, &error.without_url()))?;
    if !answer.status().is_success() {
        let (url, status) = (shown(url), answer.status());
        return Err(FetchError::Status { url, status });
    }
    let mut bytes = Vec::new();
    let read = answer.take(MOST).read_to_end(&mut bytes);
    read.map_err(|error| unreached(url, &error))?;
    Ok(bytes)
}

/// Says once for the program what does TLS.
pub fn prepare_tls() {
    // Another part of the program may have been first.
    drop(rustls::crypto::ring::default_provider().install_default());
}

fn with_query(url: &str, pairs: &[(&str, &str)]) -> Result<Url, FetchError> {
    Url::parse_with_params(url, pairs).map_err(|error| unreached(url, &error))
}

fn may_pass(error: &FetchError) -> bool {
    match error {
        FetchError::Unreached { .. } => true,
        FetchError::Status { status, .. } => {
            status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
        }
        _ => false,
    }
}

fn unreached(url: &str, error: &dyn std::error::Error) -> FetchError {
    FetchError::Unreached {
        url: shown(url),
        source: Cause::of(error),
    }
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
