//! `member list`, `add`, `remove`, `update` and `promote`.

use client::Safety;
use client::grpc::etcdserverpb::cluster_client::ClusterClient;
use proto::etcdserverpb::{
    MemberAddRequest, MemberAddResponse, MemberListRequest, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest,
};

use super::get::serializable;
use crate::cli::{Format, Spec, bool_flag, parse_uint, text_flag};
use crate::context::{Context, write_out};
use crate::failure::Failure;
use crate::print::{Added, Changed};
use crate::quote::quote;

/// What the commands take.
pub fn spec() -> Spec {
    let command = |name, arguments, summary| Spec { name, arguments, summary, ..Spec::default() };
    let peer_urls = text_flag("peer-urls", "", "where other members reach it, with commas between");
    let learner = bool_flag("learner", "it only learns, and has no vote");
    let consistency =
        text_flag("consistency", "l", "l: linearizable; s: serializable, from one member");
    Spec {
        name: "member",
        summary: "Shows and changes the members of the cluster",
        commands: vec![
            Spec {
                flags: vec![peer_urls, learner],
                ..command("add", "<memberName> [options]", "Adds a member")
            },
            Spec {
                flags: vec![consistency],
                details: "Shows all members. In the format simple a line holds: ID, status, name, \
                          peer addresses, client addresses, is learner.",
                ..command("list", "", "Shows all members")
            },
            command("promote", "<memberID>", "Gives a learner a vote"),
            command("remove", "<memberID>", "Removes a member"),
            Spec {
                flags: vec![peer_urls],
                ..command("update", "<memberID> [options]", "Changes a member's peer addresses")
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
        "list" => list(context).await,
        "add" => add(context).await,
        "remove" => remove(context).await,
        "update" => update(context).await,
        _ => promote(context).await,
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let linearizable = !serializable(&context.arguments.text("consistency"))?;
    let client = context.client().await?;
    let send = |channel| async move {
        ClusterClient::new(channel).member_list(MemberListRequest { linearizable }).await
    };
    context.print(&context.timed(client.call(Safety::Read, send)).await?)
}

async fn add(context: &Context) -> Result<(), Failure> {
    let arguments = &context.arguments;
    if context.count() == 0 {
        return Err(Failure::arguments("member name not provided"));
    }
    if context.count() > 1 {
        let mut message = "too many arguments".to_owned();
        for url in (0..context.count()).map(|at| arguments.argument(at)) {
            if url.to_lowercase().starts_with("http") {
                message.push_str(&format!(", did you mean --peer-urls={url}"));
            }
        }
        return Err(Failure::arguments(message));
    }
    let peer_urls = peer_urls(context)?;
    let request = MemberAddRequest { peer_urls, is_learner: arguments.is_set("learner") };
    let client = context.client().await?;
    let send = |channel| {
        let request = request.clone();
        async move { ClusterClient::new(channel).member_add(request).await }
    };
    let response = context.timed(client.call(Safety::Write, send)).await?;
    context.print(&Added(&response))?;
    if context.globals.format == Some(Format::Simple) {
        let (name, urls) = (arguments.argument(0), arguments.text("peer-urls"));
        write_out(instructions(&response, &name, &urls).as_bytes())?;
    }
    Ok(())
}

/// What the new member has to be started with.
fn instructions(response: &MemberAddResponse, name: &str, urls: &str) -> String {
    let id = response.member.as_ref().map_or(0, |member| member.id);
    let cluster = response.members.iter().flat_map(|member| {
        let name = if member.id == id { name } else { &member.name };
        member.peer_urls.iter().map(move |url| format!("{name}={url}"))
    });
    let cluster = cluster.collect::<Vec<_>>().join(",");
    format!(
        "\nETCD_NAME={}\nETCD_INITIAL_CLUSTER={}\nETCD_INITIAL_ADVERTISE_PEER_URLS={}\n\
         ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n",
        quote(name.as_bytes()),
        quote(cluster.as_bytes()),
        quote(urls.as_bytes())
    )
}

async fn remove(context: &Context) -> Result<(), Failure> {
    let id = member_of(context)?;
    let client = context.client().await?;
    let send = |channel| async move {
        ClusterClient::new(channel).member_remove(MemberRemoveRequest { id }).await
    };
    let response = context.timed(client.call(Safety::Write, send)).await?;
    let (header, members) = (response.header, response.members);
    context.print(&Changed { id, what: "removed from", header, members })
}

async fn update(context: &Context) -> Result<(), Failure> {
    let id = member_of(context)?;
    let request = MemberUpdateRequest { id, peer_urls: peer_urls(context)? };
    let client = context.client().await?;
    let send = |channel| {
        let request = request.clone();
        async move { ClusterClient::new(channel).member_update(request).await }
    };
    let response = context.timed(client.call(Safety::Write, send)).await?;
    let (header, members) = (response.header, response.members);
    context.print(&Changed { id, what: "updated in", header, members })
}

async fn promote(context: &Context) -> Result<(), Failure> {
    let id = member_of(context)?;
    let client = context.client().await?;
    let send = |channel| async move {
        ClusterClient::new(channel).member_promote(MemberPromoteRequest { id }).await
    };
    let response = context.timed(client.call(Safety::Write, send)).await?;
    let (header, members) = (response.header, response.members);
    context.print(&Changed { id, what: "promoted in", header, members })
}

/// The only argument, a member.
fn member_of(context: &Context) -> Result<u64, Failure> {
    if context.count() != 1 {
        return Err(Failure::arguments("member ID is not provided"));
    }
    parse_uint(&context.arguments.argument(0), 16).map_err(|why| {
        Failure::arguments(format_args!("bad member ID arg ({why}), expecting ID in Hex"))
    })
}

fn peer_urls(context: &Context) -> Result<Vec<String>, Failure> {
    let urls = context.arguments.text("peer-urls");
    if urls.is_empty() {
        return Err(Failure::arguments("member peer urls not provided"));
    }
    Ok(urls.split(',').map(str::to_owned).collect())
}
