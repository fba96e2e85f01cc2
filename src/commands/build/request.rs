//! A build by Dockerfile: the request to BuildKit, and what a failed one means.

use super::access;
use super::job::Job;
use super::outcome::Heard;
use super::proof_hint;
use crate::commands::error::Error;
use crate::engine::buildkit::{BuildRequest, Buildkit, CachePolicy, Epoch, PullPolicy};
use crate::engine::docker::EngineError;
use crate::engine::fault::BuildFault;
use crate::render::dockerfile;

/// The request of a job to a builder that answers.
pub(super) fn request(job: &Job<'_>, buildkit: &Buildkit) -> BuildRequest {
    BuildRequest {
        attestations: job.engine.builder.attestations(),
        epoch: job.epoch.map(|seconds| Epoch {
            seconds,
            for_files: buildkit.abilities().rewrites_times(),
        }),
        dockerfile: dockerfile::PATH.to_owned(),
        // An image that is to be tried or measured gets its names afterwards.
        tags: if job.is_held_back() {
            Vec::new()
        } else {
            job.tags.clone()
        },
        build_args: job.arguments.clone(),
        secrets: job.secrets.clone(),
        agents: job.access.agents.clone(),
        labels: job.labels(),
        platforms: job.platforms.clone(),
        cache: if job.engine.no_cache {
            CachePolicy::Ignore
        } else {
            CachePolicy::Use
        },
        pull: if job.engine.pull {
            PullPolicy::Always
        } else {
            PullPolicy::Missing
        },
        cache_from: job.caches.from.clone(),
        cache_to: (job.caches.to.iter())
            .map(|cache| cache.for_builder(buildkit.abilities()))
            .collect(),
        compression: job.engine.compression.into(),
        logins: job.logins.clone(),
        insecure: job.tags.iter().any(|tag| job.trust.covers(tag)),
    }
}

/// Distinguishes a failed proof, for which the app is at fault, from a failed build, whose log may
/// show the reason.
pub(super) fn failed(job: &Job<'_>, error: EngineError, heard: &Heard) -> Error {
    let plan = &job.plan;
    let EngineError::BuildFailed {
        step: Some(step),
        exit_code: Some(code),
        ..
    } = &error
    else {
        return error.into();
    };
    let proof = step.starts_with("[verify ") || step.contains("] the proof that ");
    if proof && *code == 1 {
        return Error::Verify {
            app: plan.app.dir.clone(),
            hint: proof_hint::hint(&plan.app.dir, &heard.failed()),
        };
    }
    let fault = BuildFault::judge(plan, step, *code, &heard.failed());
    fault.offering(access::named_authority(job.env)).into()
}
