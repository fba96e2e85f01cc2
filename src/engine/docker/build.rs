//! One build: the request to `/build`, its events, and a few requests afterwards.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;

use bollard::body_try_stream;
use bollard::models::BuildInfoAux;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion, TagImageOptions};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::MissedTickBehavior;

use super::trace::Trace;
use super::upload::Upload;
use super::{
    BUILD_TIMEOUT, BuildRequest, Built, CachePolicy, Docker, EngineError, PullPolicy, credentials,
    error, session,
};
use crate::engine::{Event, Interrupt};

/// How often to report how much of the context was sent.
const TICK: Duration = Duration::from_millis(100);

/// What a build works with.
pub(super) struct Build<'a> {
    pub(super) docker: &'a Docker,
    pub(super) interrupt: &'a Interrupt,
    pub(super) on_event: &'a mut dyn FnMut(Event),
}

impl Build<'_> {
    /// Builds and tags the image, and asks for its size.
    pub(super) async fn run(
        mut self,
        request: &BuildRequest,
        upload: Upload,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Built, EngineError> {
        let id = self.build(request, upload, body).await?;
        let client = &self.docker.client;
        for tag in request.tags.iter().skip(1) {
            let options = TagImageOptions {
                repo: Some(tag.name().to_owned()),
                tag: tag.tag().map(str::to_owned),
            };
            client
                .tag_image(&id, Some(options))
                .await
                .map_err(|error| after_build(format!("tag it as `{tag}`"), &error))?;
        }
        self.docker.inspected(&id).await
    }

    /// Runs the build until the daemon names the image, it fails, or the user interrupts it.
    async fn build(
        &mut self,
        request: &BuildRequest,
        mut upload: Upload,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<String, EngineError> {
        let host = &self.docker.host;
        let (credentials, warnings) = host
            .configuration_file()
            .map(|file| credentials::collect(&file, &request.bases))
            .unwrap_or_default();
        for message in warnings {
            (self.on_event)(Event::Warning { message });
        }
        let client = self.docker.client.clone().with_timeout(BUILD_TIMEOUT);
        let id = unique_id();
        if !request.secrets.is_empty() {
            session::open(
                host.address(),
                &id,
                request.secrets.clone(),
                credentials.clone(),
            )
            .await
            .map_err(|source| EngineError::Secrets {
                host: Box::new(host.clone()),
                source,
            })?;
        }
        let mut answers = client.build_image(
            options(request, id),
            Some(credentials.into_iter().collect()),
            Some(body_try_stream(body)),
        );
        let mut trace = Trace::default();
        let mut image = None;
        let mut sent = (0, false);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                biased;
                () = self.interrupt.raised() => return Err(EngineError::Interrupted),
                // Checked before the answers: the daemon's error about an incomplete context would
                // hide the reason.
                error = upload.failed() => return Err(EngineError::Context(error)),
                answer = answers.next() => {
                    let answer = match answer {
                        None => break,
                        Some(Err(error)) if error::is_end(&error) => break,
                        Some(answer) => answer,
                    };
                    let answer = answer.map_err(|error| EngineError::from_build(error, host, trace.failed()))?;
                    self.report(&upload, &mut sent);
                    match answer.aux {
                        Some(BuildInfoAux::BuildKit(status)) => trace.apply(status).into_iter().for_each(&mut *self.on_event),
                        Some(BuildInfoAux::Default(aux)) => image = aux.id.or(image),
                        // Engine 20.10 also prints "Successfully tagged …" as plain text.
                        None => {}
                    }
                }
                _ = ticks.tick(), if !sent.1 => self.report(&upload, &mut sent),
            }
        }
        image.ok_or_else(|| EngineError::Lost {
            host: Box::new(host.clone()),
            source: io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "its answer ends before it names the image",
            ),
        })
    }

    /// Reports how much of the context was sent, if that changed.
    fn report(&mut self, upload: &Upload, sent: &mut (u64, bool)) {
        let progress = upload.progress();
        if *sent != progress {
            *sent = progress;
            let (bytes, done) = progress;
            (self.on_event)(Event::ContextSent { bytes, done });
        }
    }
}

pub(super) fn after_build(what: String, error: &bollard::errors::Error) -> EngineError {
    EngineError::AfterBuild {
        what,
        source: error::root(error),
    }
}

fn options(request: &BuildRequest, session: String) -> BuildImageOptions {
    let pairs = |pairs: &std::collections::BTreeMap<String, String>| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    BuildImageOptions {
        dockerfile: request.dockerfile.clone(),
        t: request.tags.first().map(ToString::to_string),
        buildargs: Some(pairs(&request.build_args)),
        labels: Some(pairs(&request.labels)),
        target: request.target.clone().unwrap_or_default(),
        platform: request
            .platform
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        nocache: request.cache == CachePolicy::Ignore,
        pull: (request.pull == PullPolicy::Always).then(|| "1".to_owned()),
        version: BuilderVersion::BuilderBuildKit,
        session: Some(session),
        ..BuildImageOptions::default()
    }
}

/// A unique id: std's hash keys come from the operating system's random numbers, and differ with
/// each call.
pub(in crate::engine) fn unique_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_differ() {
        assert_ne!(unique_id(), unique_id());
    }
}
