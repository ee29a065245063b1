//! One port's requests: gRPC to the one side, plain HTTP to the other.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use api::{Remote, Service};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use httpd::Endpoints;
use hyper::body::Incoming;
use rpc::{Grpc, GrpcBody};

use crate::http2_debug::Fields;

/// Sends each request to the side that it is for. A listener may have one side alone.
pub struct ClientService<S: Service> {
    grpc: Option<Grpc<S>>,
    endpoints: Option<Endpoints<S>>,
    /// Who is at the other end of the connection.
    remote: Option<Remote>,
    /// Shows what requests carry, where that is asked for.
    fields: Option<Fields>,
}

impl<S: Service> ClientService<S> {
    /// The sides of a listener.
    pub fn new(grpc: Option<Grpc<S>>, endpoints: Option<Endpoints<S>>) -> Self {
        Self { grpc, endpoints, remote: None, fields: Fields::of_environment() }
    }

    /// The same for one connection.
    #[must_use]
    pub fn of(&self, remote: Option<Remote>) -> Self {
        let (grpc, endpoints) = (self.grpc.clone(), self.endpoints.clone());
        Self { grpc, endpoints, remote, fields: self.fields.clone() }
    }
}

impl<S: Service> Clone for ClientService<S> {
    fn clone(&self) -> Self {
        self.of(self.remote.clone())
    }
}

impl<S: Service> hyper::service::Service<Request<Incoming>> for ClientService<S> {
    type Response = Response<ClientBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if let Some(fields) = &self.fields {
            fields.show(&request);
        }
        if rpc::is_grpc(&request)
            && let Some(grpc) = &self.grpc
        {
            return Answering::Grpc(grpc.call(request, self.remote.as_ref()));
        }
        let Some(endpoints) = self.endpoints.clone() else {
            return Answering::Plain(Box::pin(std::future::ready(nobody())));
        };
        let (parts, _) = request.into_parts();
        Answering::Plain(Box::pin(
            async move { endpoints.call(&parts).await.map(ClientBody::Whole) },
        ))
    }
}

/// An answer of either side, to come.
pub enum Answering {
    /// Of gRPC.
    Grpc(rpc::Answer),
    /// Of plain HTTP.
    Plain(Pin<Box<dyn Future<Output = Response<ClientBody>> + Send>>),
}

impl Future for Answering {
    type Output = Result<Response<ClientBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Grpc(answer) => {
                answer.as_mut().poll(context).map_ok(|answer| answer.map(ClientBody::Grpc))
            }
            Self::Plain(answer) => answer.as_mut().poll(context).map(Ok),
        }
    }
}

/// The answer to a request for the side that a listener has not.
fn nobody() -> Response<ClientBody> {
    let mut answer = Response::new(ClientBody::Whole(Full::default()));
    *answer.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    answer
}

/// The body of an answer of either side.
pub enum ClientBody {
    /// Of gRPC.
    Grpc(GrpcBody),
    /// Of plain HTTP.
    Whole(Full<Bytes>),
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Grpc(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|error| match error {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Grpc(body) => body.is_end_stream(),
            Self::Whole(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Grpc(body) => body.size_hint(),
            Self::Whole(body) => body.size_hint(),
        }
    }
}
