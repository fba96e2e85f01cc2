//! [`Buildkit`]: builds images with a BuildKit on any machine: one that listens by itself, or the
//! one inside a Docker daemon.
//!
//! Input: an address with its certificates, a request, a writer of the context, and where the image
//! should go. Output: [`Event`]s while it works, then the image's digests.
//!
//! Everything passes over one HTTP/2 connection on which this process calls BuildKit's
//! `moby.buildkit.v1.Control`. Each part has a file: [`address`] and [`buildx`] name the builder,
//! [`dial`], [`tls`], [`upgrade`] and [`stdio`] make the connection, [`abilities`] asks what the
//! builder can do, [`session`] answers BuildKit's questions and sends the context, [`request`] and
//! [`solve`] run the build, [`trace`] reads its progress, [`export`] takes the image, [`size`] asks
//! for its sizes ([`content`]), [`cache`] and [`layout`] keep what the next build may use, [`attest`]
//! asks for statements about the image.

mod abilities;
mod address;
mod attest;
mod buildx;
mod cache;
mod channel;
mod content;
mod dial;
mod error;
mod export;
mod layout;
mod request;
mod session;
mod size;
mod solve;
mod stdio;
mod tls;
mod trace;
mod upgrade;

use std::io;

use crate::engine::docker::runtime;
use crate::engine::upload::{ContextWriter, upload};
use crate::engine::{Event, Interrupt};
use crate::model::image::Platform;

pub use abilities::Abilities;
pub use address::{Builder, Certificates};
pub use attest::{Attest, Attestation};
pub use cache::{CacheFrom, CacheTo};
pub use error::{BuildkitError, Side};
use export::Written;
pub use export::{Archive, Export, Format};
pub use request::{BuildRequest, CachePolicy, Epoch, PullPolicy};
pub use solve::Made;

/// How a daemon gets what it lacks.
const STORE_HINT: &str = "turn it on in the daemon's daemon.json, `{\"features\":{\"containerd-snapshotter\":true}}`; or name a builder, `--builder tcp://HOST:PORT`";

/// A builder that answers.
#[derive(Debug)]
pub struct Buildkit {
    builder: Builder,
    abilities: Abilities,
}

impl Buildkit {
    /// Connects to a builder and asks what it can do.
    pub fn connect(builder: &Builder) -> Result<Self, BuildkitError> {
        let abilities = runtime()?.block_on(async {
            let mut client = channel::client(&channel::connect(builder).await?);
            abilities::ask(&mut client, builder).await
        })?;
        Ok(Self {
            builder: builder.clone(),
            abilities,
        })
    }

    /// Fails if the builder cannot export images, or not to this many places.
    pub fn check(&self, outputs: usize) -> Result<(), BuildkitError> {
        let unable = |problem: String, hint: &str| Err(self.unable(problem, hint));
        let can = &self.abilities;
        if !can.exports() {
            return unable(
                "cannot export images: its Docker daemon has no containerd image store".to_owned(),
                "turn it on in the daemon's daemon.json, `{\"features\":{\"containerd-snapshotter\":true}}`; or build with this daemon by `--host` instead of `--builder`",
            );
        }
        if outputs > 1 && !can.exports_several() {
            return unable(
                "supports one output per build; several need BuildKit 0.13 or newer".to_owned(),
                "keep only one of `--output`, `--load` and `--push`, or build once for each: the steps are cached",
            );
        }
        Ok(())
    }

    /// Fails if the builder cannot make an image for these platforms. `bound` says why steps of the
    /// build have to run on the image's own platform; `None` if none has to.
    pub fn check_platforms(
        &self,
        platforms: &[Platform],
        bound: Option<&str>,
    ) -> Result<(), BuildkitError> {
        let can = &self.abilities;
        if platforms.len() > 1 && !can.exports() {
            return Err(self.unable(
                "cannot keep images for several platforms under one name without containerd's image store".to_owned(),
                STORE_HINT,
            ));
        }
        let foreign = platforms.iter().find(|platform| !can.runs(platform));
        if let (Some(platform), Some(bound)) = (foreign, bound) {
            return Err(self.unable(
                format!(
                    "cannot run steps for {platform}, and this image needs them: {bound}; it runs steps for {}",
                    can.platforms().join(", ")
                ),
                "choose another builder or platform, or install emulation there: `docker run --privileged --rm tonistiigi/binfmt --install all`",
            ));
        }
        Ok(())
    }

