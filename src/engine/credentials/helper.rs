//! Credential helpers: programs named `docker-credential-NAME`
//! (<https://github.com/docker/docker-credential-helpers>).
//!
//! What a helper prints on stdout is secret, and is never shown, also when the helper fails.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::Credential;

/// How a helper says that it has no credential.
const ABSENCE: &str = "credentials not found";
/// The user name that comes with an identity token.
const TOKEN_USER: &str = "<token>";
/// The longest message of a helper that is shown.
const MAX_WORDS: usize = 300;
/// Shorter words of stdout are no secrets.
const MIN_SECRET: usize = 4;

/// What a helper is started with.
#[derive(Clone, Default)]
pub(super) struct Surroundings {
    /// `PATH`, in which it is searched for.
    pub(super) path: Option<String>,
    /// How long it may take.
    pub(super) limit: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper that `place` names. Dropping the future ends the helper.
pub(super) async fn get(
    name: &str,
    server: &str,
    place: &str,
    surroundings: &Surroundings,
) -> Result<Option<Credential>, String> {
    let program = format!("docker-credential-{name}");
    if name.contains(['/', '\\']) {
        return Err(format!("`{name}`, which {place} names, is no helper"));
    }
    let mut command = Command::new(&program);
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(path) = &surroundings.path {
        command.env("PATH", path);
    }
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("the helper `{program}`, which {place} names, is not in PATH")
        }
        _ => format!("the helper `{program}`, which {place} names, does not start: {error}"),
    })?;
    let talk = async {
        if let Some(mut question) = child.stdin.take() {
            // A helper may answer without reading.
            drop(question.write_all(server.as_bytes()).await);
        }
        child.wait_with_output().await
    };
    let limit = surroundings.limit;
    match tokio::time::timeout(limit, talk).await {
        Ok(Ok(output)) => read(&output, &program),
        Ok(Err(error)) => Err(format!("`{program}` cannot be asked: {error}")),
        Err(_) => Err(format!(
            "`{program}` did not answer within {} s",
            limit.as_secs_f64()
        )),
    }
}

fn read(output: &Output, program: &str) -> Result<Option<Credential>, String> {
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        if said.contains(ABSENCE) {
            return Ok(None);
        }
        let words = words(&output.stderr, &said);
        return Err(format!("`{program}` failed ({}){words}", output.status));
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`{program}` answers with something else than a credential"))?;
    Ok(match (&*answer.username, answer.secret) {
        (_, secret) if secret.is_empty() => None,
        (TOKEN_USER, token) => Some(Credential::IdentityToken(token)),
        ("", _) => None,
        (user, password) => Some(Credential::Password(user.to_owned(), password)),
    })
}

/// The message on stderr, unless it repeats a word of stdout.
fn words(stderr: &[u8], stdout: &str) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut secrets = stdout.split(|at: char| at.is_whitespace() || "\"{}:,".contains(at));
    let repeats = secrets.any(|word| word.len() >= MIN_SECRET && text.contains(word));
    if text.is_empty() || repeats {
        return String::new();
    }
    let visible = text.chars().filter(|at| !at.is_control());
    format!(": {}", visible.take(MAX_WORDS).collect::<String>())
}
