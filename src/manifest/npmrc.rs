//! `.npmrc`: the lines that an install needs, without those that hold a secret.

/// The file's name, at the workspace's root and in members.
pub const FILE: &str = ".npmrc";

/// Whether the value of a key is a credential, also behind a registry's prefix (`//host/:_authToken`). Rather one setting too many stays behind.
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

/// An `.npmrc` that may travel into a build.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Npmrc {
    /// The text without secrets.
    pub text: String,
    /// The keys that were left out; never their values.
    pub secrets: Vec<String>,
    /// What stood there.
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

    /// The lines, with references to variables (`${NPM_TOKEN}`, `${NPM_TOKEN:-}`) put in their places. A line is left out where the variable
    /// is not set, and given by its key with the variable's name; lines about files of this machine are left out too.
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

/// A line with values in the places of `${…}`, or the name of a variable that has none.
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
    /// Parts settings from secrets. Comments go too: they may quote a token.
    pub fn parse(text: &str) -> Self {
        let mut npmrc = Self::default();
        for line in text.lines() {
            let line = line.trim_matches(|one: char| one.is_whitespace() || one == '\u{feff}');
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let key = key(line);
            let user_info = line.split("//").nth(1).is_some_and(|rest| {
                rest.split('/')
                    .next()
                    .is_some_and(|host| host.contains('@'))
            });
            if is_secret(key) || (user_info && !key.starts_with("//")) {
                npmrc.secrets.push(key.to_owned());
                npmrc.credentials.0.push(line.to_owned());
            } else {
                npmrc.text.push_str(line);
                npmrc.text.push('\n');
            }
        }
        npmrc
    }

    /// All lines as credentials: those of a user's own file.
    pub fn whole(text: &str) -> Credentials {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
        Credentials(lines.map(str::to_owned).collect())
    }

    /// Whether a setting refers to the variable, other than a credential.
    pub fn refers_to(&self, variable: &str) -> bool {
        refers(&self.text, variable)
    }

    /// The value of a setting.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.text.lines().rev().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then_some(value.trim())
        })
    }
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