    /// Fails if the builder cannot write these caches, or their directories cannot be made.
    pub fn check_caches(&self, caches: &[CacheTo]) -> Result<(), BuildkitError> {
        let mut directories = caches.iter().filter_map(CacheTo::directory);
        if self.abilities.exports() || caches.iter().all(CacheTo::is_inline) {
            return directories.try_for_each(|directory| directory.prepare());
        }
        Err(self.unable(
            "cannot write a cache outside of the image: its Docker daemon has no containerd image store".to_owned(),
            "turn it on in the daemon's daemon.json, `{\"features\":{\"containerd-snapshotter\":true}}`; or put the cache into the image, `--cache-to type=inline`; or name a builder, `--builder tcp://HOST:PORT`",
        ))
    }

    /// Fails if the builder cannot attest how it makes an image.
    pub fn check_attestations(&self, attestations: &[Attestation]) -> Result<(), BuildkitError> {
        if attestations.is_empty() || self.abilities.attests() {
            return Ok(());
        }
        Err(self.unable(
            "makes no attestations: they need BuildKit 0.11 or newer, and in a Docker daemon containerd's image store".to_owned(),
            STORE_HINT,
        ))
    }

    fn unable(&self, problem: String, hint: &str) -> BuildkitError {
        BuildkitError::Unable {
            builder: Box::new(self.builder.clone()),
            problem,
            hint: hint.to_owned(),
        }
    }

    /// Where it is.
    pub fn builder(&self) -> &Builder {
        &self.builder
    }

    /// What it can do.
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Builds an image and exports it. Other threads write the context as fast as the builder reads
    /// it, and files as fast as it sends them.
    ///
    /// On any error the builder cancels the build and keeps only its cache, and no file is written.
    pub fn build(
        &self,
        request: &BuildRequest,
        context: ContextWriter<'_>,
        exports: Vec<Export<'_>>,
        interrupt: &Interrupt,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Made, BuildkitError> {
        let (source, upload, body) = upload();
        let (exports, files) = export::split(exports);
        let (solved, written) = std::thread::scope(|scope| {
            let threads: Vec<_> = files
                .into_iter()
                .map(|file| scope.spawn(move || file.write()))
                .collect();
            scope.spawn(move || source.run(context));
            // Dropping the runtime closes the connection: the builder then cancels the build, and
            // the threads end. So it lives in this block, even on a panic.
            let solved = runtime().map_err(BuildkitError::from).and_then(|runtime| {
                let solve = solve::Solve {
                    builder: &self.builder,
                    interrupt,
                    on_event,
                };
                runtime.block_on(solve.run(request, upload, Box::pin(body), exports))
            });
            let written = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            (solved, written.collect::<Vec<Written>>())
        });
        self.ended(solved, written)
    }

    /// Puts together how the build and the writing of files ended.
    fn ended(
        &self,
        solved: Result<Made, BuildkitError>,
        written: Vec<Written>,
    ) -> Result<Made, BuildkitError> {
        let mut missing = false;
        for file in written {
            match file {
                Written::Done => {}
                // The builder's error about a file that is no longer read would hide the reason.
                Written::Failed(error) => return Err(BuildkitError::Output(error)),
                Written::GivenUp => missing = true,
            }
        }
        match solved {
            Ok(_) if missing => Err(BuildkitError::Lost {
                builder: Box::new(self.builder.clone()),
                source: io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "it did not send the whole image",
                ),
            }),
            solved => solved,
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
