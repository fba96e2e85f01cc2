//! Serves caches in directories: BuildKit reads and writes their blobs (containerd's content
//! service).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{try_unfold, unfold};
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, BoxFuture, Service, StdError, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::engine::buildkit::channel::MAX_MESSAGE_BYTES;
use crate::engine::buildkit::content::{
    AbortRequest, Action, Empty, Info, InfoRequest, InfoResponse, ReadRequest, ReadResponse,
    SERVICE, Timestamp, WriteRequest, WriteResponse,
};
use crate::engine::buildkit::layout::{Blob, Layout};
use crate::model::digest::Digest;

/// The header that says which of the directories is meant.
const STORE: &str = "buildkit-attachable-store-id";
/// The size in bytes of the pieces that a blob is sent in.
const PIECE_BYTES: usize = 1024 * 1024;

/// The directories, by the names that BuildKit has for them.
#[derive(Clone, Default)]
pub(in crate::engine::buildkit) struct Stores(Arc<BTreeMap<String, Layout>>);

impl Stores {
    pub(in crate::engine::buildkit) fn new(layouts: BTreeMap<String, Layout>) -> Self {
        Self(Arc::new(layouts))
    }

    fn chosen<T>(&self, request: &Request<T>) -> Result<Layout, Status> {
        let id = request.metadata().get(STORE);
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let layout = self.0.get(id).cloned();
        layout.ok_or_else(|| Status::not_found(format!("there is no cache `{id}`")))
    }
}

fn digest(text: &str) -> Result<Digest, Status> {
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("`{text}` is not a digest")))
}

fn failed(error: &io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::NotFound => Status::not_found("there is no such blob"),
        _ => Status::internal(error.to_string()),
    }
}

fn number(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

async fn info(
    stores: Stores,
    request: Request<InfoRequest>,
) -> Result<Response<InfoResponse>, Status> {
    let layout = stores.chosen(&request)?;
    let digest = digest(&request.into_inner().digest)?;
    let (_, size) = layout.open(&digest).map_err(|error| failed(&error))?;
    let info = Info {
        digest: digest.to_string(),
        size: number(size),
    };
    Ok(Response::new(InfoResponse { info: Some(info) }))
}

async fn read(
    stores: Stores,
    request: Request<ReadRequest>,
) -> Result<Response<Answers<ReadResponse>>, Status> {
    let layout = stores.chosen(&request)?;
    let wanted = request.into_inner();
    let opened = layout.open(&digest(&wanted.digest)?);
    let (mut file, size) = opened.map_err(|error| failed(&error))?;
    let offset = u64::try_from(wanted.offset).unwrap_or_default();
    let rest = size
        .checked_sub(offset)
        .ok_or_else(|| Status::out_of_range("the blob is shorter"))?;
    let left = match u64::try_from(wanted.size) {
        Ok(part) if part > 0 => part.min(rest),
        _ => rest,
    };
    let sought = file.seek(SeekFrom::Start(offset));
    sought.map_err(|error| failed(&error))?;
    let pieces = unfold((file.take(left), offset), |(mut file, offset)| async move {
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                let answer = ReadResponse {
                    offset: number(offset),
                    data: Bytes::from(piece),
                };
                Some((Ok(answer), (file, offset + length as u64)))
            }
            Err(error) => Some((Err(failed(&error)), (file, offset))),
        }
    });
    Ok(Response::new(Box::pin(pieces)))
}

/// One blob that BuildKit writes.
struct Writing {
    layout: Layout,
    requests: Streaming<WriteRequest>,
    /// `None` at its end.
    blob: Option<Blob>,
    expected: Option<Digest>,
    total: i64,
}

