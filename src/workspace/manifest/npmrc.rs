//! `.npmrc`: the lines that an install needs, without those that hold a secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::system::credential::{self, Credential};

/// The file's name, at the workspace's root and in members.
pub const FILE: &str = ".npmrc";

/// Whether the value of a key is a credential, also after a registry's prefix
/// (`//host/:_authToken`). In doubt, a setting counts as one.
fn is_secret(key: &str) -> bool {
    let name = key.rsplit(':').next().unwrap_or_default().to_lowercase();
    let part = ["auth", "token", "password", "secret"]
        .iter()
        .any(|part| name.contains(part));
    part || matches!(
        name.as_str(),
        "username" | "email" | "cert" | "key" | "keyfile" | "certfile"
    )
}

/// The credentials in a line, whatever its key.
fn in_line<'l>(key: &str, line: &'l str) -> Vec<Credential<'l>> {
    if key.to_lowercase().ends_with("proxy") {
        return credential::in_proxy(line);
    }
    credential::all(line)
}

/// An `.npmrc` that may be sent to a build.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Npmrc {
    /// The text without secrets.
    pub text: String,
    /// The keys that were removed, without their values.
    pub secrets: Vec<String>,
    /// The removed lines.
    pub credentials: Credentials,
}

/// The lines of an `.npmrc` that hold secrets, which nothing prints.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Credentials(Vec<String>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} lines", self.0.len())
    }
}

impl Credentials {
    /// Whether a line refers to the variable.
    pub fn refer_to(&self, variable: &str) -> bool {
        self.0.iter().any(|line| refers(line, variable))
    }

    /// The secrets in these lines: tokens, passwords, and passwords in addresses, but not user
    /// names.
    pub fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for line in &self.0 {
            let key = key(line);
            let name = key.rsplit(':').next().unwrap_or_default().to_lowercase();
            let value = line.split_once('=').map_or("", |(_, text)| value(text));
            let found = in_line(key, line);
            if !found.is_empty() {
                values.extend(found.iter().map(|found| found.secret.to_owned()));
            } else if !matches!(
                &*name,
                "username" | "email" | "tokenhelper" | "keyfile" | "certfile"
            ) {
                // The value is a PEM key on one line, with `\n` in it.
                values.push(value.replace("\\n", "\n"));
                let decoded = STANDARD.decode(value).ok();
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                if let Some(text) = decoded.filter(|_| name == "_auth" || name == "_password") {
                    let password = text
                        .split_once(':')
                        .map_or(&*text, |(_, password)| password);
                    values.push(password.to_owned());
                }
            }
        }
        values
    }

    /// The lines with their variables (`${NPM_TOKEN}`, `${NPM_TOKEN:-}`) substituted. A line with
    /// an unset variable is left out and reported by its key and the variable's name. Lines about
    /// files on this machine are left out too.
    pub fn fill_in(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> (String, Vec<(String, String)>) {
        let (mut text, mut unset) = (String::new(), Vec::new());
        for line in &self.0 {
            let key = key(line);
            let name = key.rsplit(':').next().unwrap_or_default().to_lowercase();
            if matches!(&*name, "tokenhelper" | "keyfile" | "certfile") {
                continue;
            }
            match filled_in(line, &variable) {
                Ok(line) => {
                    text.push_str(&line);
                    text.push('\n');
                }
                Err(name) => unset.push((key.to_owned(), name)),
            }
        }
        (text, unset)
    }
}

fn refers(text: &str, variable: &str) -> bool {
    let reference = format!("${{{variable}");
    text.match_indices(&reference)
        .any(|(at, _)| text[at + reference.len()..].starts_with(['}', ':', '-', '?']))
}

