//! One port's requests: gRPC to the one side, plain HTTP to the other.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use api::Service;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use httpd::Endpoints;
use hyper::body::Incoming;
use rpc::{Grpc, GrpcBody};

/// Sends each request to the side that it is for. A listener may have one side alone.
pub struct ClientService<S: Service> {
    grpc: Option<Grpc<S>>,
    endpoints: Option<Endpoints<S>>,
}

impl<S: Service> ClientService<S> {
    /// The sides of a listener.
    pub const fn new(grpc: Option<Grpc<S>>, endpoints: Option<Endpoints<S>>) -> Self {
        Self { grpc, endpoints }
    }
}

impl<S: Service> Clone for ClientService<S> {
    fn clone(&self) -> Self {
        Self { grpc: self.grpc.clone(), endpoints: self.endpoints.clone() }
    }
}

impl<S: Service> hyper::service::Service<Request<Incoming>> for ClientService<S> {
    type Response = Response<ClientBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if rpc::is_grpc(&request)
            && let Some(grpc) = &self.grpc
        {
            let answer = grpc.clone().call(request);
            return Box::pin(async move { Ok(answer.await?.map(ClientBody::Grpc)) });
        }
        let Some(endpoints) = self.endpoints.clone() else {
            return Box::pin(std::future::ready(Ok(nobody())));
        };
        let (parts, _) = request.into_parts();
        Box::pin(async move { Ok(endpoints.call(&parts).await.map(ClientBody::Whole)) })
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
