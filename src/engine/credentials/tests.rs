use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

/// A home directory with logins and helpers.
struct Home(tempfile::TempDir);

impl Home {
    fn new(configuration: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write(".docker/config.json", configuration);
        home
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    /// A helper that runs this. Another program writes it: a test beside this one that starts a
    /// program would keep a file of ours open.
    fn helper(&self, name: &str, script: &str) {
        let file = self.0.path().join(format!("docker-credential-{name}"));
        let text = format!("#!/bin/sh\nread -r server\n{script}\n");
        let write = r#"printf '%s' "$1" > "$2" && chmod +x "$2""#;
        let mut command = std::process::Command::new("sh");
        command.args(["-c", write, "sh", &text]).arg(&file);
        assert!(command.status().unwrap().success());
    }

    fn logins(&self, variables: &[(&str, &str)]) -> Logins {
        let home = self.0.path().to_str().unwrap();
        let path = format!("{home}:/usr/bin:/bin");
        let own = [("HOME", home), ("PATH", &path)];
        Logins::of(&own.iter().chain(variables).copied().collect::<Env>())
    }

    /// `user password`, and the warnings.
    fn find(&self, image: &str) -> (String, Vec<String>) {
        found(&self.logins(&[]), image)
    }
}

fn found(logins: &Logins, image: &str) -> (String, Vec<String>) {
    let image = image.parse().unwrap();
    let found = runtime().block_on(logins.for_image(&image));
    let text = match found.credential {
        None => String::new(),
        Some(Credential::Password(user, password)) => format!("{user} {password}"),
        Some(Credential::IdentityToken(token)) => format!("token {token}"),
    };
    (text, found.warnings)
}

fn runtime() -> tokio::runtime::Runtime {
    crate::engine::docker::runtime().unwrap()
}

/// Logins for tests: one password for one registry.
pub(crate) fn logins(registry: &str, auth: &str) -> Logins {
    let text = format!(r#"{{"auths":{{"{registry}":{{"auth":"{auth}"}}}}}}"#);
    Logins::of(&[("DOCKER_AUTH_CONFIG", text)].into_iter().collect())
}

/// Logins for tests: those of a file.
pub(crate) fn logins_of_file(file: &Path) -> Logins {
    let directory = file.parent().unwrap().to_str().unwrap();
    Logins::of(&[("DOCKER_CONFIG", directory)].into_iter().collect())
}

#[test]
fn stored_logins_are_found_however_they_are_written() {
    for (entry, image, expected) in [
        (
            r#""https://index.docker.io/v1/":{"auth":"bGFiOmxhYg=="}"#,
            "node:22",
            "lab lab",
        ),
        (
            r#""docker.io":{"auth":"bGFiOmxhYg=="}"#,
            "shop/server",
            "lab lab",
        ),
        (
            r#""r.example":{"auth":"bGFiOmxhYg=="}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""r.example/":{"auth":"bGFiOmxhYg=="}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""r.example/v1/":{"auth":"bGFiOmxhYg=="}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""https://r.example/v1/":{"auth":"bGFiOmxhYg=="}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""http://r.example:5000":{"auth":"bGFiOmxhYg"}"#,
            "r.example:5000/x",
            "lab lab",
        ),
        (
            r#""r.example":{"auth":"bGFiOmxhYg=="}"#,
            "r.example:5000/x",
            "",
        ),
        // For parts of a registry, as Podman has them.
        (
            r#""r.example/team":{"auth":"dGVhbTp0"},"r.example":{"auth":"bGFiOmxhYg=="}"#,
            "r.example/team/x",
            "team t",
        ),
        (
            r#""r.example/team":{"auth":"dGVhbTp0"},"r.example":{"auth":"bGFiOmxhYg=="}"#,
            "r.example/teams/x",
            "lab lab",
        ),
        (
            r#""r.example/team":{"auth":"dGVhbTp0"},"r.example/team/x":{"auth":"bGFiOmxhYg=="}"#,
            "r.example/team/x",
            "lab lab",
        ),
        // For Docker, only the host counts.
        (
            r#""r.example/team":{"auth":"dGVhbTp0"}"#,
            "r.example/x",
            "team t",
        ),
        // Line breaks, other keys, empty values.
        (
            r#""r.example":{"auth":"bGFi\nOmxh\r\nYg==\n"}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""r.example":{"username":"lab","password":"lab"}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""r.example":{"auth":"bGFiOmxhYg==","username":"","password":""}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""r.example":{"auth":"bGFiOmxhYg==","identitytoken":""}"#,
            "r.example/x",
            "lab lab",
        ),
        (
            r#""r.example":{"auth":"bGFiOg==","identitytoken":"t0ken"}"#,
            "r.example/x",
            "token t0ken",
        ),
        (r#""r.example":{}"#, "r.example/x", ""),
        (
            r#""localhost:5000":{"auth":"bGFiOmxhYg=="}"#,
            "LOCALHOST:5000/x",
            "lab lab",
        ),
    ] {
        for more in ["", r#","credsStore":"""#] {
            let home = Home::new(&format!(r#"{{"auths":{{{entry}}}{more}}}"#));
            let expected = (expected.to_owned(), Vec::new());
            assert_eq!(home.find(image), expected, "{entry} {image}");
        }
    }
}

#[test]
fn a_login_that_cannot_be_read_is_named_and_not_quoted() {
    for (auth, why) in [
        ("bGFi!", "is no base64"),
        ("bGFi", "is not `USER:PASSWORD` in base64"),
    ] {
        let home = Home::new(&format!(
            r#"{{"auths":{{"r.example":{{"auth":"{auth}"}}}}}}"#
        ));
        let (credential, warnings) = home.find("r.example/x");
        assert_eq!(credential, "");
        let file = home.0.path().join(".docker/config.json");
        let expected = format!(
            "cannot get the credentials of `r.example`: the entry `r.example` of `{}` {why}",
            file.display()
        );
        assert_eq!(warnings, [expected]);
    }
}

#[test]
fn a_place_that_cannot_be_read_is_left_aside_with_a_warning() {
    for (text, why) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        (
            "\u{feff}{}",
            "it starts with a byte order mark, which Docker does not read; save it without one",
        ),
        (r#"{"auths": secret}"#, "it is no JSON (line 1, column 11)"),
    ] {
        let home = Home::new(text);
        let file = home.0.path().join(".docker/config.json");
        let file = file.display();
        let expected = format!("`{file}` is left aside with its logins: {why}");
        assert_eq!(home.logins(&[]).warnings(), [expected]);
    }
    assert!(Logins::of(&Env::default()).warnings().is_empty());
    let missing = [("REGISTRY_AUTH_FILE", "/nowhere/auth.json")];
    let logins = Home::new("{}").logins(&missing);
    assert_eq!(
        logins.warnings(),
        ["REGISTRY_AUTH_FILE names `/nowhere/auth.json`, which does not exist"]
    );
}

#[test]
fn places_are_asked_in_their_order() {
    let entry = |auth: &str| format!(r#"{{"auths":{{"r.example":{{"auth":"{auth}"}}}}}}"#);
    let home = Home::new("{}");
    home.write(".config/containers/auth.json", &entry("cG9kbWFuOnA=")); // podman:p
    assert_eq!(home.find("r.example/x").0, "podman p");
    home.write("run/containers/auth.json", &entry("cnVuOnA=")); // run:p
    let run = home.0.path().join("run");
    let run = ("XDG_RUNTIME_DIR", run.to_str().unwrap());
    assert_eq!(found(&home.logins(&[run]), "r.example/x").0, "run p");
    home.write(".docker/config.json", &entry("ZG9ja2VyOnA=")); // docker:p
    assert_eq!(found(&home.logins(&[run]), "r.example/x").0, "docker p");
    home.write("own.json", &entry("b3duOnA=")); // own:p
    let own = home.0.path().join("own.json");
    let own = ("REGISTRY_AUTH_FILE", own.to_str().unwrap());
    assert_eq!(found(&home.logins(&[own]), "r.example/x").0, "own p");
    let variable = entry("Y2k6cA=="); // ci:p
    let variable = ("DOCKER_AUTH_CONFIG", variable.as_str());
    let logins = home.logins(&[own, variable]);
    assert_eq!(found(&logins, "r.example/x").0, "ci p");
    for secret in ["ci", "own", "docker"] {
        let known = logins.stored_passwords();
        assert!(known.contains(&"p".to_owned()), "{secret}: {known:?}");
    }
}

#[test]
fn helpers_are_asked_and_their_secrets_are_never_shown() {
    let home = Home::new(
        r#"{"credsStore":"store","credHelpers":{"a.example":"token","b.example":"","c.example":"fails","d.example":"missing","e.example":"odd","f.example":"../x","g.example":"tells"},
        "auths":{"r.example":{"auth":"c3RhbGU6cA=="},"b.example":{"auth":"bGFiOmxhYg=="},"c.example":{"auth":"bGFiOmxhYg=="}}}"#,
    );
    home.helper(
        "store",
        r#"case $server in
        r.example) echo '{"Username":"new","Secret":"p"}';;
        https://index.docker.io/v1/) echo '{"Username":"hub","Secret":"p"}';;
        *) echo 'credentials not found in native keychain'; exit 1;;
        esac"#,
    );
    home.helper("token", r#"echo '{"Username":"<token>","Secret":"t0ken"}'"#);
    home.helper(
        "fails",
        "echo 'the-secret-word'; echo 'the keyring is locked' >&2; exit 3",
    );
    home.helper(
        "tells",
        "echo 'the-secret-word'; echo 'no the-secret-word' >&2; exit 3",
    );
    home.helper("odd", "echo 'the-secret-word'");
    let place = home.0.path().join(".docker/config.json");
    let place = format!("`{}`", place.display());
    let why =
        |host: &str, why: &str| vec![format!("cannot get the credentials of `{host}`: {why}")];
    for (image, credential, warnings) in [
        ("r.example/x", "new p", vec![]),
        ("node", "hub p", vec![]),
        ("z.example/x", "", vec![]),
        ("a.example/x", "token t0ken", vec![]),
        ("b.example/x", "lab lab", vec![]),
        (
            "c.example/x",
            "lab lab",
            why(
                "c.example",
                "`docker-credential-fails` failed (exit status: 3): the keyring is locked",
            ),
        ),
        (
            "d.example/x",
            "",
            why(
                "d.example",
                &format!(
                    "the helper `docker-credential-missing`, which {place} names, is not in PATH"
                ),
            ),
        ),
        (
            "e.example/x",
            "",
            why(
                "e.example",
                "`docker-credential-odd` answers with something else than a credential",
            ),
        ),
        (
            "f.example/x",
            "",
            why(
                "f.example",
                &format!("`../x`, which {place} names, is no helper"),
            ),
        ),
        (
            "g.example/x",
            "",
            why(
                "g.example",
                "`docker-credential-tells` failed (exit status: 3)",
            ),
        ),
    ] {
        assert_eq!(
            home.find(image),
            (credential.to_owned(), warnings),
            "{image}"
        );
    }
}

#[test]
fn a_helper_that_hangs_is_not_waited_for() {
    let home = Home::new(r#"{"credsStore":"hangs"}"#);
    home.helper("hangs", "exec sleep 30");
    let began = Instant::now();
    let logins = home.logins(&[(LIMIT_VARIABLE, "1")]);
    let expected = "cannot get the credentials of `r.example`: `docker-credential-hangs` did not answer within 1 s";
    assert_eq!(found(&logins, "r.example/x").1, [expected]);
    // Whoever asks may stop to wait.
    let logins = home.logins(&[]);
    let asked = runtime().block_on(async {
        let answer = logins.find("r.example", "x");
        tokio::time::timeout(Duration::from_millis(100), answer).await
    });
    assert!(asked.is_err());
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn stored_passwords_are_known_without_helpers() {
    let text = r#"{"auths":{"a":{"auth":"bGFiOnBhNTV3b3Jk"},"b":{"identitytoken":"t0ken"},"c":{}},"credsStore":"none"}"#;
    let logins = Home::new(text).logins(&[]);
    let expected = ["bGFiOnBhNTV3b3Jk", "pa55word", "t0ken"];
    assert_eq!(logins.stored_passwords(), expected);
    assert!(!format!("{logins:?}").contains("pa55word"));
}

#[test]
fn registries_are_told_by_names() {
    for (image, expected) in [
        ("node:22-slim", HUB),
        ("shop/base", HUB),
        ("docker.io/library/node", HUB),
        ("localhost/base", "localhost"),
        ("LOCALHOST/base", "LOCALHOST"),
        ("gcr.io/distroless/cc-debian12:nonroot", "gcr.io"),
        ("127.0.0.1:5001/base", "127.0.0.1:5001"),
    ] {
        assert_eq!(registry(&image.parse().unwrap()), expected, "{image}");
    }
}
