//! Pushes a daemon's image to the registries in its names, with Docker's credentials.

use std::time::Instant;

use bollard::models::PushImageInfo;
use bollard::query_parameters::PushImageOptionsBuilder;
use futures_util::StreamExt;

use super::{Docker, EngineError, LONG_TIMEOUT, credentials, error, runtime};
use crate::engine::credentials::registry;
use crate::engine::registry::{Pushed, PushedLayers, Trust, pushed_before, without_json};
use crate::engine::{Event, Interrupt, Logins, StepId, StepKind};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;

/// For a refusal without words.
pub(super) const UNTOLD: &str = "the registry refuses it, and the daemon does not say why";

impl Docker {
    /// Pushes an image under each of its names. Steps are numbered from `first`.
    pub fn push(
        &self,
        names: &[ImageRef],
        logins: &Logins,
        first: u32,
        interrupt: &Interrupt,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Pushed>, EngineError> {
        runtime()?.block_on(async {
            let mut pushed = Vec::new();
            for (name, number) in names.iter().zip(first..) {
                let step = StepId(number);
                on_event(Event::StepKnown {
                    step,
                    name: format!("[push] {name}"),
                    kind: StepKind::Housekeeping,
                });
                on_event(Event::StepStarted { step });
                let began = Instant::now();
                let done = tokio::select! {
                    biased;
                    () = interrupt.raised() => Err(EngineError::Interrupted),
                    done = self.push_one(name, logins, step, on_event) => done,
                };
                on_event(Event::ended(step, began, &done));
                if done.is_err()
                    && let Some(before) = pushed_before(&pushed)
                {
                    on_event(before);
                }
                pushed.push(done?);
            }
            Ok(pushed)
        })
    }

    /// Whether the daemon pushes to a registry without a verified connection.
    pub fn takes_insecure(&self, image: &ImageRef) -> Result<bool, EngineError> {
        let registry = registry(image);
        let info = runtime()?.block_on(self.client.info());
        let info =
            info.map_err(|error| error::after_build("tell its settings".to_owned(), &error))?;
        let settings = info.registry_config.unwrap_or_default();
        let listed = settings.index_configs.unwrap_or_default().remove(registry);
        let is_listed = listed.is_some_and(|listed| listed.secure == Some(false));
        let networks = settings.insecure_registry_cidrs.unwrap_or_default();
        let trust = Trust {
            insecure: networks,
            ..Trust::default()
        };
        Ok(is_listed || trust.covers(image))
    }

    async fn push_one(
        &self,
        name: &ImageRef,
        logins: &Logins,
        step: StepId,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Pushed, EngineError> {
        let options = PushImageOptionsBuilder::default()
            .tag(name.tag().unwrap_or("latest"))
            .build();
        let client = self.client.clone().with_timeout(LONG_TIMEOUT);
        let found = logins.for_image(name).await;
        for message in found.warnings {
            on_event(Event::Warning { message });
        }
        let failed = |message: String| EngineError::NotPushed {
            image: name.to_string(),
            message: readable(&match &found.credential {
                Some(credential) => credential.without_secret(&message),
                None => message,
            }),
        };
        let credentials = found.credential.clone().map(credentials::for_daemon);
        let mut answers = Box::pin(client.push_image(name.name(), Some(options), credentials));
        let mut tally = Tally::default();
        while let Some(answer) = answers.next().await {
            let answer = match answer {
                Err(error) if error::is_end(&error) => break,
                answer => answer.map_err(|error| failed(words(&error)))?,
            };
            if let Some(error) = &answer.error_detail {
                return Err(failed(error.message.clone().unwrap_or_default()));
            }
            on_event_of(&answer, step, on_event);
            tally.count(answer.status.as_deref().unwrap_or_default());
        }
        let digest = tally
            .digest
            .ok_or_else(|| failed("the daemon does not say that it is done".to_owned()))?;
        Ok(Pushed {
            names: vec![name.clone()],
            digest,
            layers: Some(PushedLayers {
                all: tally.sent + tally.there,
                sent: tally.sent,
            }),
            bytes: None,
        })
    }
}

/// What the daemon's status messages add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    sent: usize,
    there: usize,
    digest: Option<Digest>,
}

impl Tally {
    fn count(&mut self, status: &str) {
        match status {
            "Pushed" => self.sent += 1,
            "Layer already exists" => self.there += 1,
            _ if status.starts_with("Mounted from ") => self.there += 1,
            // For example: `1.2: digest: sha256:… size: 1234`
            _ => {
                let said = status.split_once(": digest: ");
                let digest = said.and_then(|(_, rest)| rest.split(' ').next());
                if let Some(digest) = digest.and_then(|digest| digest.parse().ok()) {
                    self.digest = Some(digest);
                }
            }
        }
    }
}

/// The client does not pass on the names of layers, so their sizes tell them apart.
fn on_event_of(answer: &PushImageInfo, step: StepId, on_event: &mut dyn FnMut(Event)) {
    let Some(progress) = &answer.progress_detail else {
        return;
    };
    let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let (current, total) = (number(progress.current), number(progress.total));
    let (Some(current), Some(total)) = (current, total.filter(|total| *total > 0)) else {
        return;
    };
    on_event(Event::Transfer {
        step,
        what: "layer".to_owned(),
        // The daemon's count includes the overhead of its archive.
        current: current.min(total),
        total: Some(total),
        done: current >= total,
    });
}

/// A daemon's message without what no person reads. Engine 26 says `unknown` of answers that it does
/// not understand.
fn readable(message: &str) -> String {
    let words = without_json(message);
    match words.trim_end_matches([':', ' ']) {
        "" | "unknown" => UNTOLD.to_owned(),
        _ => words,
    }
}

/// The message of the daemon or the registry.
fn words(error: &bollard::errors::Error) -> String {
    match error {
        bollard::errors::Error::DockerStreamError { error } => error.clone(),
        bollard::errors::Error::DockerResponseServerError { message, .. } => message.clone(),
        other => super::error::root(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_words_is_called_one() {
        // Engine 26 about an answer of 405, and about a page of a proxy.
        assert_eq!(readable("unknown: "), UNTOLD);
        let page = "unknown: <html><head><title>413 Request Entity Too Large</title></head></html>";
        assert_eq!(readable(page), "unknown: 413 Request Entity Too Large");
        assert_eq!(readable("denied: no"), "denied: no");
    }

    #[test]
    fn words_of_a_daemon_are_counted() {
        let digest = Digest::of(b"");
        let mut tally = Tally::default();
        for status in [
            "The push refers to repository [127.0.0.1:5000/x]",
            "Preparing",
            "Layer already exists",
            "Pushing",
            "Pushed",
            "Mounted from distroless/cc",
            &format!("1: digest: {digest} size: 528"),
        ] {
            tally.count(status);
        }
        let expected = Tally {
            sent: 1,
            there: 2,
            digest: Some(digest),
        };
        assert_eq!(tally, expected);
    }
}
