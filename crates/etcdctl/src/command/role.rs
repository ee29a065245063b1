//! `role add`, `delete`, `get`, `list`, `grant-permission` and `revoke-permission`.

use bytes::Bytes;
use client::grpc::etcdserverpb::auth_client::AuthClient;
use client::{Channel, Client, Safety, end_of_prefix};
use proto::authpb::Permission;
use proto::authpb::permission::Type;
use proto::etcdserverpb::{
    AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGetRequest, AuthRoleGrantPermissionRequest,
    AuthRoleListRequest, AuthRoleRevokePermissionRequest,
};
use std::future::Future;
use tonic::{Response, Status};

use crate::cli::{Spec, bool_flag};
use crate::context::Context;
use crate::failure::Failure;
use crate::print::{RoleGranted, RoleInfo, RolePlain, RoleRevoked};

/// What the commands take.
pub fn spec() -> Spec {
    let command = |name, arguments, summary| Spec { name, arguments, summary, ..Spec::default() };
    let ranges = vec![
        bool_flag("prefix", "all keys that begin with the key"),
        bool_flag("from-key", "all keys from the key on, in byte order"),
    ];
    Spec {
        name: "role",
        summary: "Works with roles and what they permit",
        commands: vec![
            command("add", "<role name>", "Adds a role"),
            command("delete", "<role name>", "Deletes a role"),
            command("get", "<role name>", "Shows what a role permits"),
            Spec {
                flags: ranges.clone(),
                ..command(
                    "grant-permission",
                    "[options] <role name> <permission type> <key> [endkey]",
                    "Lets a role read or write keys",
                )
            },
            command("list", "", "Shows all roles"),
            Spec {
                flags: ranges,
                ..command(
                    "revoke-permission",
                    "<role name> <key> [endkey]",
                    "Takes a permission from a role",
                )
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
        "add" => add(context).await,
        "delete" => delete(context).await,
        "get" => get(context).await,
        "list" => list(context).await,
        "grant-permission" => grant(context).await,
        _ => revoke(context).await,
    }
}

async fn send<T, F, Pending>(client: &Client, safety: Safety, mut call: F) -> Result<T, Failure>
where
    F: FnMut(AuthClient<Channel>) -> Pending,
    Pending: Future<Output = Result<Response<T>, Status>>,
{
    Ok(client.call(safety, |channel| call(AuthClient::new(channel))).await?)
}

fn name_of(context: &Context, which: &str) -> Result<String, Failure> {
    if context.count() != 1 {
        let message = format!("role {which} command requires role name as its argument");
        return Err(Failure::arguments(message));
    }
    Ok(context.arguments.argument(0))
}

async fn add(context: &Context) -> Result<(), Failure> {
    let name = name_of(context, "add")?;
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = AuthRoleAddRequest { name: name.clone() };
        async move { auth.role_add(request).await }
    });
    let header = response.await?.header;
    context.print(&RolePlain { text: format!("Role {name} created"), header })
}

async fn delete(context: &Context) -> Result<(), Failure> {
    let role = name_of(context, "delete")?;
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = AuthRoleDeleteRequest { role: role.clone() };
        async move { auth.role_delete(request).await }
    });
    let header = response.await?.header;
    context.print(&RolePlain { text: format!("Role {role} deleted"), header })
}

async fn get(context: &Context) -> Result<(), Failure> {
    let role = name_of(context, "get")?;
    let client = context.client().await?;
    let response = send(&client, Safety::Read, |mut auth| {
        let request = AuthRoleGetRequest { role: role.clone() };
        async move { auth.role_get(request).await }
    });
    let response = response.await?;
    context.print(&RoleInfo { role, response })
}

async fn list(context: &Context) -> Result<(), Failure> {
    if context.count() != 0 {
        return Err(Failure::arguments("role list command requires no arguments"));
    }
    let client = context.client().await?;
    let response = send(&client, Safety::Read, |mut auth| async move {
        auth.role_list(AuthRoleListRequest {}).await
    });
    context.print(&response.await?)
}

async fn grant(context: &Context) -> Result<(), Failure> {
    if context.count() < 3 {
        let message = "role grant command requires role name, permission type, and key [endkey] as \
                       its argument";
        return Err(Failure::arguments(message));
    }
    let perm_type = match context.arguments.argument(1).to_uppercase().as_str() {
        "READ" => Type::Read,
        "WRITE" => Type::Write,
        "READWRITE" => Type::Readwrite,
        _ => {
            let given = context.arguments.argument(1);
            return Err(Failure::arguments(format_args!("invalid permission type: {given}")));
        }
    };
    let (key, range_end) = key_range(context, &context.arguments.positional[2..])?;
    let name = context.arguments.argument(0);
    let perm = Permission { perm_type: perm_type.into(), key, range_end };
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let perm = Some(perm.clone());
        let request = AuthRoleGrantPermissionRequest { name: name.clone(), perm };
        async move { auth.role_grant_permission(request).await }
    });
    let header = response.await?.header;
    context.print(&RoleGranted { text: format!("Role {name} updated"), header })
}

async fn revoke(context: &Context) -> Result<(), Failure> {
    if context.count() < 2 {
        let message = "role revoke-permission command requires role name and key [endkey] as its \
                       argument";
        return Err(Failure::arguments(message));
    }
    let (key, range_end) = key_range(context, &context.arguments.positional[1..])?;
    let role = context.arguments.argument(0);
    let request = AuthRoleRevokePermissionRequest { role, key, range_end };
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = request.clone();
        async move { auth.role_revoke_permission(request).await }
    });
    let header = response.await?.header;
    let key = context.positional(1);
    context.print(&RoleRevoked { role: request.role, key, end: request.range_end, header })
}

/// The keys that a permission is about. No key at all is written as one zero byte.
fn key_range(context: &Context, given: &[Bytes]) -> Result<(Bytes, Bytes), Failure> {
    let zero = Bytes::from_static(b"\0");
    let (prefix, from_key) =
        (context.arguments.is_set("prefix"), context.arguments.is_set("from-key"));
    let key = given[0].clone();
    if prefix && from_key && (key.is_empty() || given.len() == 1) {
        return Err(Failure::arguments("--from-key and --prefix flags are mutually exclusive"));
    }
    if key.is_empty() {
        let end = if prefix || from_key { zero.clone() } else { Bytes::new() };
        return Ok((zero, end));
    }
    match given.get(1) {
        Some(_) if prefix => {
            Err(Failure::arguments("unexpected endkey argument with --prefix flag"))
        }
        Some(_) if from_key => {
            Err(Failure::arguments("unexpected endkey argument with --from-key flag"))
        }
        Some(end) => Ok((key, end.clone())),
        None if prefix => Ok((key.clone(), end_of_prefix(&key))),
        None if from_key => Ok((key, zero)),
        None => Ok((key, Bytes::new())),
    }
}
