//! `user add`, `delete`, `get`, `list`, `passwd`, `grant-role` and `revoke-role`.

use client::grpc::etcdserverpb::auth_client::AuthClient;
use client::{Channel, Client, Safety};
use proto::authpb::UserAddOptions;
use proto::etcdserverpb::{
    AuthRoleGetRequest, AuthUserAddRequest, AuthUserChangePasswordRequest, AuthUserDeleteRequest,
    AuthUserGetRequest, AuthUserGrantRoleRequest, AuthUserListRequest, AuthUserRevokeRoleRequest,
};
use std::future::Future;
use tonic::{Response, Status};

use super::password;
use crate::cli::{Flag, Spec, bool_flag, text_flag};
use crate::context::{Context, write_out};
use crate::failure::Failure;
use crate::print::{RoleInfo, UserPlain, UserRoles};

/// What the commands take.
pub fn spec() -> Spec {
    let command = |name, arguments, summary| Spec { name, arguments, summary, ..Spec::default() };
    let interactive = Flag {
        default: "true",
        ..bool_flag("interactive", "ask for the password; if false, take it from standard input")
    };
    Spec {
        name: "user",
        summary: "Works with users",
        commands: vec![
            Spec {
                flags: vec![
                    interactive,
                    text_flag("new-user-password", "", "the password"),
                    bool_flag("no-password", "the user has none, and proves itself otherwise"),
                ],
                ..command("add", "<user name or user:password> [options]", "Adds a user")
            },
            command("delete", "<user name>", "Deletes a user"),
            Spec {
                flags: vec![bool_flag("detail", "show what the user's roles permit")],
                ..command("get", "<user name> [options]", "Shows a user's roles")
            },
            command("grant-role", "<user name> <role name>", "Gives a user a role"),
            command("list", "", "Shows all users"),
            Spec {
                flags: vec![interactive],
                ..command("passwd", "<user name> [options]", "Changes a user's password")
            },
            command("revoke-role", "<user name> <role name>", "Takes a role from a user"),
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
        "passwd" => change_password(context).await,
        "grant-role" => grant_role(context).await,
        _ => revoke_role(context).await,
    }
}

/// A call for which Go's client has no time limit either: hashing a password takes its time.
async fn send<T, F, Pending>(client: &Client, safety: Safety, mut call: F) -> Result<T, Failure>
where
    F: FnMut(AuthClient<Channel>) -> Pending,
    Pending: Future<Output = Result<Response<T>, Status>>,
{
    Ok(client.call(safety, |channel| call(AuthClient::new(channel))).await?)
}

fn name_of(context: &Context, otherwise: &str) -> Result<String, Failure> {
    if context.count() != 1 {
        return Err(Failure::arguments(otherwise));
    }
    Ok(context.arguments.argument(0))
}

async fn add(context: &Context) -> Result<(), Failure> {
    let given = name_of(context, "user add command requires user name as its argument")?;
    let arguments = &context.arguments;
    let from_flag = arguments.text("new-user-password");
    let no_password = arguments.is_set("no-password");
    let (name, password) = match given.split_once(':') {
        _ if no_password => (given, String::new()),
        _ if !from_flag.is_empty() => (given, from_flag),
        Some(("", _)) => return Err(Failure::arguments("empty user name is not allowed")),
        Some((name, password)) => (name.to_owned(), password.to_owned()),
        None if arguments.is_set("interactive") => {
            let password = password::ask_new(&given)?;
            (given, password)
        }
        None => (given, password::read_word()),
    };
    let request = AuthUserAddRequest {
        name: name.clone(),
        password,
        options: Some(UserAddOptions { no_password }),
        ..AuthUserAddRequest::default()
    };
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = request.clone();
        async move { auth.user_add(request).await }
    });
    let text = format!("User {name} created");
    context.print(&UserPlain { text, header: response.await?.header })
}

async fn delete(context: &Context) -> Result<(), Failure> {
    let name = name_of(context, "user delete command requires user name as its argument")?;
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = AuthUserDeleteRequest { name: name.clone() };
        async move { auth.user_delete(request).await }
    });
    let header = response.await?.header;
    context.print(&UserPlain { text: format!("User {name} deleted"), header })
}

async fn get(context: &Context) -> Result<(), Failure> {
    let user = name_of(context, "user get command requires user name as its argument")?;
    let client = context.client().await?;
    let response = send(&client, Safety::Read, |mut auth| {
        let request = AuthUserGetRequest { name: user.clone() };
        async move { auth.user_get(request).await }
    });
    let response = response.await?;
    if !context.arguments.is_set("detail") {
        return context.print(&UserRoles { user, response });
    }
    write_out(format!("User: {user}\n").as_bytes())?;
    for role in response.roles {
        write_out(b"\n")?;
        let response = send(&client, Safety::Read, |mut auth| {
            let request = AuthRoleGetRequest { role: role.clone() };
            async move { auth.role_get(request).await }
        });
        let response = response.await?;
        context.print(&RoleInfo { role, response })?;
    }
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    if context.count() != 0 {
        return Err(Failure::arguments("user list command requires no arguments"));
    }
    let client = context.client().await?;
    let response = send(&client, Safety::Read, |mut auth| async move {
        auth.user_list(AuthUserListRequest {}).await
    });
    context.print(&response.await?)
}

async fn change_password(context: &Context) -> Result<(), Failure> {
    let name = name_of(context, "user passwd command requires user name as its argument")?;
    let password = if context.arguments.is_set("interactive") {
        password::ask_new(&name)?
    } else {
        password::read_word()
    };
    let request = AuthUserChangePasswordRequest {
        name,
        password,
        ..AuthUserChangePasswordRequest::default()
    };
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = request.clone();
        async move { auth.user_change_password(request).await }
    });
    let header = response.await?.header;
    context.print(&UserPlain { text: "Password updated".to_owned(), header })
}

async fn grant_role(context: &Context) -> Result<(), Failure> {
    if context.count() != 2 {
        let message = "user grant command requires user name and role name as its argument";
        return Err(Failure::arguments(message));
    }
    let (user, role) = (context.arguments.argument(0), context.arguments.argument(1));
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = AuthUserGrantRoleRequest { user: user.clone(), role: role.clone() };
        async move { auth.user_grant_role(request).await }
    });
    let header = response.await?.header;
    context.print(&UserPlain { text: format!("Role {role} is granted to user {user}"), header })
}

async fn revoke_role(context: &Context) -> Result<(), Failure> {
    if context.count() != 2 {
        let message = "user revoke-role requires user name and role name as its argument";
        return Err(Failure::arguments(message));
    }
    let (user, role) = (context.arguments.argument(0), context.arguments.argument(1));
    let client = context.client().await?;
    let response = send(&client, Safety::Write, |mut auth| {
        let request = AuthUserRevokeRoleRequest { name: user.clone(), role: role.clone() };
        async move { auth.user_revoke_role(request).await }
    });
    let header = response.await?.header;
    context.print(&UserPlain { text: format!("Role {role} is revoked from user {user}"), header })
}
