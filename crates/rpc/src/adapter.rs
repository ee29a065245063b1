//! What all adapters share: the service behind them and the shape of a unary call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Response, Status};

use crate::calls::Calls;
use crate::traffic::Traffic;

/// A unary method's answer to come.
pub(crate) type Answer<'a, T> =
    Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// A gRPC service over the API.
#[derive(Debug)]
pub(crate) struct Adapter<S> {
    pub(crate) service: Arc<S>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) traffic: Arc<Traffic>,
    /// From when on a call is slow.
    pub(crate) slow: Duration,
}

impl<S> Clone for Adapter<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            calls: Arc::clone(&self.calls),
            traffic: Arc::clone(&self.traffic),
            slow: self.slow,
        }
    }
}

/// Asks the API's method of this name; counts the call, and tells of it if it is slow.
macro_rules! ask {
    ($adapter:expr, $name:ident, $caller:expr, $remote:expr, $message:expr) => {{
        let mut call = $adapter.calls.$name.begin();
        call.received();
        let message = $message;
        let stats = crate::stats::Stats::begin(&message, $remote, $adapter.slow);
        match $adapter.service.$name(&$caller, message).await {
            Ok(reply) => {
                call.sent();
                call.succeeded();
                stats.end(|| call.path(), Some(&reply));
                Ok(reply)
            }
            Err(error) => {
                stats.fail(|| call.path());
                Err(call.failed(error))
            }
        }
    }};
}

/// Unary methods of a tonic service trait, each handed to the API's method of the same name.
///
/// Written in the form that `async_trait` gives an `async fn`, since it does not look into macros.
macro_rules! unary {
    ($( $name:ident($request:ty) -> $reply:ty; )*) => {
        $(
            fn $name<'life0, 'async_trait>(
                &'life0 self,
                request: tonic::Request<$request>,
            ) -> crate::adapter::Answer<'async_trait, $reply>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async move {
                    let caller = crate::metadata::caller(request.metadata().as_ref());
                    let remote = request.extensions().get::<api::Remote>().cloned();
                    let reply: Result<$reply, _> =
                        crate::adapter::ask!(self, $name, caller, remote, request.into_inner());
                    reply.map(tonic::Response::new)
                })
            }
        )*
    };
}

pub(crate) use {ask, unary};
