//! `auth enable`, `auth disable` and `auth status`.

use client::grpc::etcdserverpb::auth_client::AuthClient;
use client::{Client, Error, Safety};
use proto::error::Error as Known;
use proto::etcdserverpb::{
    AuthDisableRequest, AuthEnableRequest, AuthRoleAddRequest, AuthStatusRequest,
    AuthUserGrantRoleRequest,
};

use crate::cli::Spec;
use crate::context::{Context, write_out};
use crate::failure::Failure;

/// What the commands take.
pub fn spec() -> Spec {
    let command = |name, summary| Spec { name, summary, ..Spec::default() };
    Spec {
        name: "auth",
        summary: "Switches authentication on and off",
        commands: vec![
            command("disable", "Switches authentication off"),
            command("enable", "Switches authentication on"),
            command("status", "Tells whether authentication is on"),
        ],
        ..Spec::default()
    }
}

/// Runs one of them.
///
/// # Errors
/// Wrong arguments; what the server answers.
pub async fn run(context: &Context, which: &str) -> Result<(), Failure> {
    if context.count() != 0 {
        let message = format!("auth {which} command does not accept any arguments");
        return Err(Failure::arguments(message));
    }
    let client = context.client().await?;
    match which {
        "enable" => {
            context.timed(enable(&client)).await?;
            write_out(b"Authentication Enabled\n")
        }
        "disable" => {
            let send = |channel| async move {
                AuthClient::new(channel).auth_disable(AuthDisableRequest {}).await
            };
            context.timed(client.call(Safety::Write, send)).await?;
            write_out(b"Authentication Disabled\n")
        }
        _ => {
            let send = |channel| async move {
                AuthClient::new(channel).auth_status(AuthStatusRequest {}).await
            };
            context.print(&context.timed(client.call(Safety::Read, send)).await?)
        }
    }
}

/// Switches it on; where root has no role yet, the role is made and given first.
async fn enable(client: &Client) -> Result<(), Error> {
    loop {
        let send = |channel| async move {
            AuthClient::new(channel).auth_enable(AuthEnableRequest {}).await
        };
        match client.call(Safety::Write, send).await {
            Ok(_) => return Ok(()),
            Err(error) if error.known() == Some(Known::RootRoleNotExist) => {}
            Err(error) => return Err(error),
        }
        let send = |channel| async move {
            let request = AuthRoleAddRequest { name: "root".to_owned() };
            AuthClient::new(channel).role_add(request).await
        };
        client.call(Safety::Write, send).await?;
        let send = |channel| async move {
            let request =
                AuthUserGrantRoleRequest { user: "root".to_owned(), role: "root".to_owned() };
            AuthClient::new(channel).user_grant_role(request).await
        };
        client.call(Safety::Write, send).await?;
    }
}
