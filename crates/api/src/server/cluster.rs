//! `etcdserverpb.Cluster`. Headers have no revision here.

use env::{Clock, RealClock};
use membership::{Attributes, Change, Member, Url, ids};
use proto::error::Error as Known;
use proto::etcdserverpb as pb;
use types::MemberId;

use crate::Error;
use crate::server::Server;
use crate::server::admit::Admitted;

pub(crate) async fn list(
    server: &Server,
    _: &Admitted,
    request: pb::MemberListRequest,
) -> Result<pb::MemberListResponse, Error> {
    if request.linearizable {
        server.node.linearize().await?;
    }
    let members = server.node.view().cluster.members().map(to_wire).collect();
    Ok(pb::MemberListResponse { header: Some(server.bare_header()), members })
}

pub(crate) async fn add(
    server: &Server,
    _: &Admitted,
    request: pb::MemberAddRequest,
) -> Result<pb::MemberAddResponse, Error> {
    let urls = Url::parse_all(&request.peer_urls).map_err(|_| Known::MemberBadUrls)?;
    let added = Member {
        id: ids::added_member_id(&urls, RealClock::new().wall()),
        peer_urls: urls.iter().map(Url::to_string).collect(),
        is_learner: request.is_learner,
        attributes: Attributes::default(),
    };
    let members = change(server, Change::Add(added.clone())).await?;
    let header = Some(server.bare_header());
    Ok(pb::MemberAddResponse { header, member: Some(to_wire(&added)), members })
}

pub(crate) async fn remove(
    server: &Server,
    _: &Admitted,
    request: pb::MemberRemoveRequest,
) -> Result<pb::MemberRemoveResponse, Error> {
    let members = change(server, Change::Remove(MemberId(request.id))).await?;
    Ok(pb::MemberRemoveResponse { header: Some(server.bare_header()), members })
}

pub(crate) async fn update(
    server: &Server,
    _: &Admitted,
    request: pb::MemberUpdateRequest,
) -> Result<pb::MemberUpdateResponse, Error> {
    // Go proposes whatever it is given, and every member dies of what is no URL.
    if Url::parse_all(&request.peer_urls).is_err() {
        let known =
            server.node.view().cluster.members().any(|member| member.id.get() == request.id);
        let error = if known { Known::MemberBadUrls } else { Known::MemberNotFound };
        return Err(error.into());
    }
    let update = Change::Update { id: MemberId(request.id), peer_urls: request.peer_urls };
    let members = change(server, update).await?;
    Ok(pb::MemberUpdateResponse { header: Some(server.bare_header()), members })
}

pub(crate) async fn promote(
    server: &Server,
    who: &Admitted,
    request: pb::MemberPromoteRequest,
) -> Result<pb::MemberPromoteResponse, Error> {
    let token = who.caller.token.clone();
    let members = server.node.promote_member(MemberId(request.id), token).await?;
    let members = members.iter().map(to_wire).collect();
    Ok(pb::MemberPromoteResponse { header: Some(server.bare_header()), members })
}

async fn change(server: &Server, change: Change) -> Result<Vec<pb::Member>, Error> {
    let members = server.node.change_members(change).await?;
    Ok(members.iter().map(to_wire).collect())
}

fn to_wire(member: &Member) -> pb::Member {
    pb::Member {
        id: member.id.get(),
        name: member.attributes.name.clone(),
        peer_urls: member.peer_urls.clone(),
        client_urls: member.attributes.client_urls.clone(),
        is_learner: member.is_learner,
    }
}
