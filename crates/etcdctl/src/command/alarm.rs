//! `alarm list` and `alarm disarm`.

use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use client::{Client, Safety};
use proto::etcdserverpb::alarm_request::AlarmAction;
use proto::etcdserverpb::{AlarmRequest, AlarmResponse};

use crate::cli::Spec;
use crate::context::Context;
use crate::failure::Failure;

/// What the commands take.
pub fn spec() -> Spec {
    Spec {
        name: "alarm",
        summary: "Shows alarms and switches them off",
        commands: vec![
            Spec { name: "disarm", summary: "Switches all alarms off", ..Spec::default() },
            Spec { name: "list", summary: "Shows all alarms", ..Spec::default() },
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
        return Err(Failure::arguments(format_args!("alarm {which} command accepts no arguments")));
    }
    let client = context.client().await?;
    let response = match which {
        "list" => context.timed(list(&client)).await?,
        _ => context.timed(disarm(&client)).await?,
    };
    context.print(&response)
}

/// All alarms.
///
/// # Errors
/// What the server answers.
pub async fn list(client: &Client) -> Result<AlarmResponse, client::Error> {
    let request = AlarmRequest { action: AlarmAction::Get.into(), ..AlarmRequest::default() };
    client
        .call(Safety::Read, |channel| async move {
            MaintenanceClient::new(channel).alarm(request).await
        })
        .await
}

/// Switches off each alarm that there is; the answer has them all, as clientv3 puts it together.
async fn disarm(client: &Client) -> Result<AlarmResponse, client::Error> {
    let alarms = list(client).await?.alarms;
    let mut whole = AlarmResponse::default();
    for alarm in alarms {
        let request = AlarmRequest {
            action: AlarmAction::Deactivate.into(),
            member_id: alarm.member_id,
            alarm: alarm.alarm,
        };
        let disarmed = client
            .call(Safety::Write, |channel| async move {
                MaintenanceClient::new(channel).alarm(request).await
            })
            .await?;
        whole.alarms.extend(disarmed.alarms);
    }
    Ok(whole)
}
