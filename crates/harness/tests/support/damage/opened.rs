//! What a server makes of a directory.

use crate::golden::contents::Contents;
use crate::support::{Member, Start, runtime, script};
use harness::read_log;
use proto::etcdserverpb::AuthStatusRequest;
use std::time::Duration;

/// A server serves or ends within this time.
const DECIDED_MAX: Duration = Duration::from_secs(30);

/// The real etcd may do neither.
const GO_DECIDED_MAX: Duration = Duration::from_secs(6);

/// Address space in kilobytes: more is needed by nothing that such small directories ask for.
const ADDRESSES_MAX: u64 = 4 << 20;

/// What came of a start.
#[derive(Clone, PartialEq, Debug)]
pub enum Opened {
    /// All that was acknowledged is served.
    Whole,
    /// Something else is served.
    Other(Box<Contents>),
    /// It ended with this reason.
    Refused(String),
    /// It ended otherwise, or did neither.
    Failed(String),
}

impl Opened {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Other(_) => "other",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

/// Opens a directory with our server.
pub fn open(member: &mut Member, expected: &Contents) -> Opened {
    limit_addresses(member);
    match member.start_within(DECIDED_MAX) {
        Start::Serves => {}
        Start::Ended(code) => return ended(member, code),
        Start::Neither => return Opened::Failed("neither serves nor ends".to_owned()),
    }
    let read = runtime().block_on(async {
        let api = member.api().await;
        let revision = api.revision().await;
        // Reads all records; the rest is in memory.
        let all_read = api.all_at(0).await.is_ok() && api.hash_kv(0).await.is_ok();
        let revisions = expected.revisions();
        let is_there = revisions.iter().all(|known| *known <= revision);
        match (all_read, is_there) {
            (false, _) => None,
            (true, true) => Some(Contents::read(&api, &revisions).await),
            (true, false) => Some(Contents::read(&api, &[revision]).await),
        }
    });
    match read {
        Some(found) => {
            member.kill();
            compared(found, expected)
        }
        None => {
            let code = member.wait(DECIDED_MAX);
            ended(member, code)
        }
    }
}

/// Opens a directory with the real etcd.
pub fn open_by_go(member: &mut Member, expected: &Contents) -> Opened {
    match member.start_within(GO_DECIDED_MAX) {
        Start::Neither => Opened::Failed("neither serves nor ends".to_owned()),
        Start::Serves => {
            let found = runtime().block_on(async {
                let api = member.api().await;
                // It may say that it is ready and then answer nothing.
                let status = api.auth.clone().auth_status(AuthStatusRequest {}).await;
                if status.is_err() || api.all_at(0).await.is_err() {
                    return None;
                }
                let revision = api.revision().await.min(expected.revision);
                Some(Contents::read(&api, &[revision]).await)
            });
            member.forget();
            match found {
                Some(found) => compared(found, expected),
                None => Opened::Failed("answers nothing".to_owned()),
            }
        }
        Start::Ended(code) => {
            let log = read_log(&member.options.log);
            let last = log.iter().rev().find(|line| line.level == "fatal" && code == 1);
            match last {
                Some(line) => Opened::Refused(line.message.clone()),
                None => Opened::Failed(format!("exit code {code}")),
            }
        }
    }
}

fn compared(found: Contents, expected: &Contents) -> Opened {
    if found == *expected { Opened::Whole } else { Opened::Other(Box::new(found)) }
}

/// How our server has ended: with one reason and no trace.
pub fn ended(member: &Member, code: i32) -> Opened {
    let log = read_log(&member.options.log);
    let fatal: Vec<_> = log.iter().filter(|line| line.level == "fatal").collect();
    let is_calm = log.iter().all(|line| line.level != "none" && !line.message.contains("panicked"));
    let reason = fatal.first().and_then(|line| line.fields["error"].as_str());
    match reason {
        Some(reason) if code == 1 && fatal.len() == 1 && is_calm => {
            Opened::Refused(reason.to_owned())
        }
        _ => Opened::Failed(format!("exit code {code}: {log:?}")),
    }
}

/// Runs the server in so little address space that a length out of a damaged file can't be asked
/// for.
fn limit_addresses(member: &mut Member) {
    let path = member.folder().join("etcd-within-limits");
    let program = member.options.program.display();
    let text = format!("#!/bin/sh\nulimit -v {ADDRESSES_MAX}\nexec {program} \"$@\"\n");
    member.options.program = script(&path, &text);
}
