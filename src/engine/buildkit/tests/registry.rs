//! A base image that only those who log in can pull.

use bollard::query_parameters::PushImageOptions;

use super::super::PullPolicy;
use super::{build, failure, request};
use crate::engine::Logins;
use crate::engine::credentials::tests::logins;
use crate::engine::docker::{Docker, EngineError, runtime};
use crate::engine::testing::{client, remove, skipped, unique, with_every_daemon};
use crate::system::env::Env;

#[test]
fn credentials_open_a_private_registry() {
    with_every_daemon("credentials_open_a_private_registry", |engine, docker| {
        let registry = Env::of_process()
            .get("LAB_REGISTRY_AUTH")
            .unwrap_or("127.0.0.1:5001")
            .to_owned();
        if engine == "default" || std::net::TcpStream::connect(&registry).is_err() {
            return skipped(
                "no registry with a password",
                "credentials_open_a_private_registry",
            );
        }
        let base = format!("{registry}/slimbuild-test/private:{}", unique());
        push(docker, &base);
        let mut request = request(&[]);
        request.logins = logins(&registry, "bGFiOmxhYg==");
        let pulled = build(docker, &request, &format!("FROM {base}\n"));
        remove(docker, &pulled.0.unwrap().digest.to_string());

        request.logins = Logins::default();
        request.pull = PullPolicy::Always;
        let refused = failure(build(docker, &request, &format!("FROM {base}\nLABEL a=b\n")).0);
        eprintln!("{refused}\n  hint: {:?}", refused.hint());
        assert!(
            matches!(refused, EngineError::BuildFailed { .. }),
            "{refused:?}"
        );
    });
}

/// Puts a small image into the lab's private registry, and takes it from the daemon.
fn push(docker: &Docker, name: &str) {
    build(
        docker,
        &request(&[name]),
        "FROM scratch\nCOPY hello.txt /\n",
    )
    .0
    .unwrap();
    let login = bollard::auth::DockerCredentials {
        username: Some("lab".to_owned()),
        password: Some("lab".to_owned()),
        ..bollard::auth::DockerCredentials::default()
    };
    let (repository, tag) = name.rsplit_once(':').unwrap();
    let options = PushImageOptions {
        tag: Some(tag.to_owned()),
        ..Default::default()
    };
    runtime().unwrap().block_on(async {
        let client = client(docker);
        let mut pushed = client.push_image(repository, Some(options), Some(login));
        while let Some(step) = futures_util::StreamExt::next(&mut pushed).await {
            step.unwrap();
        }
    });
    remove(docker, name);
}
