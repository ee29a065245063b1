//! The client that looks after users and roles, and turns authentication on and off.
//!
//! What the other clients may do stays the same: everything, once they have logged in.

use std::time::Duration;

use auth::password::{self, Cost};
use bytes::Bytes;
use env::Rng as _;
use proto::authpb::{Permission, UserAddOptions};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::InternalRaftRequest;

use crate::clients::login::{APP, PASSWORD, ROOT};
use crate::clients::session::Session;

/// Between two changes, at most.
const PAUSE: Duration = Duration::from_secs(6);
/// A user and a role that nobody uses.
const GUEST: &str = "guest";

pub(super) async fn run(mut session: Session) {
    for request in beginning(&mut session) {
        while session.propose(request.clone()).await.is_none() {
            if session.record.has_ended() {
                return;
            }
            session.pause(Duration::from_millis(300)).await;
        }
    }
    while !session.record.has_ended() {
        let request = change(&mut session);
        // Whether it comes at the right time is chance.
        session.propose(request).await;
        session.wander();
        session.pause(PAUSE).await;
    }
}

/// What makes the two users that log in.
fn beginning(session: &mut Session) -> Vec<InternalRaftRequest> {
    vec![
        user(session, ROOT),
        role(ROOT),
        grant(ROOT, ROOT),
        user(session, APP),
        role(APP),
        permission(APP, b"\0", b"\0"),
        grant(APP, APP),
    ]
}

fn change(session: &mut Session) -> InternalRaftRequest {
    let nothing = InternalRaftRequest::default();
    match session.rng.below(12) {
        0..3 => {
            let enable = Some(pb::AuthEnableRequest {});
            InternalRaftRequest { auth_enable: enable, ..nothing }
        }
        3 => {
            let disable = Some(pb::AuthDisableRequest {});
            InternalRaftRequest { auth_disable: disable, ..nothing }
        }
        4 => {
            let hashed_password = hashed(session);
            let name = APP.to_owned();
            let change = pb::AuthUserChangePasswordRequest {
                name,
                hashed_password,
                ..pb::AuthUserChangePasswordRequest::default()
            };
            InternalRaftRequest { auth_user_change_password: Some(change), ..nothing }
        }
        5 => user(session, GUEST),
        6 => role(GUEST),
        7 => grant(GUEST, GUEST),
        8 => {
            let (user, role) = (GUEST.to_owned(), GUEST.to_owned());
            let delete = pb::AuthRoleDeleteRequest { role };
            if session.rng.below(2) == 0 {
                InternalRaftRequest { auth_role_delete: Some(delete), ..nothing }
            } else {
                let delete = pb::AuthUserDeleteRequest { name: user };
                InternalRaftRequest { auth_user_delete: Some(delete), ..nothing }
            }
        }
        _ => {
            let key = format!("k/{:03}", session.rng.below(20));
            permission(GUEST, key.as_bytes(), b"k/010")
        }
    }
}

fn hashed(session: &mut Session) -> String {
    password::for_request(PASSWORD, Cost::MIN, &mut session.rng).expect("the password is short")
}

fn user(session: &mut Session, name: &str) -> InternalRaftRequest {
    let add = pb::AuthUserAddRequest {
        name: name.to_owned(),
        hashed_password: hashed(session),
        options: Some(UserAddOptions { no_password: false }),
        ..pb::AuthUserAddRequest::default()
    };
    InternalRaftRequest { auth_user_add: Some(add), ..InternalRaftRequest::default() }
}

fn role(name: &str) -> InternalRaftRequest {
    let add = pb::AuthRoleAddRequest { name: name.to_owned() };
    InternalRaftRequest { auth_role_add: Some(add), ..InternalRaftRequest::default() }
}

fn grant(user: &str, role: &str) -> InternalRaftRequest {
    let grant = pb::AuthUserGrantRoleRequest { user: user.to_owned(), role: role.to_owned() };
    InternalRaftRequest { auth_user_grant_role: Some(grant), ..InternalRaftRequest::default() }
}

fn permission(role: &str, key: &[u8], range_end: &[u8]) -> InternalRaftRequest {
    let perm = Permission {
        perm_type: proto::authpb::permission::Type::Readwrite.into(),
        key: Bytes::copy_from_slice(key),
        range_end: Bytes::copy_from_slice(range_end),
    };
    let grant = pb::AuthRoleGrantPermissionRequest { name: role.to_owned(), perm: Some(perm) };
    InternalRaftRequest {
        auth_role_grant_permission: Some(grant),
        ..InternalRaftRequest::default()
    }
}
