//! Stored logins and helpers, at a registry that wants a password.

use super::Expected::{NotFor, Pushed, Refused};
use super::Row;
use crate::registries::scene::{IDENTITY, PASSWORD, Scene, auth, right};

/// Without the right login.
const LOCKED_OUT: &[&str] = &["docker login HOST:PORT"];

fn stored(scene: &mut Scene, key: &str, entry: &str) {
    scene.wants_password();
    scene.entry(key, &entry.replace("RIGHT", &right()));
}

fn helped(scene: &mut Scene, configuration: &str, script: &str) {
    scene.wants_password();
    scene.config(configuration);
    scene.helper("x", script);
}

const STORE: &str = r#"{"credsStore":"x"}"#;

#[expect(clippy::too_many_lines, reason = "it is a table")]
#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("the login is under the host", "docker login", |scene| stored(scene, "HOST:PORT", r#"{"auth":"RIGHT"}"#)),
        Row::new("the key ends with a slash", "by hand", |scene| stored(scene, "HOST:PORT/", r#"{"auth":"RIGHT"}"#)),
        Row::new("the key has a version", "old clients", |scene| stored(scene, "HOST:PORT/v1/", r#"{"auth":"RIGHT"}"#)),
        Row::new("the key is an address", "old clients", |scene| stored(scene, "https://HOST:PORT/v1/", r#"{"auth":"RIGHT"}"#)),
        Row::new("a login for a part of the registry", "podman login", |scene| {
            scene.wants_password();
            let wrong = auth("lab:stale-pass-word");
            scene.config(format!(r#"{{"auths":{{"HOST:PORT":{{"auth":"{wrong}"}},"HOST:PORT/team":{{"auth":"{}"}}}}}}"#, right()));
            scene.names = vec!["HOST:PORT/team/app:1".to_owned()];
        }),
        Row::new("line breaks in `auth`", "base64 of coreutils", |scene| {
            let word = right();
            let (start, end) = word.split_at(12);
            stored(scene, "HOST:PORT", &format!(r#"{{"auth":"{start}\n{end}\r\n"}}"#));
        }),
        Row::new("a name and a password instead of `auth`", "Kubernetes' secrets", |scene| {
            stored(scene, "HOST:PORT", &format!(r#"{{"username":"lab","password":"{PASSWORD}"}}"#));
        }),
        Row::new("empty `username` and `password`", "templates in CI", |scene| {
            stored(scene, "HOST:PORT", r#"{"auth":"RIGHT","username":"","password":""}"#);
        }),
        Row::new("an empty `identitytoken`", "templates in CI", |scene| {
            stored(scene, "HOST:PORT", r#"{"auth":"RIGHT","identitytoken":""}"#);
        }),
        Row::new("an empty `credsStore`", "Docker Desktop that is gone", |scene| {
            scene.wants_password();
            scene.config(format!(r#"{{"auths":{{"HOST:PORT":{{"auth":"{}"}}}},"credsStore":""}}"#, right()));
        }),
        Row::new("an identity token is exchanged", "ACR", |scene| {
            scene.wants_token();
            scene.entry("HOST:PORT", &format!(r#"{{"auth":"MDAwMDo=","identitytoken":"{IDENTITY}"}}"#));
        }),
        Row::new("a helper knows the password", "ECR's helper", |scene| {
            helped(scene, STORE, &format!(r#"echo '{{"Username":"lab","Secret":"{PASSWORD}"}}'"#));
        }),
        Row::new("a helper beats a stored login that is stale", "Docker Desktop", |scene| {
            let wrong = auth("lab:stale-pass-word");
            let config = format!(r#"{{"auths":{{"HOST:PORT":{{"auth":"{wrong}"}}}},"credsStore":"x"}}"#);
            helped(scene, &config, &format!(r#"echo '{{"Username":"lab","Secret":"{PASSWORD}"}}'"#));
        }),
        Row::new("a helper for one registry", "gcloud", |scene| {
            let config = r#"{"credHelpers":{"HOST:PORT":"x"},"credsStore":"missing"}"#;
            helped(scene, config, &format!(r#"echo '{{"Username":"lab","Secret":"{PASSWORD}"}}'"#));
        }),
        Row::new("a helper knows an identity token", "ACR's helper", |scene| {
            helped(scene, STORE, &format!(r#"echo '{{"Username":"<token>","Secret":"{IDENTITY}"}}'"#));
            scene.wants_token();
        }),
        Row::new("a helper knows nothing", "all helpers", |scene| {
            helped(scene, STORE, "echo 'credentials not found in native keychain'; exit 1");
        }).all(Refused(4, LOCKED_OUT)),
        Row::new("a helper fails and prints the secret", "a helper with `set -x`", |scene| {
            helped(scene, STORE, &format!("echo '{PASSWORD}'; echo 'the keyring is locked' >&2; exit 3"));
        }).all(Refused(4, &["`docker-credential-x` failed (exit status: 3): the keyring is locked", "docker login HOST:PORT"])),
        Row::new("a helper prints the secret everywhere", "a helper with `set -x`", |scene| {
            helped(scene, STORE, &format!("echo '{PASSWORD}'; echo 'bad: {PASSWORD}' >&2; exit 3"));
        }).all(Refused(4, &["`docker-credential-x` failed (exit status: 3)", "docker login HOST:PORT"])),
        Row::new("a helper fails, and a login is stored", "a locked keyring", |scene| {
            let config = format!(r#"{{"auths":{{"HOST:PORT":{{"auth":"{}"}}}},"credsStore":"x"}}"#, right());
            helped(scene, &config, "exit 1");
        }).all(Pushed(&["`docker-credential-x` failed (exit status: 1)"])),
        Row::new("a helper is missing", "a config.json copied to CI", |scene| {
            scene.wants_password();
            scene.config(r#"{"credsStore":"desktop-x"}"#);
        }).all(Refused(4, &["the helper `docker-credential-desktop-x`, which ", "is not in PATH", "docker login HOST:PORT"])),
        Row::new("a helper hangs", "a keyring without a screen", |scene| {
            helped(scene, STORE, "exec sleep 60");
            scene.set("SLIMBUILD_HELPER_TIMEOUT", "1");
        }).all(Refused(4, &["`docker-credential-x` did not answer within 1 s", "docker login HOST:PORT"])),
        Row::new("a helper answers with something else", "a wrapper script", |scene| {
            helped(scene, STORE, &format!("echo 'login ok {PASSWORD}'"));
        }).all(Refused(4, &["`docker-credential-x` answers with something else than a credential"])),
        Row::new("DOCKER_AUTH_CONFIG", "GitLab", |scene| {
            scene.wants_password();
            scene.set("DOCKER_AUTH_CONFIG", format!(r#"{{"auths":{{"HOST:PORT":{{"auth":"{}"}}}}}}"#, right()));
        }),
        Row::new("REGISTRY_AUTH_FILE", "Podman in CI", |scene| {
            scene.wants_password();
            scene.file("auth.json", format!(r#"{{"auths":{{"HOST:PORT":{{"auth":"{}"}}}}}}"#, right()));
            scene.set("REGISTRY_AUTH_FILE", "HOMEDIR/auth.json");
        }),
        Row::new("Podman's auth.json", "podman login", |scene| {
            scene.wants_password();
            scene.file(".config/containers/auth.json", format!(r#"{{"auths":{{"HOST:PORT":{{"auth":"{}"}}}}}}"#, right()));
        }),
        Row::new("an empty config.json", "a full disk", |scene| {
            scene.wants_password();
            scene.config("");
        }).all(Refused(4, &[".docker/config.json` is left aside with its logins: it is empty", "docker login HOST:PORT"])),
        Row::new("config.json begins with a byte order mark", "PowerShell", |scene| {
            scene.wants_password();
            scene.config(format!("\u{feff}{{\"auths\":{{\"HOST:PORT\":{{\"auth\":\"{}\"}}}}}}", right()));
        }).all(Refused(4, &["it starts with a byte order mark", "docker login HOST:PORT"])),
        Row::new("`auth` is no base64", "an unset variable", |scene| {
            stored(scene, "HOST:PORT", r#"{"auth":"$TOKEN"}"#);
        }).all(Refused(4, &["the entry `HOST:PORT` of ", "is no base64"])),
        Row::new("a wrong password", "all registries", |scene| {
            let wrong = auth("lab:stale-pass-word");
            stored(scene, "HOST:PORT", &format!(r#"{{"auth":"{wrong}"}}"#));
        }).all(Refused(4, LOCKED_OUT))
          .docker(NotFor("it tries for 50 s; a wrong password at a token server is another row"))
          .newest(Refused(4, LOCKED_OUT)),
        Row::new("no login", "all registries", Scene::wants_password)
            .all(Refused(4, LOCKED_OUT))
            .native(Refused(4, &["the registry answers 401, authentication required", "look at the name, or log in: `docker login HOST:PORT`"])),
    ]
}
