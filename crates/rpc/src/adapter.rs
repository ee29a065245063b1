//! What all adapters share: the service behind them and the shape of a unary call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tonic::{Response, Status};

/// A unary method's answer to come.
pub(crate) type Answer<'a, T> =
    Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// A gRPC service over the API.
#[derive(Debug)]
pub(crate) struct Adapter<S>(pub(crate) Arc<S>);

impl<S> Clone for Adapter<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
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
                    let caller = crate::metadata::caller(request.metadata());
                    match self.0.$name(&caller, request.into_inner()).await {
                        Ok(reply) => Ok(tonic::Response::new(reply)),
                        Err(error) => Err(crate::status::status(error)),
                    }
                })
            }
        )*
    };
}

pub(crate) use unary;
