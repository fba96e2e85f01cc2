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
            let key = line.split('=').next().unwrap_or_default().trim();
            let key = key.trim_matches(['"', '\'']).trim();
            let user_info = line.split("//").nth(1).is_some_and(|rest| {
                rest.split('/')
                    .next()
                    .is_some_and(|host| host.contains('@'))
            });
            if is_secret(key) || (user_info && !key.starts_with("//")) {
                npmrc.secrets.push(key.to_owned());
            } else {
                npmrc.text.push_str(line);
                npmrc.text.push('\n');
            }
        }
        npmrc
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
}
