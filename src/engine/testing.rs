//! Daemons for tests, if there are any.

use crate::system::env::Env;

use super::docker::Docker;
use super::host::{self, Host};

/// The daemons that tests run against: those of the lab if it is up, else the one that Docker's CLI
/// would use.
fn hosts() -> Vec<(String, Host)> {
    let env = Env::of_process();
    let lab = ["26", "20"].iter().filter_map(|name| {
        let socket = format!("/var/tmp/slimbuild-lab/engine-{name}/run/docker.sock");
        let standard = std::path::Path::new(&socket).exists();
        let address = env
            .get(&format!("LAB_DOCKER_{name}"))
            .map(str::to_owned)
            .or_else(|| standard.then(|| format!("unix://{socket}")))?;
        Some((
            (*name).to_owned(),
            host::resolve(&env, Some(&address)).unwrap(),
        ))
    });
    let lab: Vec<_> = lab.collect();
    if lab.is_empty() {
        let host = host::resolve(&env, None).unwrap();
        return vec![("default".to_owned(), host)];
    }
    lab
}

/// Runs `test` against each daemon. Without a daemon, the test is skipped.
pub(crate) fn with_each_daemon(name: &str, test: impl Fn(&str, &Docker)) {
    for (engine, host) in hosts() {
        match Docker::connect(&host) {
            Ok(docker) => {
                eprintln!("{name}: engine {engine}, {} at {host}", docker.version());
                test(&engine, &docker);
            }
            Err(error) => skipped(&format!("no Docker daemon: {error}"), name),
        }
    }
}

/// Reports a skipped test. With `SLIMBUILD_NO_SKIPS=1`, as in CI, it fails.
pub(crate) fn skipped(why: &str, name: &str) {
    let allowed = Env::of_process().get("SLIMBUILD_NO_SKIPS") != Some("1");
    assert!(allowed, "{name} cannot run: {why}");
    eprintln!("SKIPPED ({why}): {name}");
}
