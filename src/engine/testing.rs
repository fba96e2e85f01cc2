//! Daemons for tests: real ones if there are any, and ones that misbehave.

mod served;

use std::time::{Duration, Instant};

use bollard::query_parameters::RemoveImageOptions;

use crate::system::env::Env;

use super::docker::{Docker, runtime};
use super::host::{self, Host};

pub(super) use served::Served;

/// The lab's engines that most tests run on, and all of it: the newest has containerd's image store.
const USUAL: [&str; 2] = ["26", "20"];
const ALL: [&str; 3] = ["26", "20", "28"];

/// The daemons that tests run against: those of the lab if it is up, else the one that Docker's CLI
/// would use.
fn hosts(names: &[&str]) -> Vec<(String, Host)> {
    let env = Env::of_process();
    let lab = names.iter().filter_map(|name| {
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
    with_daemons(name, &USUAL, test);
}

/// Runs `test` against each daemon, the newest release too.
pub(super) fn with_every_daemon(name: &str, test: impl Fn(&str, &Docker)) {
    with_daemons(name, &ALL, test);
}

fn with_daemons(name: &str, names: &[&str], test: impl Fn(&str, &Docker)) {
    for (engine, host) in hosts(names) {
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

/// A text that no other run has: for names that must not meet, and steps that must not be cached.
pub(super) fn unique() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    format!("{}-{}", std::process::id(), since.as_nanos())
}

/// bollard's own client of a daemon.
pub(super) fn client(docker: &Docker) -> bollard::Docker {
    bollard::Docker::connect_with_host(&docker.host().address().to_string()).unwrap()
}

/// Removes an image.
pub(super) fn remove(docker: &Docker, image: &str) {
    runtime().unwrap().block_on(async {
        let client = client(docker);
        let removal = client.remove_image(image, None::<RemoveImageOptions>, None);
        removal.await.unwrap();
    });
}

/// Waits until it is so.
pub(super) fn soon(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
