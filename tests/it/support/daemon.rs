//! Docker daemons, where there are any: those of the lab where it is up, else the one that Docker's command line would use.

use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use bollard::body_full;
use bollard::models::ImageInspect;
use bollard::query_parameters::{
    BuildImageOptions, BuilderVersion, CreateImageOptions, RemoveImageOptions,
};
use futures_util::{StreamExt, TryStreamExt};
use slimbuild::Env;
use slimbuild::internals::host;

use super::program::{Outcome, slimbuild_with};
use super::unique;

/// Builds compare what they do with what is cached: one test at a time on each daemon, the lab's by name and any other.
static ONE_AT_A_TIME: [(&str, Mutex<()>); 4] = [
    ("26", Mutex::new(())),
    ("20", Mutex::new(())),
    ("28", Mutex::new(())),
    ("default", Mutex::new(())),
];

/// A daemon that answers.
pub(crate) struct Daemon {
    /// `26`, `20`, `28` or `default`.
    pub(crate) name: String,
    /// As `DOCKER_HOST` has it.
    pub(crate) address: String,
    pub(crate) client: bollard::Docker,
    runtime: tokio::runtime::Runtime,
}

/// The lab's engines that tests run on, and all of it.
const USUAL: [&str; 2] = ["26", "20"];
const ALL: [&str; 3] = ["26", "20", "28"];

/// Runs a test on each daemon in turn.
pub(crate) fn each_daemon(test: &str, run: impl Fn(&Daemon)) {
    with_daemons(test, &USUAL, run);
}

/// Runs a test on each daemon in turn, the newest release too.
pub(crate) fn every_daemon(test: &str, run: impl Fn(&Daemon)) {
    with_daemons(test, &ALL, run);
}

/// Runs a test on one daemon, the newest of the usual ones.
pub(crate) fn one_daemon(test: &str, run: impl Fn(&Daemon)) {
    with_daemons(test, &USUAL[..1], run);
}

/// Runs a test on the daemon whose BuildKit the lab has on TCP too.
pub(crate) fn newest_daemon(test: &str, run: impl Fn(&Daemon)) {
    with_daemons(test, &ALL[2..], run);
}

fn with_daemons(test: &str, names: &[&str], run: impl Fn(&Daemon)) {
    if quick() {
        return skipped("SLIMBUILD_QUICK=1", test);
    }
    let mut waiting = addresses(&Env::of_process(), names);
    while !waiting.is_empty() {
        let (next, _alone) = free(&waiting);
        let (name, address) = waiting.remove(next);
        match Daemon::connect(&name, &address) {
            Ok(daemon) => {
                eprintln!("{test}: engine {name} at {address}");
                run(&daemon);
            }
            Err(error) => skipped(&format!("no Docker daemon at {address}: {error}"), test),
        }
    }
}

