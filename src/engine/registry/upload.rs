//! Uploads of blobs: by one `PUT`, or as Docker does it, by `PATCH` and an empty `PUT`, for registries
//! that take nothing else. What a registry has got of an upload that broke off is not sent again.

use std::cell::RefCell;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Body, Method, RequestBuilder, StatusCode, Url};

use super::http::{Client, Fault, header, location};

/// How a registry answers that takes bytes by `PATCH` only.
const PATCH_ONLY: [u16; 7] = [400, 404, 405, 411, 415, 416, 501];
/// The type of all blobs.
const BYTES: &str = "application/octet-stream";

/// A blob for a registry.
pub(super) struct Outgoing<'o> {
    pub(super) digest: &'o str,
    pub(super) size: u64,
    /// Its bytes from an offset.
    pub(super) body: &'o dyn Fn(u64) -> Result<Body, Fault>,
    /// Where an earlier attempt sent a part of it to.
    pub(super) begun: &'o RefCell<Option<Url>>,
}

impl Client {
    /// Uploads a blob.
    pub(super) async fn push_blob(&self, blob: &Outgoing<'_>) -> Result<(), Fault> {
        let earlier = blob.begun.take();
        if let Some(earlier) = earlier
            && let Some((at, from)) = self.received(&earlier, blob.size).await
        {
            match self.push_rest(blob, at, from).await {
                // It is gone, or was counted otherwise.
                Err(Fault::Status {
                    status: 400 | 404 | 416,
                    ..
                }) => {}
                done => return done,
            }
        }
        let at = self.begin(blob).await?;
        if self.by_patch.get() {
            return self.push_rest(blob, at, 0).await;
        }
        let sized = |request: RequestBuilder| {
            let request = request.header(CONTENT_LENGTH, blob.size);
            request.header(CONTENT_TYPE, BYTES)
        };
        let body = || (blob.body)(0);
        let to = finished(at, blob.digest);
        let answer = self.send_blob(Method::PUT, to, sized, body).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        if !PATCH_ONLY.contains(&answer.status().as_u16()) {
            return Err(self.refused(answer).await);
        }
        let refused = self.refused(answer).await;
        let at = self.begin(blob).await?;
        if self.push_rest(blob, at, 0).await.is_err() {
            return Err(refused);
        }
        self.by_patch.set(true);
        Ok(())
    }

    /// Begins an upload.
    async fn begin(&self, blob: &Outgoing<'_>) -> Result<Url, Fault> {
        let url = self.url("blobs/uploads/").await?;
        let answer = self.send(Method::POST, &url, |request| {
            request.header(CONTENT_LENGTH, 0)
        });
        let answer = answer.await?;
        if answer.status() != StatusCode::ACCEPTED {
            return Err(self.refused(answer).await);
        }
        let at = location(&answer)?;
        blob.begun.replace(Some(at.clone()));
        Ok(at)
    }

    /// How much the registry has got of an earlier attempt; `None` if nothing.
    async fn received(&self, at: &Url, size: u64) -> Option<(Url, u64)> {
        let answer = self.send(Method::GET, at, |request| request);
        let answer = answer.await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let range = header(answer.headers(), RANGE.as_str())?;
        let range = range.trim_start_matches("bytes=");
        let last: u64 = range.strip_prefix("0-")?.parse().ok()?;
        let next = location(&answer).unwrap_or_else(|_| at.clone());
        // Registries tell the same of no byte and of one.
        (last > 0 && last < size).then_some((next, last + 1))
    }

    /// Sends what is missing, and ends the upload.
    async fn push_rest(&self, blob: &Outgoing<'_>, at: Url, from: u64) -> Result<(), Fault> {
        blob.begun.replace(Some(at.clone()));
        let mut at = at;
        let rest = blob.size - from;
        if rest > 0 {
            let ranged = |request: RequestBuilder| {
                let request = request.header(CONTENT_LENGTH, rest);
                let request = request.header(CONTENT_TYPE, BYTES);
                if from == 0 {
                    return request;
                }
                request.header(CONTENT_RANGE, format!("{from}-{}", blob.size - 1))
            };
            let body = || (blob.body)(from);
            let answer = self.send_blob(Method::PATCH, at, ranged, body).await?;
            if !answer.status().is_success() {
                return Err(self.refused(answer).await);
            }
            at = location(&answer)?;
            blob.begun.replace(Some(at.clone()));
        }
        let to = finished(at, blob.digest);
        let empty = |request: RequestBuilder| request.header(CONTENT_LENGTH, 0);
        let answer = self.send(Method::PUT, &to, empty).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(self.refused(answer).await)
    }
}

/// The address that ends an upload.
fn finished(mut at: Url, digest: &str) -> Url {
    at.query_pairs_mut().append_pair("digest", digest);
    at
}
