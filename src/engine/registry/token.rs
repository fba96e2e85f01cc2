//! Authentication at a registry: a name and a password, or a token that the registry issues for
//! them.
//!
//! The protocol is distribution's (<https://distribution.github.io/distribution/spec/auth/token/>,
//! and `oauth` beside it). Mounting blobs needs read access to their repositories, so a token
//! covers those too; a server that does not grant that is asked for the own repository alone. An
//! identity token, which `docker login` stores for some registries, is exchanged.

use std::cell::RefCell;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Deserialize;

use super::http::{Fault, Server, refusal, whole};
use super::reach::Reach;
use crate::engine::credentials::Credential;
use crate::image::oci::limits;

/// The user name for an identity token that cannot be exchanged: Azure's registries accept it as a
/// password for this user
/// (<https://learn.microsoft.com/azure/container-registry/container-registry-authentication>).
const IDENTITY: &str = "00000000-0000-0000-0000-000000000000";

/// What a registry requires.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token.
    Bearer {
        /// The address of the issuer.
        realm: String,
        /// The service that the token is for.
        service: Option<String>,
    },
}

impl Challenge {
    /// Reads `WWW-Authenticate`.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let challenges = http_auth::parse_challenges(header).ok()?;
        let find = |scheme: &str| {
            let mut all = challenges.iter();
            all.find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
        };
        let Some(bearer) = find("bearer") else {
            return find("basic").map(|_| Self::Basic);
        };
        let value = |name: &str| {
            let mut params = bearer.params.iter();
            let (_, value) = params.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(value.to_unescaped())
        };
        Some(Self::Bearer {
            realm: value("realm")?,
            service: value("service"),
        })
    }
}

/// The login at a registry.
pub(super) struct Login {
    credential: Option<Credential>,
    /// `repository:shop/server:pull,push`, that of the own repository first.
    scopes: Vec<String>,
    header: RefCell<Option<HeaderValue>>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

impl Login {
    pub(super) fn new(credential: Option<Credential>, scopes: Vec<String>) -> Self {
        Self {
            credential,
            scopes,
            header: RefCell::new(None),
        }
    }

    /// Gets the credentials that an answer requires.
    pub(super) async fn renew(
        &self,
        reach: &Reach,
        root: &Url,
        required: Option<&Challenge>,
    ) -> Result<(), Fault> {
        let header = match required {
            None => return Ok(()),
            Some(Challenge::Basic) => self.basic().transpose()?,
            Some(Challenge::Bearer { realm, service }) => {
                let token = self.token(reach, root, realm, service.as_deref()).await?;
                token
                    .map(|token| sensitive(&format!("Bearer {token}")))
                    .transpose()?
            }
        };
        if header.is_some() {
            *self.header.borrow_mut() = header;
        }
        Ok(())
    }

    /// A message without the credentials, which a server might quote.
    pub(super) fn without_secrets(&self, words: String) -> String {
        let words = match &self.credential {
            Some(credential) => credential.without_secret(&words),
            None => words,
        };
        let used = self.header.borrow();
        let used = used.as_ref().and_then(|header| header.to_str().ok());
        match used.and_then(|header| header.split_once(' ')) {
            Some((_, word)) if !word.is_empty() => words.replace(word, "***"),
            _ => words,
        }
    }

    /// The current authorization header.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        self.header.borrow().clone()
    }

    /// Adds the authorization header, but only for addresses of the registry itself.
    pub(super) fn sign(&self, request: RequestBuilder, url: &Url, root: &Url) -> RequestBuilder {
        match &*self.header.borrow() {
            Some(header) if url.origin() == root.origin() => {
                request.header(AUTHORIZATION, header.clone())
            }
            _ => request,
        }
    }

    fn basic(&self) -> Option<Result<HeaderValue, Fault>> {
        let (user, password) = match self.credential.as_ref()? {
            Credential::Password(user, password) => (user.as_str(), password),
            Credential::IdentityToken(token) => (IDENTITY, token),
        };
        let word = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Some(sensitive(&format!("Basic {word}")))
    }

