//! One registry: its address, login, and retries.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::error::{Action, Asked};
use super::home::Home;
use super::http::{Client, Fault};
use super::token::Login;
use super::{Registries, RegistryError};
use crate::engine::retry::{self, PAUSES};
use crate::engine::{Event, Interrupt, StepId};
use crate::model::image::{ImageRef, parts};
use crate::store::fetch::{Patience, Stall};

/// The seconds before each retry if a registry throttles.
const THROTTLE_PAUSES: [u32; 3] = [1, 5, 15];
/// The most seconds that a registry may ask for (`Retry-After`).
const MAX_TOLD_PAUSE: u32 = 60;
/// How long a second of a pause takes; in tests less.
const SECOND: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 1000 });
/// How long a registry may stall in one push or pull, all stalls together.
const MAX_STALLED: Duration = Duration::from_secs(120);
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
    // The system may still be resolving a name, which is not waited for.
    runtime.shutdown_background();
    done
}

/// A repository of a registry.
pub(super) struct Repository<'r> {
    pub(super) client: Client,
    pub(super) asked: Asked,
    pub(super) patience: Patience,
    events: &'r Events<'r>,
    stalled: Cell<Duration>,
    /// The last retry that was said.
    said: RefCell<String>,
}

impl<'r> Repository<'r> {
    /// Prepares requests. `neighbours` are other repositories of the registry that will be read.
    pub(super) async fn new(
        image: &ImageRef,
        action: Action,
        neighbours: &[String],
        all: &Registries<'_>,
        events: &'r Events<'r>,
    ) -> Result<Self, RegistryError> {
        let home = Home::new(image, action, all, events).await?;
        Ok(Self::at(
            &home,
            image,
            action,
            neighbours,
            all.patience,
            events,
        ))
    }

    /// The same at a registry whose way is known.
    pub(super) fn at(
        home: &Home,
        image: &ImageRef,
        action: Action,
        neighbours: &[String],
        patience: Patience,
        events: &'r Events<'r>,
    ) -> Self {
        let (_, path) = place(image);
        let rights = match action {
            Action::Look | Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let own = format!("repository:{path}:{rights}");
        let others = neighbours.iter();
        let others = others.map(|other| format!("repository:{other}:pull"));
        let scopes = std::iter::once(own).chain(others);
        let login = Login::new(home.credential.clone(), scopes.collect());
        Self {
            client: Client::new(home.reach.clone(), &path, login),
            asked: home.asked(image, action),
            patience,
            events,
            stalled: Cell::default(),
            said: RefCell::default(),
        }
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

    /// Runs a request, and retries it if that may help, which is said.
    pub(super) async fn with_retries<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut stalled = false;
        for (at, seconds) in PAUSES.into_iter().enumerate() {
            let began = Instant::now();
            let error = match attempt().await {
                Err(error) if error.may_pass() => error,
                done => return done,
            };
            if error.is_stall() {
                self.stalled.set(self.stalled.get() + began.elapsed());
                // A registry that stalled twice gets no third try.
                if stalled || self.stalled.get() >= MAX_STALLED {
                    return Err(error);
                }
                stalled = true;
            }
            let seconds = match self.client.pause.take() {
                Some(told) => told.clamp(1, MAX_TOLD_PAUSE),
                None if error.is_throttled() => THROTTLE_PAUSES[at],
                None => seconds,
            };
            let message = retry::said(&error, at + 1, seconds);
            // Blobs are sent side by side.
            if self.said.replace(message.clone()) != message {
                self.events.say(Event::Warning { message });
            }
            tokio::time::sleep(SECOND.saturating_mul(seconds)).await;
        }
        attempt().await
    }
}

/// The address of a registry, and the image's repository in it.
pub(super) fn place(image: &ImageRef) -> (&str, String) {
    match parts(image.name()) {
        ("docker.io" | "index.docker.io", path) => ("registry-1.docker.io", path),
        place => place,
    }
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