/// The first of these daemons that no other test uses; where all are used, the first one, as soon as it is free.
fn free(waiting: &[(String, String)]) -> (usize, MutexGuard<'static, ()>) {
    let lock = |name: &str| {
        let named = ONE_AT_A_TIME.iter().find(|(known, _)| *known == name);
        &named.expect("a daemon that tests know").1
    };
    for (index, (name, _)) in waiting.iter().enumerate() {
        match lock(name).try_lock() {
            Ok(alone) => return (index, alone),
            Err(TryLockError::Poisoned(poisoned)) => return (index, poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    let alone = lock(&waiting[0].0).lock();
    (0, alone.unwrap_or_else(PoisonError::into_inner))
}

/// Whether only what needs neither a daemon nor the network is asked for.
pub(crate) fn quick() -> bool {
    Env::of_process().get("SLIMBUILD_QUICK") == Some("1")
}

/// Whether a test is passed over since it takes long, though it needs neither Docker nor npm.
pub(crate) fn too_slow(test: &str) -> bool {
    if quick() {
        skipped("SLIMBUILD_QUICK=1", test);
    }
    quick()
}

/// A test, or a part of it, cannot run here. With `SLIMBUILD_NO_SKIPS=1`, as in CI, that is a failure. Otherwise it is said, even where the
/// test harness swallows what a test prints.
#[expect(
    clippy::explicit_write,
    reason = "the harness would swallow `eprintln!`"
)]
pub(crate) fn skipped(why: &str, test: &str) {
    let allowed = Env::of_process().get("SLIMBUILD_NO_SKIPS") != Some("1");
    assert!(allowed, "{test} cannot run: {why}");
    writeln!(io::stderr(), "SKIPPED ({why}): {test}").unwrap();
}

fn addresses(env: &Env, names: &[&str]) -> Vec<(String, String)> {
    let lab = names.iter().filter_map(|name| {
        let socket = format!("/var/tmp/slimbuild-lab/engine-{name}/run/docker.sock");
        let standard = Path::new(&socket).exists();
        let address = env
            .get(&format!("LAB_DOCKER_{name}"))
            .map(str::to_owned)
            .or_else(|| standard.then(|| format!("unix://{socket}")))?;
        Some(((*name).to_owned(), address))
    });
    let lab: Vec<_> = lab.collect();
    if !lab.is_empty() {
        return lab;
    }
    let host = host::resolve(env, None).unwrap();
    vec![("default".to_owned(), host.address().to_string())]
}

impl Daemon {
    fn connect(name: &str, address: &str) -> Result<Self, bollard::errors::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = runtime.block_on(async {
            let client = bollard::Docker::connect_with_host(address)?;
            let client = client.with_timeout(Duration::from_secs(20 * 60));
            tokio::time::timeout(Duration::from_secs(10), client.ping())
                .await
                .map_err(|_| bollard::errors::Error::RequestTimeoutError)??;
            client.negotiate_version().await
        })?;
        Ok(Self {
            name: name.to_owned(),
            address: address.to_owned(),
            client,
            runtime,
        })
    }

    /// Waits for what the client does.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs the program so that it finds this daemon.
    pub(crate) fn slimbuild(&self, directory: &Path, arguments: &[&str]) -> Outcome {
        slimbuild_with(directory, arguments, &self.env())
    }

    /// An environment with this daemon and nothing else.
    pub(crate) fn env(&self) -> Env {
        [("DOCKER_HOST", self.address.as_str())]
            .into_iter()
            .collect()
    }

    /// A name that no other test has; the image goes when the value goes.
    pub(crate) fn tag(&self, name: &str) -> Tag<'_> {
        Tag {
            daemon: self,
            name: format!("slimbuild-it/{name}:{}", unique()),
        }
    }

    /// Has it pull an image of an open registry.
    pub(crate) fn pull(&self, name: &str) {
        let options = CreateImageOptions {
            from_image: Some(name.to_owned()),
            ..CreateImageOptions::default()
        };
        let answers = self.client.create_image(Some(options), None, None);
        let answers: Vec<_> = self.wait(answers.try_collect()).unwrap();
        assert!(!answers.is_empty());
    }

    /// Removes an image that has no tag of a test.
    pub(crate) fn remove(&self, reference: &str) {
        let options = None::<RemoveImageOptions>;
        self.wait(self.client.remove_image(reference, options, None))
            .unwrap();
    }

    pub(crate) fn image(&self, reference: &str) -> ImageInspect {
        self.wait(self.client.inspect_image(reference)).unwrap()
    }

    /// Hands an archive to the daemon's `/build`, as `docker build -t TAG -` does.
    pub(crate) fn build(&self, archive: Vec<u8>, tag: &str) {
        let options = BuildImageOptions {
            t: Some(tag.to_owned()),
            version: BuilderVersion::BuilderBuildKit,
            session: Some(unique()),
            ..BuildImageOptions::default()
        };
        let body = body_full(archive.into());
        self.wait(async {
            let mut answers = self.client.build_image(options, None, Some(body));
            while let Some(answer) = answers.next().await {
                answer.unwrap_or_else(|error| panic!("engine {}: {error}", self.name));
            }
        });
    }
}

/// An image's name.
pub(crate) struct Tag<'d> {
    daemon: &'d Daemon,
    pub(crate) name: String,
}

impl Drop for Tag<'_> {
    fn drop(&mut self) {
        let options = RemoveImageOptions {
            force: true,
            ..RemoveImageOptions::default()
        };
        let removal = self
            .daemon
            .client
            .remove_image(&self.name, Some(options), None);
        // A test that failed may never have come to make it.
        drop(self.daemon.wait(removal));
    }
}
