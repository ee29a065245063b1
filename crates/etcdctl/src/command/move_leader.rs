//! `move-leader`.

use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use client::{Client, Safety};
use proto::etcdserverpb::{MoveLeaderRequest, MoveLeaderResponse, StatusRequest};

use crate::cli::{Spec, parse_uint};
use crate::context::Context;
use crate::failure::Failure;
use crate::print::LeaderMoved;

/// What the command takes.
pub fn spec() -> Spec {
    Spec {
        name: "move-leader",
        arguments: "<transferee-member-id>",
        summary: "Makes another member the leader",
        ..Spec::default()
    }
}

/// Runs it: the leader among the endpoints has to be found and asked.
///
/// # Errors
/// Wrong arguments; no leader among the endpoints; what the server answers.
pub async fn run(context: &Context) -> Result<(), Failure> {
    if context.count() != 1 {
        return Err(Failure::arguments("move-leader command needs 1 argument"));
    }
    let to = parse_uint(&context.arguments.argument(0), 16).map_err(Failure::arguments)?;
    for endpoint in &context.globals.endpoints {
        let client = context.client_of(vec![endpoint.clone()]).await?;
        let status = context
            .timed(client.call(Safety::Read, |channel| async move {
                MaintenanceClient::new(channel).status(StatusRequest {}).await
            }))
            .await?;
        let from = status.leader;
        if status.header.is_some_and(|header| header.member_id == from) {
            let response = context.timed(move_to(&client, to)).await?;
            return context.print(&LeaderMoved { from, to, response });
        }
    }
    let endpoints = context.globals.endpoints.join(" ");
    Err(Failure::arguments(format_args!("no leader endpoint given at [{endpoints}]")))
}

async fn move_to(client: &Client, target_id: u64) -> Result<MoveLeaderResponse, client::Error> {
    let send = |channel| async move {
        MaintenanceClient::new(channel).move_leader(MoveLeaderRequest { target_id }).await
    };
    client.call(Safety::Write, send).await
}
