//! `v3lockpb.Lock`.

use api::Service;
use proto::v3lockpb as pb;

use crate::adapter::{Adapter, unary};
use crate::grpc::v3lockpb::lock_server::Lock;

#[tonic::async_trait]
impl<S: Service> Lock for Adapter<S> {
    unary! {
        lock(pb::LockRequest) -> pb::LockResponse;
        unlock(pb::UnlockRequest) -> pb::UnlockResponse;
    }
}
