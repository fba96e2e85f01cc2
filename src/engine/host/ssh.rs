//! A Docker daemon that is reached over ssh.

use std::fmt;

/// Where `ssh` goes. Keys, names of hosts and jumps over others are ssh's own matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    user: Option<String>,
    host: String,
    port: Option<u16>,
    /// The daemon's socket there, if it is not the one that `docker` finds by itself.
    socket: Option<String>,
}

impl Ssh {
    /// Parses what stands behind `ssh://`: `[USER@]HOST[:PORT][/SOCKET]`. `None` if it is not of
    /// this form; a password has no place in it, as in Docker.
    pub(super) fn parse(rest: &str) -> Option<Self> {
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, tail) = bracketed.split_once(']')?;
                let port = match tail {
                    "" => None,
                    tail => Some(tail.strip_prefix(':')?),
                };
                (host, port)
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port: &u16| *port > 0)?),
            None => None,
        };
        // Neither may be taken for an option of ssh's, or hold another word.
        let plain = |text: &str, more: &str| {
            let letter = |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
            !text.is_empty() && !text.starts_with('-') && text.chars().all(letter)
        };
        let socket = path.filter(|path| !path.is_empty());
        let fits = plain(host, "._-:%")
            && user.is_none_or(|user| plain(user, "._-+@\\"))
            && socket.is_none_or(|socket| plain(socket, "/._-@"));
        fits.then(|| Self {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            socket: socket.map(|socket| format!("/{socket}")),
        })
    }

    /// The program that connects to the daemon, as Docker's command line calls it.
    pub(in crate::engine) fn words(&self) -> Vec<String> {
        self.with(&["system", "dial-stdio"])
    }

    /// What a user can run to see whether it works.
    pub(in crate::engine) fn by_hand(&self) -> String {
        self.with(&["version"]).join(" ")
    }

    fn with(&self, command: &[&str]) -> Vec<String> {
        let mut words = vec!["ssh".to_owned()];
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.extend(["-o", "ConnectTimeout=30", "-T", "--"].map(str::to_owned));
        words.push(self.host.clone());
        words.push("docker".to_owned());
        if let Some(socket) = &self.socket {
            words.push(format!("--host=unix://{socket}"));
        }
        words.extend(command.iter().map(|&word| word.to_owned()));
        words
    }
}

impl fmt::Display for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.socket.as_deref().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_the_words_that_docker_uses() {
        let end = "docker system dial-stdio";
        for (text, words) in [
            ("build.example", format!("build.example {end}")),
            ("me@build.example", format!("build.example {end}")),
            ("me@10.0.0.1:2222", format!("10.0.0.1 {end}")),
            ("[::1]:22", format!("::1 {end}")),
            (
                "me@h/run/user/1000/docker.sock",
                "h docker --host=unix:///run/user/1000/docker.sock system dial-stdio".to_owned(),
            ),
        ] {
            let ssh = Ssh::parse(text).expect(text);
            assert_eq!(ssh.to_string(), format!("ssh://{text}"));
            let all = ssh.words().join(" ");
            assert!(all.ends_with(&format!(" -T -- {words}")), "{all}");
            assert_eq!(all.contains(" -l me "), text.starts_with("me@"), "{all}");
        }
        assert!(
            Ssh::parse("h:2222")
                .unwrap()
                .words()
                .join(" ")
                .contains(" -p 2222 ")
        );
        for wrong in [
            "",
            "@h",
            "-oProxyCommand=x",
            "me@-h",
            "-l@h",
            "h:0",
            "h:99999",
            "h:x",
            "h x",
            "me:secret@h",
            "h/a b",
            "h/$(x)",
            "[::1",
        ] {
            assert_eq!(Ssh::parse(wrong), None, "{wrong}");
        }
    }
}
