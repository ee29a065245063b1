//! `defrag`.

use crate::say::say;
use client::Safety;
use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::etcdserverpb::DefragmentRequest;
use std::time::Instant;

use super::endpoint::{CLUSTER, endpoints, took};
use crate::cli::Spec;
use crate::context::{Context, write_out};
use crate::failure::{ERROR, Failure};

/// What the command takes.
pub fn spec() -> Spec {
    Spec {
        name: "defrag",
        summary: "Gives the free space in members' files back to the system",
        flags: vec![CLUSTER],
        ..Spec::default()
    }
}

/// Runs it, for one endpoint after the other.
///
/// # Errors
/// If one of them failed; the others are done all the same.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let mut failed = false;
    for endpoint in endpoints(context).await? {
        let client = context.client_of(vec![endpoint.clone()]).await?;
        let start = Instant::now();
        let send = |channel| async move {
            MaintenanceClient::new(channel).defragment(DefragmentRequest {}).await
        };
        let outcome = context.timed(client.call(Safety::Write, send)).await;
        let took = took(start.elapsed());
        match outcome {
            Ok(_) => {
                let line = format!("Finished defragmenting etcd member[{endpoint}]. took {took}\n");
                write_out(line.as_bytes())?;
            }
            Err(error) => {
                failed = true;
                say!("Failed to defragment etcd member[{endpoint}]. took {took}. ({error})");
            }
        }
    }
    if failed { Err(Failure::silent(ERROR)) } else { Ok(()) }
}
