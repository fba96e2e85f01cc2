//! Loads an image that slimbuild made into a daemon, sending only the layers that it lacks.

use std::io;
use std::pin::pin;
use std::time::Instant;

use bollard::body_try_stream;
use bollard::errors::Error as Bollard;
use bollard::query_parameters::{ImportImageOptions, ListImagesOptions};
use bytes::Bytes;
use futures_util::stream::iter;
use futures_util::{Stream, StreamExt};
use serde::Serialize;

use super::{Docker, EngineError, LONG_TIMEOUT, error, runtime};
use crate::engine::upload::{Upload, upload};
use crate::engine::{Event, Interrupt, StepId, StepKind};
use crate::image::oci::{self, Image, OciError};
use crate::model::image::ImageRef;
use crate::store::cache::Cache;

/// How many images are inspected at a time.
const MAX_CONCURRENT: usize = 8;

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Loaded {
    /// The number of layers that the daemon lacked.
    pub layers: usize,
    /// The size of the archive in bytes.
    pub bytes: u64,
}

impl Docker {
    /// Loads an image whose layers are in the cache under these names, as a `step`.
    pub fn load(
        &self,
        image: &Image,
        names: &[ImageRef],
        cache: &Cache,
        step: StepId,
        interrupt: &Interrupt,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Loaded, EngineError> {
        let names_of: Vec<String> = names.iter().map(ToString::to_string).collect();
        on_event(Event::StepKnown {
            step,
            name: format!("[load] {}", names_of.join(", ")),
            kind: StepKind::Housekeeping,
        });
        on_event(Event::StepStarted { step });
        let began = Instant::now();
        let known = runtime()?.block_on(self.known(image));
        let sent = self.send_missing(image, names, known, cache, interrupt);
        on_event(Event::ended(step, began, &sent));
        sent
    }

    /// Sends all layers but the first `known` ones, or all if the daemon needs them.
    pub(super) fn send_missing(
        &self,
        image: &Image,
        names: &[ImageRef],
        known: usize,
        cache: &Cache,
        interrupt: &Interrupt,
    ) -> Result<Loaded, EngineError> {
        match self.send(image, names, known, cache, interrupt) {
            // Images may have been removed meanwhile, and containerd's image store needs every
            // layer.
            Err(EngineError::NotLoaded { .. }) if known > 0 => {
                self.send(image, names, 0, cache, interrupt)
            }
            sent => sent,
        }
    }

    /// How many layers, from the first on, are shared with some image of the daemon. A wrong answer
    /// only costs time.
    async fn known(&self, image: &Image) -> usize {
        let wanted = image.layers.iter().map(|layer| layer.diff_id.to_string());
        let wanted: Vec<String> = wanted.collect();
        let images = self.client.list_images(None::<ListImagesOptions>).await;
        let ids = images.unwrap_or_default().into_iter().map(|image| image.id);
        let asked = ids.map(|id| async move { self.client.inspect_image(&id).await });
        let mut told = pin!(iter(asked).buffer_unordered(MAX_CONCURRENT));
        let mut most = 0;
        while most < wanted.len()
            && let Some(told) = told.next().await
        {
            let layers = told.ok().and_then(|image| image.root_fs?.layers);
            let layers = layers.unwrap_or_default();
            let same = wanted.iter().zip(&layers).take_while(|(a, b)| a == b);
            most = most.max(same.count());
        }
        most
    }

    fn send(
        &self,
        image: &Image,
        names: &[ImageRef],
        known: usize,
        cache: &Cache,
        interrupt: &Interrupt,
    ) -> Result<Loaded, EngineError> {
        let mut damage: Option<OciError> = None;
        let (source, mut upload, body) = upload();
        let sent = std::thread::scope(|scope| {
            // As with a build, dropping the runtime ends a writer that is no longer read.
            let runtime = runtime()?;
            let damage = &mut damage;
            scope.spawn(move || {
                source.run(Box::new(|out| {
                    oci::send(image, names, known, cache, out).unwrap_or_else(|error| {
                        let told = io::Error::other(error.to_string());
                        *damage = Some(error);
                        Err(told)
                    })
                }));
            });
            runtime.block_on(self.transfer(&mut upload, body, interrupt))
        });
        match damage {
            Some(damage) => Err(EngineError::Layer(damage)),
            None => sent.map(|()| Loaded {
                layers: image.layers.len() - known,
                bytes: upload.progress().0,
            }),
        }
    }

    async fn transfer(
        &self,
        upload: &mut Upload,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        interrupt: &Interrupt,
    ) -> Result<(), EngineError> {
        tokio::select! {
            biased;
            () = interrupt.raised() => Err(EngineError::Interrupted),
            error = upload.failed() => Err(EngineError::Context(error)),
            taken = self.take(body) => taken,
        }
    }

    /// Loads an archive as it comes.
    pub(in crate::engine) async fn take(
        &self,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), EngineError> {
        // The daemon unpacks everything before it answers.
        let client = self.client.clone().with_timeout(LONG_TIMEOUT);
        let options = ImportImageOptions {
            quiet: true,
            ..ImportImageOptions::default()
        };
        let mut answers = pin!(client.import_image(options, body_try_stream(body), None));
        while let Some(answer) = answers.next().await {
            match answer {
                Err(error) if error::is_end(&error) => break,
                answer => drop(answer.map_err(|error| self.not_loaded(&error))?),
            }
        }
        Ok(())
    }

    fn not_loaded(&self, error: &Bollard) -> EngineError {
        let host = Box::new(self.host.clone());
        let source = match error {
            Bollard::DockerStreamError { error } => io::Error::other(error.clone()),
            other => error::root(other),
        };
        EngineError::NotLoaded { host, source }
    }
}
