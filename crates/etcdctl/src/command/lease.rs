//! `lease grant`, `revoke`, `timetolive`, `list` and `keep-alive`.

use client::grpc::etcdserverpb::lease_client::LeaseClient;
use client::{KeepAlive, Safety};
use proto::error::Error as Known;
use proto::etcdserverpb::{
    LeaseGrantRequest, LeaseLeasesRequest, LeaseRevokeRequest, LeaseTimeToLiveRequest,
};
use types::LeaseId;

use crate::cli::{Format, Spec, bool_flag, parse_int};
use crate::context::{Context, write_out};
use crate::failure::{BAD_CONNECTION, ERROR, Failure};
use crate::print::{Revoked, TimeToLive};

/// What the commands take.
pub fn spec() -> Spec {
    let command = |name, arguments, summary| Spec { name, arguments, summary, ..Spec::default() };
    Spec {
        name: "lease",
        summary: "Works with leases",
        commands: vec![
            command("grant", "<ttl>", "Makes a lease that lives for so many seconds"),
            Spec {
                flags: vec![bool_flag("once", "renew one time and end")],
                ..command("keep-alive", "[options] <leaseID>", "Renews a lease again and again")
            },
            command("list", "", "Shows all leases"),
            command("revoke", "<leaseID>", "Ends a lease and deletes its keys"),
            Spec {
                flags: vec![bool_flag("keys", "show the keys of the lease")],
                ..command("timetolive", "<leaseID> [options]", "Shows how long a lease has left")
            },
        ],
        ..Spec::default()
    }
}

/// Runs one of them.
///
/// # Errors
/// Wrong arguments; what the server answers.
pub async fn run(context: &Context, which: &str) -> Result<(), Failure> {
    match which {
        "grant" => grant(context).await,
        "revoke" => revoke(context).await,
        "timetolive" => time_to_live(context).await,
        "list" => list(context).await,
        _ => keep_alive(context).await,
    }
}

async fn grant(context: &Context) -> Result<(), Failure> {
    if context.count() != 1 {
        return Err(Failure::arguments("lease grant command needs TTL argument"));
    }
    let ttl = parse_int(&context.arguments.argument(0), 10)
        .map_err(|why| Failure::arguments(format_args!("bad TTL ({why})")))?;
    let client = context.client().await?;
    let send = |channel| async move {
        LeaseClient::new(channel).lease_grant(LeaseGrantRequest { ttl, id: 0 }).await
    };
    let response = context.timed(client.call(Safety::Write, send)).await;
    let failed = |error| Failure::new(ERROR, format_args!("failed to grant lease ({error})"));
    context.print(&response.map_err(failed)?)
}

async fn revoke(context: &Context) -> Result<(), Failure> {
    let id = lease_of(context, "lease revoke command needs 1 argument")?;
    let client = context.client().await?;
    let send = |channel| async move {
        LeaseClient::new(channel).lease_revoke(LeaseRevokeRequest { id }).await
    };
    let response = context.timed(client.call(Safety::Write, send)).await;
    let failed = |error| Failure::new(ERROR, format_args!("failed to revoke lease ({error})"));
    context.print(&Revoked { id, response: response.map_err(failed)? })
}

async fn time_to_live(context: &Context) -> Result<(), Failure> {
    let id = lease_of(context, "lease timetolive command needs lease ID as argument")?;
    let with_keys = context.arguments.is_set("keys");
    let client = context.client().await?;
    let send = |channel| async move {
        let request = LeaseTimeToLiveRequest { id, keys: with_keys };
        LeaseClient::new(channel)
            .max_decoding_message_size(usize::MAX)
            .lease_time_to_live(request)
            .await
    };
    let response = context.timed(client.call(Safety::Read, send)).await;
    let response = response.map_err(|error| Failure::new(BAD_CONNECTION, error))?;
    context.print(&TimeToLive { response, with_keys })
}

async fn list(context: &Context) -> Result<(), Failure> {
    let client = context.client().await?;
    let send = |channel| async move {
        LeaseClient::new(channel)
            .max_decoding_message_size(usize::MAX)
            .lease_leases(LeaseLeasesRequest {})
            .await
    };
    let response = context.timed(client.call(Safety::Read, send)).await;
    context.print(&response.map_err(|error| Failure::new(BAD_CONNECTION, error))?)
}

async fn keep_alive(context: &Context) -> Result<(), Failure> {
    let id = lease_of(context, "lease keep-alive command needs lease ID as argument")?;
    let client = context.client().await?;
    let mut keep_alive = KeepAlive::new(client, LeaseId(id));
    let failed = |error| Failure::new(BAD_CONNECTION, error);
    if context.arguments.is_set("once") {
        return match context.timed(keep_alive.next()).await.map_err(failed)? {
            Some(response) => context.print(&response),
            None => Err(Failure::new(BAD_CONNECTION, Known::LeaseNotFound)),
        };
    }
    while let Some(response) = keep_alive.next().await.map_err(failed)? {
        context.print(&response)?;
    }
    if context.globals.format == Some(Format::Simple) {
        write_out(format!("lease {id:016x} expired or revoked.\n").as_bytes())?;
    }
    Ok(())
}

/// The only argument, a lease.
fn lease_of(context: &Context, otherwise: &str) -> Result<i64, Failure> {
    if context.count() != 1 {
        return Err(Failure::arguments(otherwise));
    }
    parse_int(&context.arguments.argument(0), 16).map_err(|why| {
        Failure::arguments(format_args!("bad lease ID arg ({why}), expecting ID in Hex"))
    })
}
