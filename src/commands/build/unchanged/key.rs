//! [`Key`]: by what an image that was made before is known.

use crate::cli::BuildArgs;
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, ImageRefError};
use crate::plan::{PlanOptions, Proof};

/// The label that tells of an image that less than all of the proof was asked for.
pub(in crate::commands::build) const PROOF: &str = "dev.slimbuild.proof";

/// What stands before the digits of a key, in a tag.
const PREFIX: &str = "slimbuild-";

/// How many digits a tag has: nobody meets two keys that begin with the same 128 bits.
const DIGITS: usize = 32;

/// The identity of an image, how it was to be proved, how its layers are compressed, what stands
/// beside it, and what it had to keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands::build) struct Key {
    pub(super) identity: Digest,
    pub(super) proof: Proof,
    tag: String,
}

impl Key {
    /// The key of an image that is made with these arguments and [`limits`].
    pub(in crate::commands::build) fn new(
        identity: &Digest,
        proof: Proof,
        args: &BuildArgs,
        limits: &str,
    ) -> Self {
        let engine = &args.engine;
        let (smoke, compression) = (args.smoke.smoke.is_some(), engine.compression);
        let beside = engine.builder.attestations();
        let text = format!("{identity} {proof:?} {smoke} {compression:?} {beside:?}{limits}");
        let digest = Digest::of(text.as_bytes());
        let digits: String = digest.hex().chars().take(DIGITS).collect();
        Self {
            identity: identity.clone(),
            proof,
            tag: format!("{PREFIX}{digits}"),
        }
    }

    /// The name by which a repository has the image.
    pub(in crate::commands::build) fn name_in(
        &self,
        image: &ImageRef,
    ) -> Result<ImageRef, ImageRefError> {
        format!("{}:{}", image.name(), self.tag).parse()
    }
}

/// Whether a tag is a key.
pub(in crate::commands) fn is_key(tag: &str) -> bool {
    let digits = tag.strip_prefix(PREFIX).unwrap_or_default();
    digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What an image has to keep to, as text; empty if that is nothing. Whoever changes it has images
/// checked again.
pub(in crate::commands::build) fn limits(options: &PlanOptions) -> String {
    let budget = options.budget.as_ref().map(|budget| budget.value);
    let licenses = options.licenses.as_ref().map(|licenses| &licenses.value);
    match (budget, licenses) {
        (None, None) => String::new(),
        limits => format!(" {limits:?}"),
    }
}

/// The value of the label; `None` where all of the proof was asked for.
pub(in crate::commands::build) fn proof_word(proof: Proof) -> Option<&'static str> {
    match proof {
        Proof::Started => None,
        Proof::Verified => Some("verified"),
        Proof::None => Some("none"),
    }
}
