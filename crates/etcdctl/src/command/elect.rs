//! `elect`.

use client::{Client, Leadership, Observer, SESSION_TTL, Safety, Session};
use proto::etcdserverpb::RangeRequest;
use std::sync::Arc;

use super::signal;
use crate::cli::{Flag, Spec, bool_flag};
use crate::context::Context;
use crate::failure::{ERROR, Failure};

/// What the command takes.
pub fn spec() -> Spec {
    let listen = Flag { short: Some('l'), ..bool_flag("listen", "only show who leads") };
    Spec {
        name: "elect",
        arguments: "<election-name> [proposal]",
        summary: "Takes part in an election, or shows who leads",
        flags: vec![listen],
        ..Spec::default()
    }
}

/// Runs it until SIGINT or SIGTERM.
///
/// # Errors
/// Wrong arguments; a lost session; what the server answers.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let listen = context.arguments.is_set("listen");
    match (context.count(), listen) {
        (1, true) => observe(context, context.client().await?).await,
        (1, false) => Err(Failure::arguments("no proposal argument but -l not set")),
        (2, true) => Err(Failure::arguments("proposal given but -l is set")),
        (2, false) => campaign(context, context.client().await?).await,
        _ => {
            let message =
                "elect takes one election name argument and an optional proposal argument";
            Err(Failure::arguments(message))
        }
    }
}

async fn observe(context: &Context, client: Arc<Client>) -> Result<(), Failure> {
    let mut observer = Observer::new(client, &context.positional(0));
    let ended = signal::ended();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            leader = observer.next() => match leader {
                Ok(leader) => context.print(&leader)?,
                Err(_) => return Err(Failure::new(ERROR, "elect: observer lost")),
            },
            code = &mut ended => return code.map(drop),
        }
    }
}

async fn campaign(context: &Context, client: Arc<Client>) -> Result<(), Failure> {
    let session = Session::new(client.clone(), SESSION_TTL).await?;
    let (name, value) = (context.positional(0), context.positional(1));
    let elected = tokio::select! {
        elected = Leadership::campaign(&session, &name, &value) => Some(elected?),
        code = signal::ended() => code.map(|_| None)?,
    };
    let Some(leadership) = elected else {
        // The candidacy goes with the lease.
        session.close().await?;
        return Err(Failure::new(ERROR, "context canceled"));
    };
    let request = RangeRequest { key: leadership.key().clone(), ..RangeRequest::default() };
    let send = |channel| {
        let (mut kv, request) = (context.kv(channel), request.clone());
        async move { kv.range(request).await }
    };
    context.print(&client.call(Safety::Read, send).await?)?;
    tokio::select! {
        code = signal::ended() => { code?; }
        () = session.lost() => return Err(Failure::new(ERROR, "elect: session expired")),
    }
    leadership.resign().await?;
    Ok(())
}
