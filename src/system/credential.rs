//! Finds credentials in text, whatever their names: passwords and tokens in addresses, and tokens
//! with their issuer's prefix.
//!
//! Input: any text. Output: each credential, as the secret itself, which is never printed, and a
//! description, which may be. The prefixes are those that secret scanners look for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// A credential in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credential<'t> {
    /// The secret itself.
    pub secret: &'t str,
    /// A description: `a password in an address`.
    pub what: &'static str,
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

/// Token prefixes, the least number of characters that must follow, and a description.
const MARKS: [(&str, usize, &str); 25] = [
    ("npm_", 36, "a token of npm"),
    ("ghp_", 36, "a token of GitHub"),
    ("gho_", 36, "a token of GitHub"),
    ("ghu_", 36, "a token of GitHub"),
    ("ghs_", 36, "a token of GitHub"),
    ("ghr_", 36, "a token of GitHub"),
    ("github_pat_", 22, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("gldt-", 20, "a token of GitLab"),
    ("glrt-", 20, "a token of GitLab"),
    ("dckr_pat_", 20, "a token of Docker Hub"),
    ("xoxb-", 20, "a token of Slack"),
    ("xoxp-", 20, "a token of Slack"),
    ("AKIA", 16, "a key of AWS"),
    ("ASIA", 16, "a key of AWS"),
    ("AIza", 35, "a key of Google"),
    ("sk_live_", 20, "a key of Stripe"),
    ("rk_live_", 20, "a key of Stripe"),
    ("sk-ant-", 20, "a key of Anthropic"),
    ("sk-proj-", 20, "a key of OpenAI"),
    ("hvs.", 20, "a token of Vault"),
    ("pypi-", 50, "a token of PyPI"),
    ("SG.", 50, "a key of SendGrid"),
    ("vercel_blob_rw_", 20, "a token of Vercel"),
    ("sntrys_", 20, "a token of Sentry"),
];

/// Parameters in addresses that hold credentials.
const PARAMETERS: [&str; 11] = [
    "token",
    "access_token",
    "auth_token",
    "private_token",
    "auth",
    "api_key",
    "apikey",
    "password",
    "secret",
    "sig",
    "x-amz-signature",
];

/// The first credential in a text.
pub fn find(text: &str) -> Option<Credential<'_>> {
    all(text).into_iter().next()
}

/// All credentials in a text.
pub fn all(text: &str) -> Vec<Credential<'_>> {
    let mut found = Vec::new();
    let bytes = text.as_bytes();
    for hit in search().find_iter(bytes) {
        match MARKS.get(hit.pattern().as_usize()) {
            Some(mark) => marked(text, hit.start(), *mark, &mut found),
            None if bytes[hit.start()] == b'/' => in_address(text, hit.start(), &mut found),
            None => {
                let what = "a private key";
                let key = text[hit.end()..].split("-----").next();
                let secret = key.unwrap_or_default().trim();
                found.extend((!secret.is_empty()).then_some(Credential { secret, what }));
            }
        }
    }
    found
}

/// All credentials in a proxy's address, which may have no scheme: `user:password@host`.
pub fn in_proxy(text: &str) -> Vec<Credential<'_>> {
    let found = all(text);
    if let Some((user, _)) = text.rsplit_once('@')
        && found.is_empty()
        && let Some((_, secret)) = user.split_once(':')
        && !secret.is_empty()
    {
        let what = "a password in an address";
        return vec![Credential { secret, what }];
    }
    found
}

/// Finds token prefixes, addresses and private keys in one pass.
fn search() -> &'static AhoCorasick {
    static SEARCH: OnceLock<AhoCorasick> = OnceLock::new();
    SEARCH.get_or_init(|| {
        let marks = MARKS.iter().map(|(mark, ..)| *mark);
        // The faster automaton takes longer to build than it saves: most texts are short.
        AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(marks.chain(["//", "PRIVATE KEY-----"]))
            .expect("few and short patterns make a small automaton")
    })
}

