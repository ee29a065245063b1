//! Locks and elections, with the caller's own rights.

use proto::{v3electionpb as epb, v3lockpb as lpb};

use crate::concurrency;
use crate::server::Server;
use crate::server::admit::Admitted;
use crate::{Error, Replies};

macro_rules! recipe {
    ($( $name:ident($request:ty) -> $reply:ty; )*) => {
        $(
            pub(crate) async fn $name(
                server: &Server,
                who: &Admitted,
                request: $request,
            ) -> Result<$reply, Error> {
                // The recipe calls the API again, which would make this future contain itself.
                Box::pin(concurrency::$name(server, &who.caller, request)).await
            }
        )*
    };
}

recipe! {
    lock(lpb::LockRequest) -> lpb::LockResponse;
    unlock(lpb::UnlockRequest) -> lpb::UnlockResponse;
    campaign(epb::CampaignRequest) -> epb::CampaignResponse;
    proclaim(epb::ProclaimRequest) -> epb::ProclaimResponse;
    leader(epb::LeaderRequest) -> epb::LeaderResponse;
    observe(epb::LeaderRequest) -> Replies<epb::LeaderResponse>;
    resign(epb::ResignRequest) -> epb::ResignResponse;
}
