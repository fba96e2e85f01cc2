use insta::assert_snapshot;
use tempfile::TempDir;

use super::*;

/// A home directory with Docker's configuration in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.0.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    /// `colima`'s metadata lies under the SHA-256 of its name.
    fn colima(&self, content: &str) {
        self.write(
            &format!(".docker/contexts/meta/{COLIMA}/meta.json"),
            content,
        );
    }

    fn resolve(&self, variables: &[(&str, &str)]) -> Result<Host, HostError> {
        let home = [("HOME", self.0.path().to_str().unwrap())];
        resolve(&home.iter().chain(variables).copied().collect(), None)
    }

    /// An error's text and hint without what differs between runs.
    fn failure(&self, variables: &[(&str, &str)]) -> String {
        let error = self.resolve(variables).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        format!("{error}\nhint: {hint}").replace(self.0.path().to_str().unwrap(), "[home]")
    }
}

const COLIMA: &str = "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16";

#[test]
fn nothing_said_is_the_default_socket() {
    let host = Home::new().resolve(&[]).unwrap();
    assert_eq!(
        host.to_string(),
        "`unix:///var/run/docker.sock` (the default socket)"
    );
}

#[test]
fn the_flag_beats_the_variable_beats_the_context() {
    let home = Home::new();
    home.write(".docker/config.json", r#"{"currentContext":"colima"}"#);
    home.colima(r#"{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///c.sock","SkipTLSVerify":false}}}"#);
    assert_eq!(
        home.resolve(&[]).unwrap().to_string(),
        "`unix:///c.sock` (context `colima`)"
    );
    let variable = ("DOCKER_HOST", "unix:///v.sock");
    assert_eq!(
        home.resolve(&[variable]).unwrap().to_string(),
        "`unix:///v.sock` (DOCKER_HOST)"
    );
    let env = [variable].into_iter().collect();
    assert_eq!(
        resolve(&env, Some("unix:///f.sock")).unwrap().to_string(),
        "`unix:///f.sock` (--host)"
    );
    let context = home.resolve(&[("DOCKER_CONTEXT", "default")]).unwrap();
    assert_eq!(context.origin(), &Origin::Default);
}

#[test]
fn addresses_on_the_network() {
    for (text, shown) in [
        ("tcp://build.example", "tcp://build.example:2375"),
        ("tcp://10.0.0.1:4000/", "tcp://10.0.0.1:4000"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("http://[::1]:80", "tcp://[::1]:80"),
    ] {
        let host = Home::new().resolve(&[("DOCKER_HOST", text)]).unwrap();
        assert_eq!(host.address().to_string(), shown);
    }
}

#[test]
fn certificates_come_from_the_variables() {
    let host = ("DOCKER_HOST", "tcp://build.example");
    let verify = ("DOCKER_TLS_VERIFY", "1");
    let home = Home::new();
    let address = |variables: &[_]| home.resolve(variables).unwrap().address().clone();
    let authority = "build.example:2376".to_owned();
    assert_eq!(
        address(&[host, verify, ("DOCKER_CERT_PATH", "/certs")]),
        Address::Tls {
            authority: authority.clone(),
            certificates: "/certs".into()
        }
    );
    assert_eq!(
        address(&[host, verify]),
        Address::Tls {
            authority,
            certificates: home.0.path().join(".docker")
        }
    );
    assert!(matches!(
        home.resolve(&[host, ("DOCKER_TLS", "1")]),
        Err(HostError::Unverified { .. })
    ));
}

#[test]
fn certificates_come_from_the_context() {
    let home = Home::new();
    home.colima(r#"{"Endpoints":{"docker":{"Host":"tcp://far:2376"}}}"#);
    home.write(
        &format!(".docker/contexts/tls/{COLIMA}/docker/ca.pem"),
        "ca",
    );
    let host = home.resolve(&[("DOCKER_CONTEXT", "colima")]).unwrap();
    assert!(
        matches!(host.address(), Address::Tls { certificates, .. } if certificates.ends_with(format!("{COLIMA}/docker")))
    );
}

#[test]
fn a_missing_context_is_named_with_its_file() {
    assert_snapshot!(Home::new().failure(&[("DOCKER_CONTEXT", "colima")]), @r"
    there is no Docker context `colima`: `[home]/.docker/contexts/meta/f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16/meta.json` does not exist
    hint: See `docker context ls`, and choose another with `docker context use` or `DOCKER_CONTEXT`.
    ");
}

#[test]
fn ssh_is_asked_only_for_what_is_a_host() {
    assert_snapshot!(Home::new().failure(&[("DOCKER_HOST", "ssh://me:hunter2@build.example")]), @"
    `ssh://me:***@build.example` (from DOCKER_HOST) is not of the form `ssh://USER@HOST:PORT`
    hint: A path behind it names the daemon's socket there. Keys, passwords and other settings are ssh's own: `~/.ssh/config`.
    ");
}

#[test]
fn nonsense_is_refused() {
    assert_snapshot!(Home::new().failure(&[("DOCKER_HOST", "docker.sock")]), @r"
    `docker.sock` (from DOCKER_HOST) is not an address of a Docker daemon
    hint: Write `unix:///var/run/docker.sock`, or `tcp://host:2375` for a daemon that listens on the network.
    ");
    for text in [
        "unix://",
        "tcp://",
        "fd://",
        "npipe:////./pipe/docker_engine",
    ] {
        assert!(Home::new().resolve(&[("DOCKER_HOST", text)]).is_err());
    }
}

#[test]
fn a_broken_configuration_names_no_context() {
    let home = Home::new();
    for text in ["{", "", "\u{feff}{}"] {
        home.write(".docker/config.json", text);
        assert!(home.resolve(&[]).unwrap().is_default());
    }
}