    /// Requests a token; `None` if the registry names no server for them that may be asked.
    async fn token(
        &self,
        reach: &Reach,
        root: &Url,
        realm: &str,
        service: Option<&str>,
    ) -> Result<Option<String>, Fault> {
        let Ok(realm) = Url::parse(realm) else {
            return Ok(None);
        };
        // A password is never sent over a less secure connection than the registry's own.
        if root.scheme() == "https" && realm.scheme() != "https" {
            return Ok(None);
        }
        let mut scopes = &self.scopes[..];
        loop {
            let asked = self.ask(reach, &realm, service, scopes).await;
            match asked {
                Err(Fault::Status {
                    status: 400..=403, ..
                }) if scopes.len() > 1 => scopes = &self.scopes[..1],
                answer => return answer,
            }
        }
    }

    async fn ask(
        &self,
        reach: &Reach,
        realm: &Url,
        service: Option<&str>,
        scopes: &[String],
    ) -> Result<Option<String>, Fault> {
        let client = reach.client(realm)?;
        let send = async |method: Method, request: RequestBuilder| {
            let answer = reach.send(&method, realm, request).await?;
            self.handed_out(answer).await
        };
        let service = service.map(|service| ("service", service));
        if let Some(Credential::IdentityToken(token)) = &self.credential {
            let scopes = scopes.join(" ");
            let fixed = [
                ("grant_type", "refresh_token"),
                ("client_id", "slimbuild"),
                ("refresh_token", token),
                ("scope", &scopes),
            ];
            let form = with_query("http://form", service.into_iter().chain(fixed))?;
            let request = client
                .post(realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or_default().to_owned());
            match send(Method::POST, request).await {
                // It does not know this way.
                Err(Fault::Status {
                    status: 401 | 404 | 405,
                    ..
                })
                | Ok(None) => {}
                answer => return answer,
            }
        }
        let scopes = scopes.iter().map(|scope| ("scope", scope.as_str()));
        let url = with_query(realm.as_str(), service.into_iter().chain(scopes))?;
        let mut request = client.get(url);
        if let Some(basic) = self.basic().transpose()? {
            request = request.header(AUTHORIZATION, basic);
        }
        send(Method::GET, request).await
    }

    async fn handed_out(&self, answer: Response) -> Result<Option<String>, Fault> {
        if !answer.status().is_success() {
            let (status, words) = refusal(answer).await;
            return Err(Fault::Status {
                status,
                words: self.without_secrets(words),
                server: Server::Tokens,
            });
        }
        let bytes = whole(answer, limits::ANSWER, "its token").await?;
        let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
        Ok(answer.and_then(|answer| answer.token.or(answer.access_token)))
    }
}

fn with_query<'q>(
    url: &str,
    pairs: impl Iterator<Item = (&'q str, &'q str)>,
) -> Result<Url, Fault> {
    let url = Url::parse_with_params(url, pairs);
    url.map_err(|error| Fault::Answer(error.to_string()))
}

fn sensitive(text: &str) -> Result<HeaderValue, Fault> {
    let no_header = |_| Fault::Answer("a token has characters that no header may have".to_owned());
    let mut header = HeaderValue::from_str(text).map_err(no_header)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hands_tokens_out_is_read() {
        let header =
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="a:b""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example/token".to_owned(),
            service: Some("registry.example".to_owned()),
        };
        assert_eq!(Challenge::parse(header), Some(expected));
        assert_eq!(
            Challenge::parse(r#"Basic realm="x""#),
            Some(Challenge::Basic)
        );
        assert_eq!(Challenge::parse("Negotiate"), None);
    }

    #[test]
    fn a_token_cannot_add_headers() {
        assert!(sensitive("Bearer a\r\nX-Other: b").is_err());
    }
}
