//! Resolves image names to digests.

use std::time::Duration;

use super::{Docker, EngineError, credentials, error, runtime};
use crate::engine::Logins;
use crate::model::image::ImageRef;

impl Docker {
    /// The digest by which the image can be pulled: of the daemon's image, which a build would use,
    /// else from its registry; with `fresh`, from the registry only. Pulls nothing.
    pub fn digest(
        &self,
        image: &ImageRef,
        fresh: bool,
        logins: &Logins,
    ) -> Result<String, EngineError> {
        runtime()?.block_on(self.find_digest(image, fresh, logins))
    }

    /// The same, if it is told in time.
    pub fn digest_soon(
        &self,
        image: &ImageRef,
        fresh: bool,
        logins: &Logins,
        limit: Duration,
    ) -> Option<String> {
        let found = runtime().ok()?.block_on(async {
            let find = self.find_digest(image, fresh, logins);
            tokio::time::timeout(limit, find).await
        });
        found.ok()?.ok()
    }

    async fn find_digest(
        &self,
        image: &ImageRef,
        fresh: bool,
        logins: &Logins,
    ) -> Result<String, EngineError> {
        if !fresh && let Some(digest) = self.local_digest(image).await {
            return Ok(digest);
        }
        // The registry's refusal tells what is missing.
        let credentials = logins.for_image(image).await.credential;
        let credentials = credentials.map(credentials::for_daemon);
        let answer = self
            .client
            .inspect_registry_image(&image.to_string(), credentials)
            .await;
        match answer {
            Ok(answer) => answer
                .descriptor
                .digest
                .ok_or_else(|| no_digest(image, None)),
            Err(error) => Err(no_digest(image, Some(error::root(&error)))),
        }
    }

    /// `None` for a loaded or locally built image: no registry knows its digest.
    async fn local_digest(&self, image: &ImageRef) -> Option<String> {
        let found = self.client.inspect_image(&image.to_string()).await.ok()?;
        let digests = found.repo_digests.unwrap_or_default().into_iter();
        let mut known = digests.filter_map(|digest| digest.parse::<ImageRef>().ok());
        let own = known.find(|known| known.is_sibling(image))?;
        own.digest().map(str::to_owned)
    }
}

fn no_digest(image: &ImageRef, source: Option<std::io::Error>) -> EngineError {
    EngineError::NoDigest {
        image: image.to_string(),
        source: source.unwrap_or_else(|| std::io::Error::other("the registry names none")),
    }
}
