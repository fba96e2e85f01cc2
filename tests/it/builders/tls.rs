//! A daemon on the network with Docker's certificates, as GitLab's docker-in-docker is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use slimbuild::Env;
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::{NEW_KEY, SECRETS, app, assert_no_secret, openssl};
use crate::support::container::Container;
use crate::support::daemon::{every_daemon, skipped};
use crate::support::program::slimbuild_with;

/// Makes an authority, and certificates of it for the daemon and for a client, named as Docker does.
fn certificates(directory: &Path) {
    let run = |line: &str| openssl(directory, line);
    run(&format!(
        "req -x509 {NEW_KEY} -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem"
    ));
    fs_err::write(directory.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for (request, certificate, private) in [
        ("s.csr", "server.pem", "server-key.pem"),
        ("c.csr", "cert.pem", "key.pem"),
    ] {
        run(&format!(
            "req {NEW_KEY} -subj /CN=side -keyout {private} -out {request}"
        ));
        run(&format!(
            "x509 -req -in {request} -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile names -out {certificate}"
        ));
    }
}

/// Serves a daemon's socket over TLS to clients that the authority knows.
fn serve(directory: &Path, socket: PathBuf) -> SocketAddr {
    let chain = |name: &str| -> Vec<CertificateDer<'static>> {
        let file = CertificateDer::pem_file_iter(directory.join(name)).unwrap();
        file.collect::<Result<_, _>>().unwrap()
    };
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(chain("ca.pem").remove(0)).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.join("server-key.pem")).unwrap();
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain("server.pem"), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(configuration));
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                tokio::spawn(async move {
                    // Clients come and go.
                    let Ok(mut near) = acceptor.accept(stream).await else {
                        return;
                    };
                    let Ok(mut far) = UnixStream::connect(socket).await else {
                        return;
                    };
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                });
            }
        });
    });
    address.recv().unwrap()
}

#[test]
fn secrets_reach_a_daemon_behind_tls() {
    let test = "secrets_reach_a_daemon_behind_tls";
    every_daemon(test, |daemon| {
        let Some(socket) = daemon.address.strip_prefix("unix://") else {
            return skipped("the daemon has no socket", test);
        };
        let directory = crate::support::temporary();
        certificates(directory.path());
        let address = serve(directory.path(), socket.into());
        let env: Env = [
            ("DOCKER_HOST", &*format!("tcp://{address}")),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", directory.path().to_str().unwrap()),
        ]
        .into_iter()
        .collect();
        let tree = app();
        let tag = daemon.tag("behind-tls");
        let arguments = [&["apps/api", "-q", "-t", &tag.name][..], &SECRETS].concat();
        let outcome = slimbuild_with(tree.root(), &arguments, &env);
        assert_eq!(outcome.text(), format!("{}\n", tag.name));
        let container = Container::start(daemon, &tag.name, 3000);
        assert!(container.get(3000, "/").ends_with(" known"));
        // With `-v`, requests go over a connection that tells of them.
        let told = [&["apps/api", "-v", "-t", &tag.name][..], &SECRETS].concat();
        let told = slimbuild_with(tree.root(), &told, &env);
        assert_eq!(told.code, 0, "{}", told.stderr);
        assert!(
            told.stderr.contains(&format!("{address}")),
            "{}",
            told.stderr
        );
        assert!(told.stderr.contains("request: GET "), "{}", told.stderr);
        assert_no_secret("-v", told.stderr.as_bytes());
    });
}
