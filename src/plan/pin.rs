//! Bases by digest: what is built then is what was seen, whatever becomes of their tags.

use super::{BaseFrom, Decision, Engine, NodeCommand, Plan};
use crate::model::image::{ImageRef, ImageRefError};

/// What the image is made on, as the OCI's annotations have it.
const LABELS: [&str; 2] = [
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.base.digest",
];

/// The reason, beside the image's own.
const REASON: &str = "fixed by --pin";

impl Plan {
    /// Fixes the images that stages start from by the digests that `digest` finds out. Those that have one keep it.
    pub fn pin<E: From<ImageRefError>>(
        &mut self,
        digest: impl Fn(&ImageRef) -> Result<String, E>,
    ) -> Result<(), E> {
        if self.runtime_base.value.from != BaseFrom::Registry {
            // No tag of a registry moves it.
            return Ok(());
        }
        let pinned = |image: &str| {
            let image: ImageRef = image.parse()?;
            let digest = match image.digest() {
                Some(_) => return Ok::<_, E>((image, None)),
                None => digest(&image)?,
            };
            Ok((image.with_digest(&digest)?, Some(digest)))
        };
        let build = &mut self.build_base;
        let base = &mut self.runtime_base;
        let mut known = None;
        if self.engine == Engine::Docker {
            let same = build.value == base.value.image;
            let (image, found) = pinned(&build.value)?;
            if found.is_some() {
                build.value = image.to_string();
                build.reason = format!("{}; {REASON}", build.reason);
            }
            known = same.then_some((image, found));
        }
        let (result, found) = match known {
            Some(known) => known,
            None => pinned(&base.value.image)?,
        };
        if found.is_some() {
            base.value.image = result.to_string();
            base.reason = format!("{}; {REASON}", base.reason);
        }
        // An image that begins anew has no layer of its base.
        if let Some(digest) = result.digest()
            && base.value.node != Some(NodeCommand::Trimmed)
        {
            let values = [result.qualified(), digest.to_owned()];
            for (name, value) in LABELS.into_iter().zip(values) {
                let labels = &mut self.configured.labels;
                labels
                    .entry(name.to_owned())
                    .or_insert_with(|| Decision::new(value, REASON));
            }
        }
        Ok(())
    }
}
