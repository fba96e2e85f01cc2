//! What a user can do about an error of Docker's.

use std::io;

use super::looked_up;
use crate::engine::docker::push::UNTOLD;
use crate::engine::host::{Address, Host, Origin};
use crate::model::image::parts;

/// The hint for a failed push. Daemons and registries word it in several ways.
pub(super) fn for_push(image: &str, message: &str) -> Option<String> {
    if message == UNTOLD {
        return Some("`--engine native` tells what the registry answers".to_owned());
    }
    let message = message.to_lowercase();
    let is_denied = ["denied", "unauthorized", "authentication", "no basic auth"]
        .iter()
        .any(|word| message.contains(word));
    let (registry, _) = parts(image);
    let login = match registry {
        "docker.io" => "docker login".to_owned(),
        other => format!("docker login {other}"),
    };
    is_denied.then(|| format!("look at the name, or log in: `{login}`"))
}

pub(super) fn for_failure(
    step: Option<&str>,
    message: &str,
    exit_code: Option<i64>,
) -> Option<&'static str> {
    if exit_code == Some(137) {
        return Some(
            "Exit code 137 mostly means that the step ran out of memory: give the Docker daemon more.",
        );
    }
    if exit_code.is_some() {
        return None; // The step's own log says it better.
    }
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if has(&["toomanyrequests"]) {
        Some("Log in with `docker login`: registries let known users pull more.")
    } else if has(&[
        "pull access denied",
        "insufficient_scope",
        "authorization failed",
        "401 Unauthorized",
        "403 Forbidden",
        "no basic auth credentials",
    ]) {
        Some(
            "Check the name of the base image, and log in with `docker login` to its registry if it is private.",
        )
    } else if has(&["no match for platform", "no matching manifest"]) {
        Some("Choose a base image that exists for this platform, or another `--platform`.")
    } else if has(&["exec format error"]) {
        Some(
            "Install emulation for that platform: `docker run --privileged --rm tonistiigi/binfmt --install all`.",
        )
    } else if has(&["no space left on device"]) {
        Some("Free disk space in the Docker daemon, for example with `docker builder prune`.")
    } else if has(&[
        "no such host",
        "i/o timeout",
        "connection refused",
        "network is unreachable",
        "TLS handshake timeout",
        "certificate signed by unknown authority",
        "failed to verify certificate",
        "failed to do request",
        "Service Unavailable",
        "Temporary failure in name resolution",
        "dial tcp",
        "Client.Timeout exceeded",
    ]) {
        Some(
            "Check that the Docker daemon reaches the registry (network, proxy, certificates), or pull the base image beforehand.",
        )
    } else if has(&["manifest unknown", "not found"])
        && step.is_some_and(|step| looked_up(step).is_some())
    {
        Some("Check the name and the tag of the base image.")
    } else {
        None
    }
}

pub(super) fn for_unreached(host: &Host, kind: io::ErrorKind) -> String {
    let mut hint = match (host.address(), kind) {
        (Address::Local(_), io::ErrorKind::PermissionDenied) => {
            "Join the group `docker` with `sudo usermod -aG docker $USER` and log in again, or point DOCKER_HOST at a daemon of your own. \
             `--engine native` makes the image without a daemon."
                .to_owned()
        }
        (Address::Local(_), io::ErrorKind::Other | io::ErrorKind::TimedOut | io::ErrorKind::ResourceBusy) => {
            "Look into the daemon's log, or start it anew. `--engine native` makes the image without a daemon.".to_owned()
        }
        (Address::Local(_), _) => "Start Docker: open Docker Desktop, or run `sudo systemctl start docker`. It is to be had at \
                                   https://docs.docker.com/get-started/get-docker."
            .to_owned(),
        (Address::Tls { certificates, .. }, _) => {
            format!(
                "Check that the daemon runs there, and that `{}` holds its `ca.pem` and your `cert.pem` and `key.pem`.",
                certificates.display()
            )
        }
        (Address::Ssh(place), _) => format!("`{}` has to work here first.", place.by_hand()),
        (Address::Tcp(_), _) => "Check that the daemon runs there and listens without TLS.".to_owned(),
    };
    hint.push_str(match host.origin() {
        Origin::Environment => " Or unset DOCKER_HOST to use the daemon of this machine.",
        Origin::Context(_) => " Or choose another daemon with `docker context use`.",
        Origin::Flag | Origin::Default => "",
    });
    for socket in host.neighbours() {
        let address = Address::Local(socket.clone());
        hint = format!("{hint} A daemon seems to be at `{address}`: try `--host {address}`.");
    }
    hint.push_str(" `--dry-run` needs no daemon.");
    hint
}
