//! `Maintenance.Downgrade`: whether the cluster may go one version down, that it does, and that it
//! does not any more (etcd `server/etcdserver/version/version.go`).

use membership::versions;
use proto::error::Error as Known;
use proto::etcdserverpb::downgrade_request::DowngradeAction;
use proto::etcdserverpb::{self as pb, InternalRaftRequest};
use proto::membershippb::DowngradeInfoSetRequest;
use proto::version::Version;

use crate::Error;
use crate::server::Server;
use crate::server::admit::Admitted;

pub(crate) async fn downgrade(
    server: &Server,
    who: &Admitted,
    request: pb::DowngradeRequest,
) -> Result<pb::DowngradeResponse, Error> {
    match DowngradeAction::try_from(request.action) {
        Ok(DowngradeAction::Validate) => _ = validate(server, &request.version).await?,
        Ok(DowngradeAction::Enable) => {
            let begun = enable(server, who, &request.version).await;
            begun.inspect_err(|error| tracing::warn!(%error, "reject downgrade request"))?;
        }
        Ok(DowngradeAction::Cancel) => {
            // As in Go, the caller is not told that there was nothing to cancel.
            if let Err(error) = cancel(server, who).await {
                tracing::warn!(%error, "failed to cancel downgrade");
            }
        }
        Err(_) => return Err(Known::UnknownMethod.into()),
    }
    let version = server.node.view().cluster.version();
    let version = version.map_or_else(String::new, |v| format!("{}.{}", v.major, v.minor));
    Ok(pb::DowngradeResponse { header: server.header_now(), version })
}

/// The version asked for, if the cluster may go there now.
async fn validate(server: &Server, target: &str) -> Result<Version, Error> {
    let target = versions::parse_target(target)?;
    server.node.linearize().await?;
    let cluster = server.node.view().cluster.clone();
    versions::validate_downgrade(cluster.version(), target, &cluster.downgrade())?;
    Ok(target)
}

async fn enable(server: &Server, who: &Admitted, target: &str) -> Result<(), Error> {
    let target = validate(server, target).await?;
    set(server, who, DowngradeInfoSetRequest { enabled: true, ver: target.to_string() }).await
}

async fn cancel(server: &Server, who: &Admitted) -> Result<(), Error> {
    server.node.linearize().await?;
    if !server.node.view().cluster.downgrade().is_enabled {
        return Err(Known::NoInflightDowngrade.into());
    }
    set(server, who, DowngradeInfoSetRequest { enabled: false, ver: String::new() }).await
}

async fn set(server: &Server, who: &Admitted, info: DowngradeInfoSetRequest) -> Result<(), Error> {
    let request =
        InternalRaftRequest { downgrade_info_set: Some(info), ..InternalRaftRequest::default() };
    server.propose(who, request).await.map(|_| ())
}
