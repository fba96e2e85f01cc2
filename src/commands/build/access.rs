//! What steps of a build may use of this machine: ssh agents, and one more certificate authority.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::SshArg;
use crate::commands::error::Error;
use crate::engine::Secret;
use crate::plan::AUTHORITY;
use crate::system::env::Env;

/// Variables with which a user names certificate authorities, for node and for other programs.
const AUTHORITIES: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];

/// The variable with the socket of the user's ssh agent.
const AGENT: &str = "SSH_AUTH_SOCK";

/// What steps may use.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Sockets of ssh agents by name.
    pub(super) agents: BTreeMap<String, PathBuf>,
    certificates: Option<Secret>,
}

impl Access {
    /// What the arguments allow. Relative paths start at `cwd`.
    pub(super) fn new(
        ssh: &[SshArg],
        ca: Option<&Path>,
        cwd: &Path,
        env: &Env,
    ) -> Result<Self, Error> {
        let agents = ssh.iter().map(|agent| {
            let socket = socket(agent, cwd, env)?;
            Ok((agent.id.clone(), socket))
        });
        let certificates = ca.map(|file| certificates(&cwd.join(file)));
        Ok(Self {
            agents: agents.collect::<Result<_, Error>>()?,
            certificates: certificates.transpose()?,
        })
    }

    /// The certificates, under the id by which steps get them.
    pub(super) fn certificates(&self) -> Option<(String, Secret)> {
        let certificates = self.certificates.clone()?;
        Some((AUTHORITY.to_owned(), certificates))
    }
}

/// A file of certificate authorities that the user's environment names, with the variable. Steps on
/// this machine see the variable anyway.
pub(super) fn named_authority(env: &Env) -> Option<(&'static str, &str)> {
    let named = AUTHORITIES
        .iter()
        .find_map(|name| Some((*name, env.get(name)?)));
    named.filter(|(_, file)| !file.is_empty())
}

fn socket(agent: &SshArg, cwd: &Path, env: &Env) -> Result<PathBuf, Error> {
    let usage = |message: String, hint: &str| Error::Usage {
        message,
        hint: Some(hint.to_owned()),
    };
    let named = env.get(AGENT).filter(|path| !path.is_empty());
    let path = agent.socket.as_ref().map(|path| cwd.join(path));
    let Some(path) = path.or_else(|| named.map(PathBuf::from)) else {
        return Err(usage(
            format!(
                "`--ssh {}` wants an ssh agent, and {AGENT} names none",
                agent.id
            ),
            "start one and give it your key: `eval $(ssh-agent)`, then `ssh-add`",
        ));
    };
    if is_socket(&path) {
        return Ok(path);
    }
    Err(usage(
        format!(
            "`--ssh {}`: `{}` is no socket of an ssh agent",
            agent.id,
            path.display()
        ),
        "name the socket of a running agent, as `--ssh default=SOCKET`; a key goes into an agent with `ssh-add`",
    ))
}

#[cfg(unix)]
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = fs_err::metadata(path).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_socket())
}

#[cfg(not(unix))]
fn is_socket(_: &Path) -> bool {
    false
}

/// Reads certificates in PEM format. A key beside them must not reach a build.
fn certificates(file: &Path) -> Result<Secret, Error> {
    let bytes = fs_err::read(file);
    let bytes = bytes.map_err(Error::io("cannot read the certificates of `--ca`"))?;
    let has = |words: &[u8]| bytes.windows(words.len()).any(|part| part == words);
    let problem = if has(b"PRIVATE KEY-----") {
        "holds a private key, which no build should get"
    } else if !has(b"-----BEGIN CERTIFICATE-----") {
        "holds no certificate in PEM format"
    } else if bytes.len() > Secret::MAX {
        "is larger than 500 kB"
    } else {
        // Another file may come before it, and end without a line break.
        return Ok(Secret::from([b"\n", &bytes[..]].concat()));
    };
    Err(Error::Usage {
        message: format!("`--ca`: `{}` {problem}", file.display()),
        hint: Some("name a file with `-----BEGIN CERTIFICATE-----`".to_owned()),
    })
}
