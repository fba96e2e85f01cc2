//! `--skip-unchanged`: an image that was made before only gets its names again.
//!
//! Input: the plans of apps, as they are made. Output: which of their images are there already.
//!
//! An image is known by its [`Key`]: the identity, and what the identity leaves out but somebody would
//! miss. In a registry, the key is a tag beside the image's names, which `--push --skip-unchanged` writes.
//! One question finds it there, whoever made the image and from which commit. In a Docker daemon, where
//! a tag would keep old images for ever, the label with the identity finds it, in one list for all apps.
//!
//! Nothing but an answer leaves an app out. No answer, a refusal or an image that is not whole means
//! that it is built.

mod deliver;
mod key;
mod mark;
mod seek;

use crate::cli::{BuildArgs, EngineArg};
use crate::commands::error::Error;

pub(super) use deliver::{Delivered, deliver};
pub(in crate::commands) use key::is_key;
pub(super) use key::{Key, PROOF, limits, proof_word};
pub(super) use mark::mark;
pub(super) use seek::{Builds, Looked, Seeker, Sought, repositories, would_look};

/// Refuses arguments with which an image cannot be left out.
pub(super) fn check(args: &BuildArgs) -> Result<(), Error> {
    let engine = &args.engine;
    if !engine.skip_unchanged {
        return Ok(());
    }
    let refused = |message: &str, hint: &str| {
        Err(Error::Usage {
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        })
    };
    if !engine.outputs.is_empty() {
        return refused(
            "`--skip-unchanged` makes no image that is there already, and `--output` wants one written",
            "leave one of them out",
        );
    }
    if engine.push && engine.load {
        return refused(
            "`--load` wants the image in a daemon, and `--skip-unchanged` leaves it in the registry where it is",
            "leave one of them out, or load the pushed image afterwards with `docker pull`",
        );
    }
    if engine.pull && !args.plan.pin {
        return refused(
            "`--pull` asks for newer base images, and `--skip-unchanged` knows bases by their names",
            "add `--pin`: then an image counts as unchanged only if its bases are the newest",
        );
    }
    if !engine.push && args.smoke.smoke.is_some() {
        return refused(
            "`--smoke` starts the image, and `--skip-unchanged` leaves out what is unchanged",
            "leave one of them out; with `--push`, an image counts as unchanged if a run with `--smoke` has pushed it",
        );
    }
    if !engine.push && (args.plan.prebuilt || args.plan.engine == EngineArg::Native) {
        return refused(
            "`--skip-unchanged` finds images that are made without Docker, or of a built workspace, only in a registry",
            "add `--push`",
        );
    }
    Ok(())
}