/// A token with its issuer's prefix.
fn marked<'t>(
    text: &'t str,
    at: usize,
    (mark, least, what): (&str, usize, &'static str),
    found: &mut Vec<Credential<'t>>,
) {
    let before = text[..at].chars().next_back();
    if before.is_some_and(is_letter) {
        return;
    }
    let rest = &text[at + mark.len()..];
    let length = rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
    if length >= least {
        let secret = &text[at..at + mark.len() + length];
        found.push(Credential { secret, what });
    }
}

/// The credentials of the address whose `//` is at this offset.
fn in_address<'t>(text: &'t str, at: usize, found: &mut Vec<Credential<'t>>) {
    let scheme = &text[..at];
    let rest = &text[at + 2..];
    let ends = |letter: char| letter.is_whitespace() || "\"'`<>(){},\\".contains(letter);
    let end = reference_end(rest, ends);
    let rest = &rest[..end];
    let host = rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end]);
    if let Some((user, _)) = host.rsplit_once('@') {
        let password = user.split_once(':').map(|(_, password)| password);
        // `ssh://git@github.com` names a user. In `https://TOKEN@github.com` the user can only be a
        // token.
        let token = scheme.ends_with("http:") || scheme.ends_with("https:");
        let secret = password.or_else(|| token.then_some(user));
        let what = "a password in an address";
        found.extend(
            secret
                .filter(|secret| !secret.is_empty())
                .map(|secret| Credential { secret, what }),
        );
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split(['&', ';', '#']) {
        if let Some((name, secret)) = pair.split_once('=')
            && PARAMETERS.iter().any(|one| one.eq_ignore_ascii_case(name))
            && !secret.is_empty()
        {
            let what = "a token in an address";
            found.push(Credential { secret, what });
        }
    }
}

/// Where an address ends. The braces of a variable (`${TOKEN}`) are part of it.
fn reference_end(text: &str, ends: impl Fn(char) -> bool) -> usize {
    let mut braces = false;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' => braces = true,
            '}' if braces => braces = false,
            _ if ends(letter) => return at,
            _ => {}
        }
        before = letter;
    }
    text.len()
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_-.".contains(letter)
}

/// The text with `***` in place of its credentials, for messages that quote it.
pub fn redacted(text: &str) -> String {
    let secrets: BTreeSet<&str> = all(text).iter().map(|found| found.secret).collect();
    let mut secrets: Vec<&str> = secrets.into_iter().collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
        .into_iter()
        .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_by_their_look() {
        let token = "a".repeat(36);
        for (text, secret) in [
            ("https://user:pa55@host/x", "pa55"),
            ("git+https://user:pa55@host/x.git#main", "pa55"),
            ("https://t0ken@host/x", "t0ken"),
            ("//user:pa55@host/:x", "pa55"),
            ("http://user:${PASS}@host", "${PASS}"),
            ("https://host/x.tgz?a=b&token=pa55", "pa55"),
            ("https://host/x?X-Amz-Signature=pa55#x", "pa55"),
            (&format!("x = npm_{token};"), &format!("npm_{token}")),
            (&format!("glpat-{token}"), &format!("glpat-{token}")),
            (
                "-----BEGIN PRIVATE KEY-----\\npa55\\n-----END",
                "\\npa55\\n",
            ),
        ] {
            let found = find(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(found.secret, secret, "{text}");
            assert!(!redacted(text).contains(secret), "{text}");
            assert!(!format!("{found:?}").contains(secret));
        }
    }

    #[test]
    fn a_proxy_needs_no_scheme() {
        for text in ["user:pa55@proxy:8080", "http://user:pa55@proxy"] {
            let found = in_proxy(text);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].secret, "pa55", "{text}");
        }
        assert_eq!(in_proxy("proxy:8080"), []);
        assert_eq!(find("node:22@sha256:abc"), None);
    }

    #[test]
    fn what_only_resembles_them_is_none() {
        for text in [
            "https://registry.example/",
            "ssh://git@github.com/org/repo.git",
            "git@github.com:org/repo.git",
            "https://registry.example/@scope/name?x=token",
            "https://host/a//b@c",
            "npm_config_registry",
            "npm:@scope/name@1.0.0",
            "a@b.example",
            "https://${HOST}/",
            "sha512-AKIAxyz==",
            "workspace:*",
            "file:../a@1",
        ] {
            assert_eq!(find(text), None, "{text}");
            assert_eq!(redacted(text), text);
        }
    }
}
