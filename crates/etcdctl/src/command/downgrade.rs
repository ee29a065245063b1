//! `downgrade validate`, `downgrade enable` and `downgrade cancel`.

use client::Safety;
use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::etcdserverpb::DowngradeRequest;
use proto::etcdserverpb::downgrade_request::DowngradeAction;

use crate::cli::Spec;
use crate::context::Context;
use crate::failure::Failure;
use crate::print::Downgraded;

/// What the commands take.
pub fn spec() -> Spec {
    let command = |name, arguments, summary| Spec { name, arguments, summary, ..Spec::default() };
    Spec {
        name: "downgrade",
        summary: "Prepares the way back to an older version",
        commands: vec![
            command("cancel", "", "Gives up a downgrade that was begun"),
            command("enable", "<TARGET_VERSION>", "Begins a downgrade"),
            command("validate", "<TARGET_VERSION>", "Tells whether a downgrade is possible"),
        ],
        ..Spec::default()
    }
}

/// Runs one of them.
///
/// # Errors
/// Wrong arguments; what the server answers.
pub async fn run(context: &Context, which: &'static str) -> Result<(), Failure> {
    let (action, version) = match which {
        "cancel" => (DowngradeAction::Cancel, String::new()),
        "enable" => (DowngradeAction::Enable, target(context)?),
        _ => (DowngradeAction::Validate, target(context)?),
    };
    let request = DowngradeRequest { action: action.into(), version };
    let client = context.client().await?;
    let send = |channel| {
        let request = request.clone();
        async move { MaintenanceClient::new(channel).downgrade(request).await }
    };
    let response = context.timed(client.call(Safety::Write, send)).await?;
    context.print(&Downgraded { action: which, response })
}

fn target(context: &Context) -> Result<String, Failure> {
    match context.count() {
        0 => Err(Failure::arguments("TARGET_VERSION not provided")),
        1 if context.positional(0).is_empty() => {
            Err(Failure::arguments("target version not provided"))
        }
        1 => Ok(context.arguments.argument(0)),
        _ => Err(Failure::arguments("too many arguments")),
    }
}