impl Writing {
    /// Does what one request asks for.
    fn answer(&mut self, request: &WriteRequest) -> Result<Option<WriteResponse>, Status> {
        let Some(mut blob) = self.blob.take() else {
            return Ok(None);
        };
        if !request.expected.is_empty() {
            let expected = digest(&request.expected)?;
            if self.layout.open(&expected).is_ok() {
                return Err(Status::already_exists(format!("{expected} is there")));
            }
            self.expected = Some(expected);
        }
        self.total = self.total.max(request.total);
        let action = Action::try_from(request.action);
        let action = action.map_err(|_| Status::invalid_argument("what should be done?"))?;
        if action != Action::Stat && !request.data.is_empty() {
            let offset = u64::try_from(request.offset).unwrap_or_default();
            if offset == 0 && blob.written > 0 {
                blob = self.layout.begin().map_err(|error| failed(&error))?;
            } else if offset != blob.written {
                return Err(Status::out_of_range(format!(
                    "{} bytes are there",
                    blob.written
                )));
            }
            blob.write(&request.data).map_err(|error| failed(&error))?;
        }
        let now = Some(Timestamp { seconds: 0 });
        let mut answer = WriteResponse {
            action: request.action,
            started: now,
            updated: now,
            offset: number(blob.written),
            total: self.total,
            digest: String::new(),
        };
        if action == Action::Commit {
            if request.total > 0 && request.total != number(blob.written) {
                return Err(Status::failed_precondition("the blob is incomplete"));
            }
            let ended = blob.end(self.expected.as_ref());
            answer.digest = ended.map_err(|error| failed(&error))?.to_string();
        } else {
            self.blob = Some(blob);
        }
        Ok(Some(answer))
    }
}

async fn write(
    stores: Stores,
    request: Request<Streaming<WriteRequest>>,
) -> Result<Response<Answers<WriteResponse>>, Status> {
    let layout = stores.chosen(&request)?;
    let blob = layout.begin().map_err(|error| failed(&error))?;
    let writing = Writing {
        layout,
        requests: request.into_inner(),
        blob: Some(blob),
        expected: None,
        total: 0,
    };
    let answers = try_unfold(writing, |mut writing| async move {
        let Some(request) = writing.requests.message().await? else {
            return Ok(None);
        };
        let answer = writing.answer(&request)?;
        Ok(answer.map(|answer| (answer, writing)))
    });
    Ok(Response::new(Box::pin(answers)))
}

/// What is not committed is removed anyway.
async fn abort(_: Stores, _: Request<AbortRequest>) -> Result<Response<Empty>, Status> {
    Ok(Response::new(Empty {}))
}

/// A function as a method of the service.
struct Method<F>(Stores, F);

impl<F, I, O, A> UnaryService<I> for Method<F>
where
    F: Fn(Stores, Request<I>) -> A,
    A: Future<Output = Result<Response<O>, Status>>,
{
    type Response = O;
    type Future = A;

    fn call(&mut self, request: Request<I>) -> A {
        (self.1)(self.0.clone(), request)
    }
}

impl<F, I, O, A> ServerStreamingService<I> for Method<F>
where
    F: Fn(Stores, Request<I>) -> A,
    A: Future<Output = Result<Response<Answers<O>>, Status>>,
{
    type Response = O;
    type ResponseStream = Answers<O>;
    type Future = A;

    fn call(&mut self, request: Request<I>) -> A {
        (self.1)(self.0.clone(), request)
    }
}

impl<F, I, O, A> StreamingService<I> for Method<F>
where
    F: Fn(Stores, Request<Streaming<I>>) -> A,
    A: Future<Output = Result<Response<Answers<O>>, Status>>,
{
    type Response = O;
    type ResponseStream = Answers<O>;
    type Future = A;

    fn call(&mut self, request: Request<Streaming<I>>) -> A {
        (self.1)(self.0.clone(), request)
    }
}

fn grpc<I, O>() -> Grpc<ProstCodec<O, I>>
where
    I: prost::Message + Default + Send + 'static,
    O: prost::Message + Send + 'static,
{
    Grpc::new(ProstCodec::default())
        .apply_max_message_size_config(Some(MAX_MESSAGE_BYTES), Some(MAX_MESSAGE_BYTES))
}

impl<B> Service<http::Request<B>> for Stores
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let stores = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next();
            Ok(match method.unwrap_or_default() {
                "Info" => grpc().unary(Method(stores, info), request).await,
                "Read" => grpc().server_streaming(Method(stores, read), request).await,
                "Write" => grpc().streaming(Method(stores, write), request).await,
                "Abort" => grpc().unary(Method(stores, abort), request).await,
                _ => Status::unimplemented("caches are read and written").into_http(),
            })
        })
    }
}

impl NamedService for Stores {
    const NAME: &'static str = SERVICE;
}
