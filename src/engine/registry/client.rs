//! One registry: its address, login, and retries.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use docker_credential::DockerCredential;

use super::error::{Action, Asked};
use super::http::{Client, Fault, Way};
use super::token::Login;
use super::{Registries, RegistryError};
use crate::engine::credentials::{look_up, registry};
use crate::engine::{Event, Interrupt, StepId};
use crate::model::image::{ImageRef, parts};
use crate::store::fetch::{Patience, Stall, prepare_tls};

/// The pauses before each retry.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500 / TEST_DIVISOR),
    Duration::from_millis(2000 / TEST_DIVISOR),
    Duration::from_millis(5000 / TEST_DIVISOR),
];
/// The pauses if a registry throttles. The client does not pass on when it wants to be asked again.
const THROTTLE_PAUSES: [Duration; 3] = [
    Duration::from_millis(1000 / TEST_DIVISOR),
    Duration::from_millis(5000 / TEST_DIVISOR),
    Duration::from_millis(15_000 / TEST_DIVISOR),
];
/// Divides the pauses in tests.
const TEST_DIVISOR: u64 = if cfg!(test) { 100 } else { 1 };
/// The timeout for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The client's own timeout for silence is this much longer than ours, which can say what was
/// awaited.
const CLIENT_MARGIN: Duration = Duration::from_secs(5);
/// How often to report the progress of a blob.
const TICK: Duration = Duration::from_millis(100);

/// Runs a future on this thread until it is done or the user interrupts it.
pub(super) fn block_on<T>(
    interrupt: &Interrupt,
    work: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RegistryError::Client)?;
    let done = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interrupt.raised() => Err(RegistryError::Interrupted),
            done = work => done,
        }
    });
    // The system may still be resolving a name, and a helper may still ask for a password. They are
    // not waited for.
    runtime.shutdown_background();
    done
}

/// A repository of a registry.
pub(super) struct Repository {
    pub(super) client: Client,
    pub(super) asked: Asked,
    pub(super) patience: Patience,
}

impl Repository {
    /// Prepares requests. `neighbours` are other repositories of the registry that will be read.
    pub(super) async fn new(
        image: &ImageRef,
        action: Action,
        neighbours: &[String],
        all: &Registries<'_>,
        events: &Events<'_>,
    ) -> Result<Self, RegistryError> {
        prepare_tls();
        let registry = registry(image);
        let found = credentials(all, registry).await;
        let credential = found.unwrap_or_else(|message| {
            events.say(Event::Warning { message });
            None
        });
        let asked = Asked {
            image: image.to_string(),
            registry: registry.to_owned(),
            action,
            known: credential.is_some(),
        };
        let (host, path) = place(image);
        let rights = match action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let own = format!("repository:{path}:{rights}");
        let others = neighbours.iter();
        let others = others.map(|other| format!("repository:{other}:pull"));
        let login = Login::new(credential, std::iter::once(own).chain(others).collect());
        let scheme = if is_plain(registry) { "http" } else { "https" };
        let way = Way {
            proxies: all.proxies,
            connecting: CONNECT_TIMEOUT.min(all.patience.answer),
            silence: all.patience.silence + CLIENT_MARGIN,
        };
        let client = Client::new(&format!("{scheme}://{host}"), &path, login, &way);
        let client = client.map_err(|fault| asked.error(fault))?;
        Ok(Self {
            client,
            asked,
            patience: all.patience,
        })
    }

    /// Waits for a small answer, or for the start of a large one, with a short timeout.
    pub(super) async fn soon<T>(
        &self,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, RegistryError> {
        let limit = self.patience.answer;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|error| self.asked.error(error)),
            Err(_) => Err(self.asked.stalled(Stall::Unanswered(limit))),
        }
    }

    /// Runs a request, and retries it if that may help.
    pub(super) async fn with_retries<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut pauses = PAUSES.iter().zip(THROTTLE_PAUSES);
        let mut stalled = false;
        loop {
            let error = match attempt().await {
                // A registry that stalled twice gets no third try.
                Err(error) if error.may_pass() && !(stalled && error.is_stall()) => error,
                done => return done,
            };
            stalled |= error.is_stall();
            let Some((pause, longer)) = pauses.next() else {
                return Err(error);
            };
            let pause = if error.is_throttled() { longer } else { *pause };
            tokio::time::sleep(pause).await;
        }
    }
}

/// The credentials that `docker login` stored. A helper that prompts can still be interrupted.
async fn credentials(
    all: &Registries<'_>,
    registry: &str,
) -> Result<Option<DockerCredential>, String> {
    let Some(file) = all.configuration.map(Path::to_path_buf) else {
        return Ok(None);
    };
    let registry = registry.to_owned();
    let found = tokio::task::spawn_blocking(move || look_up(&file, &registry));
    found.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// The address of a registry, and the image's repository in it.
pub(super) fn place(image: &ImageRef) -> (&str, String) {
    match parts(image.name()) {
        ("docker.io" | "index.docker.io", path) => ("registry-1.docker.io", path),
        place => place,
    }
}

/// Whether a registry is on this machine. Like Docker, slimbuild uses it without TLS.
fn is_plain(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Lets several transfers report events.
pub(super) struct Events<'e>(RefCell<&'e mut dyn FnMut(Event)>);

impl<'e> Events<'e> {
    pub(super) fn new(on_event: &'e mut dyn FnMut(Event)) -> Self {
        Self(RefCell::new(on_event))
    }

    pub(super) fn say(&self, event: Event) {
        (self.0.borrow_mut())(event);
    }
}

/// Reports the progress of a blob.
pub(super) struct Meter<'m> {
    events: &'m Events<'m>,
    step: StepId,
    what: String,
    total: u64,
    last: Instant,
}

impl<'m> Meter<'m> {
    /// Starts to report. Like Docker, it shows the first digits of `digest`.
    pub(super) fn new(
        events: &'m Events<'m>,
        step: StepId,
        digest: &crate::model::digest::Digest,
        total: u64,
    ) -> Self {
        let what = digest.to_string().chars().take(19).collect();
        Self {
            events,
            step,
            what,
            total,
            last: Instant::now(),
        }
    }

    /// Reports how much has been transferred, if that is news.
    pub(super) fn at(&mut self, current: u64) {
        let done = current == self.total;
        if done || self.last.elapsed() >= TICK {
            self.last = Instant::now();
            self.events.say(Event::Transfer {
                step: self.step,
                what: self.what.clone(),
                current,
                total: Some(self.total),
                done,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_this_machine_have_no_tls() {
        for registry in [
            "127.0.0.1:5000",
            "127.1.2.3",
            "localhost",
            "localhost:5000",
            "[::1]:5000",
        ] {
            assert!(is_plain(registry), "{registry}");
        }
        for registry in [
            "docker.io",
            "registry.example.com:5000",
            "10.0.0.1:5000",
            "localhost.example",
        ] {
            assert!(!is_plain(registry), "{registry}");
        }
    }

    #[test]
    fn names_are_those_of_docker() {
        let place = |text: &str| {
            let image = text.parse().unwrap();
            let (host, path) = place(&image);
            format!("{host} {path}")
        };
        assert_eq!(place("node"), "registry-1.docker.io library/node");
        assert_eq!(place("127.0.0.1:5000/a/b:1"), "127.0.0.1:5000 a/b");
        let digest = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(place(&format!("gcr.io/x:1@{digest}")), "gcr.io x");
    }
}