/// A line with its `${…}` substituted, or the name of an unset variable.
fn filled_in(line: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            text.push_str("${");
            rest = after;
            continue;
        };
        let (name, otherwise) = match name.split_once('-') {
            Some((name, otherwise)) => (name.trim_end_matches(':'), Some(otherwise)),
            None => (
                name.trim_end_matches('?'),
                name.ends_with('?').then_some(""),
            ),
        };
        match variable(name).or_else(|| otherwise.map(str::to_owned)) {
            Some(value) => text.push_str(&value),
            None => return Err(name.to_owned()),
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// The key of a line.
fn key(line: &str) -> &str {
    let key = line.split('=').next().unwrap_or_default().trim();
    key.trim_matches(['"', '\'']).trim()
}

impl Npmrc {
    /// Separates settings from secrets. Comments are removed too: they may quote a token.
    pub fn parse(text: &str) -> Self {
        let mut npmrc = Self::default();
        for line in text.lines() {
            let line = line.trim_matches(|one: char| one.is_whitespace() || one == '\u{feff}');
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let key = key(line);
            if is_secret(key) || !in_line(key, line).is_empty() {
                npmrc.secrets.push(credential::redacted(key));
                npmrc.credentials.0.push(line.to_owned());
            } else {
                npmrc.text.push_str(line);
                npmrc.text.push('\n');
            }
        }
        npmrc
    }

    /// Treats all lines as credentials, for the user's own file.
    pub fn whole(text: &str) -> Credentials {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        Credentials(lines.map(str::to_owned).collect())
    }

    /// Whether a setting that is not a credential refers to the variable.
    pub fn refers_to(&self, variable: &str) -> bool {
        refers(&self.text, variable)
    }

    /// The value of a setting. A key alone is `true`.
    pub fn get(&self, wanted: &str) -> Option<&str> {
        let mut lines = self.text.lines().rev();
        let line = lines.find(|line| key(line) == wanted)?;
        Some(line.split_once('=').map_or("true", |(_, text)| value(text)))
    }
}

/// A value as npm's `ini` reads it: without quotes, or up to a comment. Escapes stay.
fn value(text: &str) -> &str {
    let text = text.trim();
    for quote in ['"', '\''] {
        let inner = text.strip_prefix(quote);
        if let Some(inner) = inner.and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    let mut escaped = false;
    let end = text.find(|letter| {
        let ends = !escaped && matches!(letter, ';' | '#');
        escaped = !escaped && letter == '\\';
        ends
    });
    text[..end.unwrap_or(text.len())].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_behind() {
        let npmrc = Npmrc::parse(
            "# token abc\nregistry=https://r/\n//r/:_authToken=s3cret\n_auth = s3cret\n//r/:_password=s3cret\n\
             @s:registry=https://user:s3cret@r/\nnode-linker=hoisted\nstrict-peer-dependencies=false",
        );
        assert_eq!(
            npmrc.text,
            "registry=https://r/\nnode-linker=hoisted\nstrict-peer-dependencies=false\n"
        );
        assert_eq!(
            npmrc.secrets,
            ["//r/:_authToken", "_auth", "//r/:_password", "@s:registry"]
        );
        let quoted =
            Npmrc::parse("\"//r/:_authToken\"=s3cret\n'_AuthToken'=s3cret\npassword=s3cret\n");
        assert_eq!((quoted.text.as_str(), quoted.secrets.len()), ("", 3));
        assert_eq!(npmrc.get("node-linker"), Some("hoisted"));
        assert!(!format!("{npmrc:?}").contains("s3cret"));
    }

    #[test]
    fn values_are_read_as_npm_reads_them() {
        let npmrc = Npmrc::parse(
            "auto-install-peers=true             # https://pnpm.io/npmrc#auto-install-peers\n\
             node-linker = hoisted ; why\nengine-strict\n'shamefully-hoist' = \"true\"\nmodules-dir='a#b'\n\
             virtual-store-dir=a\\#b # c\nhoist=false\nhoist=true\n",
        );
        for (key, value) in [
            ("auto-install-peers", Some("true")),
            ("node-linker", Some("hoisted")),
            ("engine-strict", Some("true")),
            ("shamefully-hoist", Some("true")),
            ("modules-dir", Some("a#b")),
            ("virtual-store-dir", Some("a\\#b")),
            ("hoist", Some("true")),
            ("registry", None),
        ] {
            assert_eq!(npmrc.get(key), value, "{key}");
        }
    }

    #[test]
    fn credentials_are_told_by_their_look_too() {
        let npmrc = Npmrc::parse(
            "//user:s3cret@r/:always=true\nproxy=user:s3cret@proxy:80\nmirror=https://s3cret@m/\nmirror=https://m/?token=s3cret\n\
             https://user:s3cret@lone\nx=npm_s3crets3crets3crets3crets3crets3crets3cr\nhost=https://m/@s/x\n",
        );
        assert_eq!(npmrc.text, "host=https://m/@s/x\n");
        assert_eq!(npmrc.secrets.len(), 6);
        assert!(!format!("{:?}", npmrc.secrets).contains("s3cret"));
    }

    #[test]
    fn values_of_credentials_are_known() {
        let npmrc = Npmrc::parse(
            "//r/:_authToken=t0ken\n//r/:_password=\"cGE1NXdvcmQ=\"\n_auth=bWU6cGE1NXdvcmQ=\n//r/:username=me\n\
             @s:registry=https://me:p1n@r/\nemail=me@r\n//s/:_authToken=0ther # of CI\n",
        );
        let values = npmrc.credentials.values();
        let expected = [
            "t0ken",
            "cGE1NXdvcmQ=",
            "pa55word",
            "bWU6cGE1NXdvcmQ=",
            "pa55word",
            "p1n",
            "0ther",
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn credentials_are_filled_in() {
        let npmrc = Npmrc::parse(
            "@s:registry=https://${HOST}/\n//r/:_authToken=${TOKEN}\n//s/:_authToken=\"${NONE}\"\n//t/:_password=a${NONE:-b}c\n\
             //u/:_authToken=${NONE?}literal\n//v/:tokenHelper=/bin/token\n",
        );
        let (text, unset) = npmrc
            .credentials
            .fill_in(|name| (name == "TOKEN").then(|| "abc".to_owned()));
        assert_eq!(
            text,
            "//r/:_authToken=abc\n//t/:_password=abc\n//u/:_authToken=literal\n"
        );
        assert_eq!(unset, [("//s/:_authToken".to_owned(), "NONE".to_owned())]);
        assert!(npmrc.credentials.refer_to("TOKEN") && !npmrc.credentials.refer_to("HOST"));
        assert!(npmrc.refers_to("HOST") && !npmrc.refers_to("HOS") && !npmrc.refers_to("TOKEN"));
    }
}
