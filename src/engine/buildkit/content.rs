//! containerd's content service (`containerd.services.content.v1.Content`): blobs by digest.
//!
//! A builder serves it for the images that it made; this process serves it in a session for caches
//! in directories
//! (<https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto>).

use bytes::Bytes;
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::channel::{Channel, MAX_MESSAGE_BYTES};
use crate::model::digest::Digest;

/// The service's name.
pub(super) const SERVICE: &str = "containerd.services.content.v1.Content";

const READ: &str = "/containerd.services.content.v1.Content/Read";

#[derive(Clone, PartialEq, Message)]
pub(super) struct InfoRequest {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Info {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
    #[prost(int64, tag = "2")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) info: Option<Info>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadRequest {
    #[prost(string, tag = "1")]
    pub(super) digest: String,
    #[prost(int64, tag = "2")]
    pub(super) offset: i64,
    /// Zero is all of it.
    #[prost(int64, tag = "3")]
    pub(super) size: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadResponse {
    #[prost(int64, tag = "1")]
    pub(super) offset: i64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) data: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Action {
    /// Tells how much there is.
    Stat = 0,
    Write = 1,
    /// Writes, and gives the blob its name.
    Commit = 2,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(enumeration = "Action", tag = "1")]
    pub(super) action: i32,
    /// The name of this transfer.
    #[prost(string, tag = "2")]
    pub(super) reference: String,
    /// The size of the blob, if known.
    #[prost(int64, tag = "3")]
    pub(super) total: i64,
    /// The digest of the blob, if known.
    #[prost(string, tag = "4")]
    pub(super) expected: String,
    #[prost(int64, tag = "5")]
    pub(super) offset: i64,
    #[prost(bytes = "bytes", tag = "6")]
    pub(super) data: Bytes,
}

/// A point in time.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteResponse {
    #[prost(enumeration = "Action", tag = "1")]
    pub(super) action: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) started: Option<Timestamp>,
    #[prost(message, optional, tag = "3")]
    pub(super) updated: Option<Timestamp>,
    /// How many bytes were written.
    #[prost(int64, tag = "4")]
    pub(super) offset: i64,
    #[prost(int64, tag = "5")]
    pub(super) total: i64,
    #[prost(string, tag = "6")]
    pub(super) digest: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AbortRequest {
    #[prost(string, tag = "1")]
    pub(super) reference: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Empty {}

/// Reads `size` bytes of a builder's blob from `offset` on; all of it for a size of zero.
pub(super) async fn read(
    channel: &Channel,
    digest: &Digest,
    offset: u64,
    size: u64,
) -> Result<Vec<u8>, Status> {
    let mut grpc = Grpc::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let ready = grpc.ready().await;
    ready.map_err(|error| Status::unavailable(error.to_string()))?;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let request = Request::new(ReadRequest {
        digest: digest.to_string(),
        offset: number(offset),
        size: number(size),
    });
    let codec = ProstCodec::<ReadRequest, ReadResponse>::default();
    let answer = grpc.server_streaming(request, PathAndQuery::from_static(READ), codec);
    let mut answer = answer.await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = answer.message().await? {
        bytes.extend_from_slice(&part.data);
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(Status::out_of_range("the blob is too large"));
        }
    }
    Ok(bytes)
}
