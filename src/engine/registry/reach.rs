//! [`Reach`]: how requests get to a registry: with or without TLS, through a proxy, with whose
//! certificates.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::OnceCell as AsyncCell;

use super::http::{Fault, challenge};
use super::token::Challenge;
use super::trust::{Certificates, Trust, is_here};
use crate::store::fetch::{Cause, Proxies, redirects};
use crate::system::trail::{self, Trail};

/// What a server without TLS is called.
pub(super) const NO_TLS: &str = "the registry does not speak TLS";

/// What all registries of a build have in common.
pub(super) struct Way<'w> {
    pub(super) proxies: &'w Proxies,
    pub(super) trust: &'w Trust,
    pub(super) connecting: Duration,
    pub(super) silence: Duration,
}

/// The way to one registry.
pub(super) struct Reach {
    /// The registry's address, and the one to try if the first does not fit.
    roots: (Url, Option<Url>),
    settings: Settings,
    /// For the registry.
    own: reqwest::Client,
    /// For other servers, as that of its tokens: it verifies whom it talks to. Made when one is
    /// needed, since it takes a while to read the system's certificates.
    others: OnceCell<reqwest::Client>,
    first: AsyncCell<First>,
    trail: Trail,
}

/// What the registry said first.
pub(super) struct First {
    /// Its address.
    pub(super) root: Url,
    /// What it requires.
    pub(super) challenge: Option<Challenge>,
}

/// What clients are made with.
struct Settings {
    proxies: Proxies,
    certificates: Certificates,
    connecting: Duration,
    silence: Duration,
}

impl Settings {
    fn client(&self, verified: bool) -> Result<reqwest::Client, Fault> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("slimbuild/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connecting)
            .read_timeout(self.silence)
            .redirect(redirects())
            .no_proxy()
            .proxy(self.proxies.rule()?);
        let Certificates {
            authorities,
            client,
        } = self.certificates.clone();
        builder = if verified {
            builder.tls_certs_merge(authorities)
        } else {
            builder.tls_danger_accept_invalid_certs(true)
        };
        if let Some(client) = client {
            builder = builder.identity(client);
        }
        Ok(builder.build()?)
    }
}

impl Reach {
    /// `host` is the registry's, `registry` its name in images.
    pub(super) fn new(host: &str, registry: &str, way: &Way<'_>) -> Result<Self, Fault> {
        let root = |scheme: &str| {
            let url = Url::parse(&format!("{scheme}://{host}/v2/"));
            url.map_err(|error| Fault::Answer(error.to_string()))
        };
        let (plain, tls) = (root("http")?, root("https")?);
        let is_insecure = way.trust.is_insecure(registry);
        let roots = match (is_here(registry), is_insecure) {
            // A registry on this machine mostly has no TLS, and is trusted like the machine.
            (true, _) => (plain, Some(tls)),
            (false, true) => (tls, Some(plain)),
            (false, false) => (tls, None),
        };
        let settings = Settings {
            proxies: way.proxies.clone(),
            certificates: way.trust.certificates(registry)?,
            connecting: way.connecting,
            silence: way.silence,
        };
        let verified = roots.1.is_none();
        let own = settings.client(verified)?;
        let others = OnceCell::new();
        Ok(Self {
            roots,
            settings,
            own,
            others,
            first: AsyncCell::new(),
            trail: trail::own(),
        })
    }

    /// The registry's address, and what it requires. It is asked once.
    pub(super) async fn first(&self) -> Result<&First, Fault> {
        let ask = || async {
            let (root, answer) = self.first_answer().await?;
            let challenge = challenge(&answer);
            Ok(First { root, challenge })
        };
        self.first.get_or_try_init(ask).await
    }

    async fn first_answer(&self) -> Result<(Url, Response), Fault> {
        let (root, other) = &self.roots;
        let first = self.get(root).await;
        let Some(other) = other else {
            return Ok((root.clone(), first?));
        };
        let fits = match &first {
            // A server with TLS calls a request without it bad.
            Ok(answer) => root.scheme() == "https" || answer.status() != StatusCode::BAD_REQUEST,
            Err(fault) => fault.is_refused_connection(),
        };
        if !fits && let Ok(answer) = self.get(other).await {
            return Ok((other.clone(), answer));
        }
        Ok((root.clone(), first?))
    }

    async fn get(&self, url: &Url) -> Result<Response, Fault> {
        self.send(&Method::GET, url, self.own.get(url.clone()))
            .await
    }

    /// Sends a request.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &Url,
        request: RequestBuilder,
    ) -> Result<Response, Fault> {
        let began = Instant::now();
        let answer = request.send().await;
        let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
        let method = method.as_str();
        self.trail.request(method, url.as_str(), status, began);
        answer.map_err(|error| self.fault(url, error))
    }

    /// The client for an address.
    pub(super) fn client(&self, url: &Url) -> Result<&reqwest::Client, Fault> {
        let (root, other) = &self.roots;
        let is_own = |root: &Url| root.origin() == url.origin();
        if other.is_none() || is_own(root) || other.as_ref().is_some_and(is_own) {
            return Ok(&self.own);
        }
        if let Some(client) = self.others.get() {
            return Ok(client);
        }
        let client = self.settings.client(true)?;
        Ok(self.others.get_or_init(|| client))
    }

    /// The fault of a request. A proxy on the way is named.
    fn fault(&self, url: &Url, error: reqwest::Error) -> Fault {
        let is_connect = error.is_connect();
        let mut cause = Cause::of(&error.without_url());
        if cause.to_string().contains("InvalidContentType") {
            cause = Cause::said(NO_TLS);
        }
        Fault::Unreached(if is_connect {
            self.settings.proxies.explain(url, cause)
        } else {
            cause
        })
    }
}
