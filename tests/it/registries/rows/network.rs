//! Proxies, certificates, names.

use super::Expected::{NotFor, Pushed, Refused};
use super::Row;
use crate::registries::scene::Scene;

/// Why a row is for the program's own client only.
const DAEMON: super::Expected = NotFor("the daemon has its own proxies and certificates");

/// A proxy that nothing listens for.
const GONE: &str = "http://lab:s3cret-proxy@127.0.0.1:9";

fn at(scene: &mut Scene, host: &str) {
    host.clone_into(&mut scene.host);
}

fn behind_proxy(scene: &mut Scene, host: &str, none: &str) {
    scene.set("HTTP_PROXY", GONE);
    scene.set("HTTPS_PROXY", GONE);
    scene.set("NO_PROXY", none);
    at(scene, host);
}

/// At this machine's own address, which needs TLS.
fn with_tls(scene: &mut Scene) {
    at(scene, "MACHINE");
    scene.tls = true;
}

fn named(scene: &mut Scene, name: &str) {
    scene.names = vec![name.to_owned()];
}

const UNVERIFIED: super::Expected = Pushed(&["the connection to `HOST:PORT` is not verified"]);

const NO_NAME: super::Expected = Refused(2, &["is not an image name"]);

#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("this machine needs no proxy", "curl, Go", |scene| behind_proxy(scene, "127.0.0.1", "")).docker(DAEMON),
        Row::new("NO_PROXY is `*`", "CI", |scene| {
            behind_proxy(scene, "MACHINE", "*");
            scene.arguments = vec!["--insecure-registry".to_owned(), "HOST:PORT".to_owned()];
        }).docker(DAEMON),
        Row::new("NO_PROXY names the port", "CI", |scene| {
            behind_proxy(scene, "MACHINE", "other.example, HOST:PORT");
            scene.arguments = vec!["--insecure-registry".to_owned(), "HOST:PORT".to_owned()];
        }).docker(DAEMON),
        Row::new("a proxy that is gone", "CI", |scene| {
            behind_proxy(scene, "127.0.0.1", "");
            named(scene, "registry.invalid/app:1");
        }).native(Refused(4, &["the proxy `http://127.0.0.1:9` does not connect: ", "NO_PROXY names the registries"])).docker(DAEMON),
        Row::new("certs.d holds the authority", "companies", |scene| {
            with_tls(scene);
            // `ca.pem` is made when the scene begins.
            scene.link(".config/docker/certs.d/HOST:PORT/ca.crt", "ca.pem");
        }).docker(DAEMON),
        Row::new("an authority that nobody knows", "companies", with_tls)
            .native(Refused(4, &["certificate", "`/etc/docker/certs.d/HOST:PORT/ca.crt`; `--insecure-registry HOST:PORT` goes without"]))
            .docker(Refused(4, &["x509: "])),
        Row::new("an insecure registry with TLS", "companies", |scene| {
            with_tls(scene);
            scene.arguments = vec!["--insecure-registry".to_owned(), "HOST:PORT".to_owned()];
        }).native(UNVERIFIED).docker(DAEMON),
        Row::new("an insecure registry without TLS", "companies", |scene| {
            at(scene, "MACHINE");
            scene.arguments = vec!["--insecure-registry".to_owned(), "HOST:PORT".to_owned()];
        }).native(UNVERIFIED).docker(DAEMON),
        Row::new("an insecure registry of slimbuild.json", "companies", |scene| {
            at(scene, "MACHINE");
            scene.file("slimbuild.json", r#"{"insecureRegistries": ["HOST:PORT"]}"#);
        }).native(UNVERIFIED).docker(DAEMON),
        Row::new("an insecure registry of the daemon's list", "companies", |scene| {
            at(scene, "MACHINE");
            scene.file(".config/docker/daemon.json", r#"{"insecure-registries": ["HOST:PORT"]}"#);
        }).native(UNVERIFIED).docker(DAEMON),
        Row::new("a registry that has no TLS", "companies", |scene| at(scene, "MACHINE"))
            .native(Refused(4, &["the registry does not speak TLS", "`--insecure-registry HOST:PORT` goes without TLS"]))
            .docker(Refused(4, &["server gave HTTP response to HTTPS client"])),
        Row::new("TLS on this machine", "companies", |scene| {
            scene.tls = true;
        }),
        Row::new("the host is LOCALHOST", "by hand", |scene| at(scene, "LOCALHOST")),
        Row::new("a port that is none", "an unset variable", |scene| named(scene, "127.0.0.1:/app:1")).all(NO_NAME),
        Row::new("a port that is too large", "a typo", |scene| named(scene, "127.0.0.1:70000/app:1")).all(NO_NAME),
        Row::new("three underscores", "a branch's name", |scene| named(scene, "HOST:PORT/a___b:1")).all(NO_NAME),
        Row::new("two dots", "a branch's name", |scene| named(scene, "HOST:PORT/a..b:1")).all(NO_NAME),
        Row::new("a path over 255", "a branch's name", |scene| scene.names = vec![format!("HOST:PORT/{}:1", "a".repeat(256))]).all(NO_NAME),
    ]
}
