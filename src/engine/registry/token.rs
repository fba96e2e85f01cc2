//! Tokens of registries that hand them out, for what the client does not ask for by itself: to mount blobs one must be allowed to read where they
//! are, and an identity token, which `docker login` leaves for some registries, is exchanged.
//!
//! The protocol is distribution's (<https://distribution.github.io/distribution/spec/auth/token/>, and `oauth` beside it). Without a token the
//! client goes on as it would have.

use docker_credential::DockerCredential;
use serde::Deserialize;

use super::Registries;
use crate::fetch::{FetchError, Listener, Net};

/// What is asked for.
pub(super) struct Wish<'w> {
    /// `https://registry.example.com`
    pub(super) registry: String,
    pub(super) credential: Option<&'w DockerCredential>,
    /// `repository:shop/server:pull,push`
    pub(super) scopes: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// A token, where the registry hands tokens out, and this one.
pub(super) fn get(wish: &Wish<'_>, all: &Registries<'_>) -> Option<String> {
    let ask = || {
        let stop = || all.interrupt.is_raised();
        let to = Listener {
            begins: &|_| {},
            stop: &stop,
        };
        let net = Net::new(all.proxies, all.patience, to).ok()?;
        asked(wish, &net).ok().flatten()
    };
    // What blocks may not be called where others wait.
    std::thread::scope(|scope| scope.spawn(ask).join().ok().flatten())
}

fn asked(wish: &Wish<'_>, net: &Net<'_>) -> Result<Option<String>, FetchError> {
    let Some(header) = net.challenge(&format!("{}/v2/", wish.registry))? else {
        return Ok(None);
    };
    let Some((realm, service)) = bearer(&header) else {
        return Ok(None);
    };
    // A password does not leave by a way that is less safe than the registry's own.
    if wish.registry.starts_with("https:") && !realm.starts_with("https:") {
        return Ok(None);
    }
    let service = service.iter().map(|service| ("service", service.as_str()));
    let bytes = match wish.credential {
        Some(DockerCredential::IdentityToken(token)) => {
            let scopes = wish.scopes.join(" ");
            let fixed = [
                ("grant_type", "refresh_token"),
                ("client_id", "slimbuild"),
                ("refresh_token", token),
                ("scope", &scopes),
            ];
            let form: Vec<_> = service.chain(fixed).collect();
            net.posted(&realm, &form)?
        }
        other => {
            let login = match other {
                Some(DockerCredential::UsernamePassword(user, password)) => {
                    Some((user.as_str(), password.as_str()))
                }
                _ => None,
            };
            let scopes = wish.scopes.iter().map(|scope| ("scope", scope.as_str()));
            let query: Vec<_> = service.chain(scopes).collect();
            net.told(&realm, &query, login)?
        }
    };
    let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
    Ok(answer.and_then(|answer| answer.token.or(answer.access_token)))
}

/// Who hands tokens out, and for what.
fn bearer(header: &str) -> Option<(String, Option<String>)> {
    let challenges = http_auth::parse_challenges(header).ok()?;
    let bearer = challenges
        .into_iter()
        .find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"))?;
    let value = |name: &str| {
        let mut params = bearer.params.iter();
        let (_, value) = params.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    };
    Some((value("realm")?, value("service")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hands_tokens_out_is_read() {
        let header =
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="a:b""#;
        let expected = (
            "https://auth.example/token".to_owned(),
            Some("registry.example".to_owned()),
        );
        assert_eq!(bearer(header), Some(expected));
        assert_eq!(bearer(r#"Basic realm="x""#), None);
    }
}
