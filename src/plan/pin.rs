//! Pins bases by digest, so that a build uses exactly what was resolved, even if tags move.

use super::{BaseFrom, Decision, Engine, NodeCommand, Plan};
use crate::model::image::{ImageRef, ImageRefError};

/// The OCI annotations about an image's base.
const LABELS: [&str; 2] = [
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.base.digest",
];

/// Appended to the image's own reason.
const REASON: &str = "fixed by --pin";

impl Plan {
    /// Pins the images of the stages to the digests that `digest` returns. Images with a digest
    /// keep it.
    pub fn pin<E: From<ImageRefError>>(
        &mut self,
        digest: impl Fn(&ImageRef) -> Result<String, E>,
    ) -> Result<(), E> {
        if self.runtime_base.value.from != BaseFrom::Registry {
            // It is not from a registry, so no tag can move it.
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
        // An image with rewritten contents has no layer of its base.
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
