//! The images that a daemon has: those with a label, and more names for one.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::errors::Error as Bollard;
use bollard::query_parameters::{ListImagesOptions, TagImageOptions};

use super::error::after_build;
use super::{Docker, EngineError, runtime};
use crate::model::image::ImageRef;

/// An image with labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    pub id: String,
    pub labels: BTreeMap<String, String>,
}

impl Docker {
    /// The images that have a label, with all their labels, the newest first. After the limit, there
    /// is no answer.
    pub fn labelled(&self, label: &str, limit: Duration) -> Result<Vec<Labelled>, EngineError> {
        let filters = [("label".to_owned(), vec![label.to_owned()])];
        let options = ListImagesOptions {
            filters: Some(filters.into_iter().collect()),
            ..ListImagesOptions::default()
        };
        let failed =
            |error: &bollard::errors::Error| after_build("list its images".to_owned(), error);
        runtime()?.block_on(async {
            let listed = self.client.list_images(Some(options));
            let late = bollard::errors::Error::RequestTimeoutError;
            let listed = tokio::time::timeout(limit, listed).await;
            let listed = listed
                .unwrap_or(Err(late))
                .map_err(|error| failed(&error))?;
            let labelled = listed.into_iter().map(|image| Labelled {
                id: image.id,
                labels: image.labels.into_iter().collect(),
            });
            Ok(labelled.collect())
        })
    }

    /// The id of the image that the daemon has under a name; `None` if there is none.
    pub fn find(&self, image: &ImageRef) -> Result<Option<String>, EngineError> {
        let found = runtime()?.block_on(self.client.inspect_image(&image.to_string()));
        match found {
            Ok(found) => Ok(found.id),
            Err(Bollard::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => Err(after_build(format!("tell of `{image}`"), &error)),
        }
    }

    /// Tags an image.
    pub fn tag(&self, image: &str, tags: &[ImageRef]) -> Result<(), EngineError> {
        runtime()?.block_on(async {
            for tag in tags {
                let options = TagImageOptions {
                    repo: Some(tag.name().to_owned()),
                    tag: tag.tag().map(str::to_owned),
                };
                self.client
                    .tag_image(image, Some(options))
                    .await
                    .map_err(|error| after_build(format!("tag it as `{tag}`"), &error))?;
            }
            Ok(())
        })
    }
}
