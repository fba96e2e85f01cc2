//! One build: the request (`Control/Solve`), its progress (`Control/Status`) and its end.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::moby::buildkit::v1::{SolveRequest, SolveResponse, StatusRequest, StatusResponse};
use bytes::Bytes;
use futures_util::future::{pending, try_join};
use futures_util::stream::once;
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, timeout};
use tonic::{Code, Response, Status};

use super::cache::Directories;
use super::channel::Client;
use super::dial::judge;
use super::export::{self, Exports, Taken};
use super::session::{self, Agents, Context, Given, Keeper, Receiver, Registries, Services};
use super::trace::Trace;
use super::{BuildRequest, Builder, BuildkitError, channel, size};
use crate::engine::docker::{Docker, EngineError};
use crate::engine::unique_id::unique_id;
use crate::engine::upload::Upload;
use crate::engine::{Event, Interrupt};
use crate::model::digest::Digest;
use crate::model::image::ImageSize;

/// How often to report how much of the context was sent.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait for the last messages about progress.
const LAST_STATUS_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to ask for sizes, which only the report needs.
const SIZE_TIMEOUT: Duration = Duration::from_secs(5);

/// An image that was built and exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The digest of its configuration, if the builder tells it.
    pub configuration: Option<String>,
    /// The bytes that were sent to a daemon that loads it.
    pub loaded: u64,
    /// The sizes of the image, or of each platform's image, if the builder tells them.
    pub sizes: Vec<ImageSize>,
}

/// What a build works with.
pub(super) struct Solve<'s> {
    pub(super) builder: &'s Builder,
    pub(super) interrupt: &'s Interrupt,
    pub(super) on_event: &'s mut dyn FnMut(Event),
}

type Body = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

impl Solve<'_> {
    /// Builds until the builder is done, the build fails, or the user interrupts it.
    pub(super) async fn run(
        mut self,
        request: &BuildRequest,
        mut upload: Upload,
        body: Body,
        mut exports: Exports<'_>,
    ) -> Result<Made, BuildkitError> {
        let builder = self.builder;
        let channel = tokio::select! {
            biased;
            () = self.interrupt.raised() => return Err(EngineError::Interrupted.into()),
            channel = channel::connect(builder) => channel?,
        };
        let mut client = channel::client(&channel);
        let (id, reference) = (unique_id(), unique_id());
        let context = Context::new(&unique_id(), body);
        let caches = {
            let mut warn = |message: String| (self.on_event)(Event::Warning { message });
            Directories::open(&request.cache_from, &request.cache_to, &mut warn)?
        };
        let mut solve = request.solve(
            &exports,
            &caches.imports,
            context.address(),
            builder.is_daemon(),
        );
        solve.session.clone_from(&id);
        solve.r#ref.clone_from(&reference);
        let (warn, mut warnings) = mpsc::unbounded_channel();
        let registries = Registries::new(&request.logins, &request.tags, warn);
        let given = registries.given();
        let services = Services {
            context,
            secrets: Keeper(request.secrets.clone()),
            agents: Agents(request.agents.clone()),
            registries,
            receiver: Receiver::new(std::mem::take(&mut exports.sinks)),
            stores: caches.stores(),
        };
        let opened = session::open(&mut client, &id, services).await;
        opened.map_err(|status| self.broken(&status, None, &given))?;
        let mut trace = Trace::default();
        let load = exports.load.take();
        let loaded = Arc::new(Taken::default());
        let ended = {
            let mut solving = Box::pin(solved(client.clone(), solve, load, loaded.clone()));
            let mut statuses = Box::pin(statuses(client, reference));
            let mut sent = (0, false);
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut told = true;
            let ended = loop {
                tokio::select! {
                    biased;
                    () = self.interrupt.raised() => return Err(EngineError::Interrupted.into()),
                    // Checked before the builder's error about an incomplete context, which would
                    // hide the reason.
                    error = upload.failed() => return Err(EngineError::Context(error).into()),
                    Some(message) = warnings.recv() => (self.on_event)(Event::Warning { message }),
                    status = statuses.next(), if told => match status {
                        Some(Ok(status)) => {
                            self.report(&upload, &mut sent);
                            self.tell(trace.apply(status), &given);
                        }
                        // The end of the build says why.
                        Some(Err(_)) | None => told = false,
                    },
                    ended = &mut solving => break ended,
                    _ = ticks.tick(), if !sent.1 => self.report(&upload, &mut sent),
                }
            };
            let last = async {
                while let Some(Ok(status)) = statuses.next().await {
                    self.tell(trace.apply(status), &given);
                }
            };
            if told {
                // Nobody misses what comes later.
                let _late = timeout(LAST_STATUS_TIMEOUT, last).await;
            }
            self.report(&upload, &mut sent);
            ended
        };
        let answer = ended.map_err(|end| match end {
            End::Refused(status) => self.broken(&status, trace.failed(), &given),
            End::NotLoaded(error) => error.into(),
        })?;
        let keeps = exports.only_keeps();
        for commit in exports.commits {
            // A writer that failed says so itself.
            let _failed = commit.send(());
        }
        let response = answer.exporter_response.into_iter().collect();
        caches.tag(&response)?;
        let mut made = self.made(response, &loaded)?;
        // A daemon tells the size of its own image itself, but not those of an index.
        if !keeps || request.platforms.len() > 1 {
            let sizes = timeout(SIZE_TIMEOUT, size::sizes(&channel, &made.digest)).await;
            made.sizes = sizes.unwrap_or_default();
        }
        Ok(made)
    }

    fn made(
        &self,
        mut response: BTreeMap<String, String>,
        loaded: &Taken,
    ) -> Result<Made, BuildkitError> {
        let configuration = response.remove("containerimage.config.digest");
        let digest = response.remove("containerimage.digest");
        // A Docker daemon may name an image by its configuration.
        let digest = digest.or(configuration.clone());
        let digest = digest.and_then(|digest| digest.parse::<Digest>().ok());
        Ok(Made {
            digest: digest.ok_or_else(|| BuildkitError::Lost {
                builder: Box::new(self.builder.clone()),
                source: io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "its answer does not name the image",
                ),
            })?,
            configuration,
            loaded: loaded.bytes.load(Ordering::Relaxed),
            sizes: Vec::new(),
        })
    }

    /// Reports what the builder said, without the secrets that it was given.
    fn tell(&mut self, events: Vec<Event>, given: &Given) {
        for event in events {
            (self.on_event)(match event {
                Event::StepFailed { step, message } => Event::StepFailed {
                    step,
                    message: given.hide(&message),
                },
                Event::Warning { message } => Event::Warning {
                    message: given.hide(&message),
                },
                event => event,
            });
        }
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

    /// A call that failed: the connection broke, or the builder says why.
    fn broken(&self, status: &Status, step: Option<&str>, given: &Given) -> BuildkitError {
        let Some(source) = status.source() else {
            let lost = |words: &str| BuildkitError::Lost {
                builder: Box::new(self.builder.clone()),
                source: io::Error::other(words.to_owned()),
            };
            if status.code() == Code::Unavailable {
                return lost(&given.hide(status.message()));
            }
            if step.is_none() && status.message().ends_with("context canceled") {
                // A builder that shuts down cancels its builds and reports that.
                return lost("it gave the build up");
            }
            return EngineError::failed(&given.hide(status.message()), step).into();
        };
        match judge(self.builder, source) {
            BuildkitError::NotReached { builder, source } => {
                BuildkitError::Lost { builder, source }
            }
            error => error,
        }
    }
}

/// Why a build ended without an image.
enum End {
    Refused(Status),
    NotLoaded(EngineError),
}

/// Runs the build, and beside it the load into a daemon. The first of them that fails ends both.
async fn solved(
    mut client: Client,
    request: SolveRequest,
    load: Option<(&Docker, mpsc::Receiver<Option<Bytes>>)>,
    taken: Arc<Taken>,
) -> Result<SolveResponse, End> {
    let loading = async {
        let Some((docker, chunks)) = load else {
            return Ok(());
        };
        let loaded = docker.take(export::body(chunks, Arc::clone(&taken))).await;
        if loaded.is_err() && taken.incomplete.load(Ordering::Relaxed) {
            // The builder's error is the reason, and comes at once.
            return pending().await;
        }
        loaded.map_err(End::NotLoaded)
    };
    let solving = async {
        let answer = client.solve(request).await;
        answer.map(Response::into_inner).map_err(End::Refused)
    };
    let (answer, ()) = try_join(solving, loading).await?;
    Ok(answer)
}

fn statuses(
    mut client: Client,
    reference: String,
) -> impl Stream<Item = Result<StatusResponse, Status>> {
    let opened = async move {
        let request = StatusRequest { r#ref: reference };
        client.status(request).await.map(Response::into_inner)
    };
    once(opened).try_flatten()
}
