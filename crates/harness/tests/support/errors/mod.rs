//! Calls that fail, in an order in which each meets the state that makes it fail.

mod auth;
mod cluster;
mod keys;
mod recipes;

use client::grpc::v3electionpb::election_client::ElectionClient;
use client::grpc::v3lockpb::lock_client::LockClient;
use client::{Channel, Options, connect};
use proto::error::{Code, Error as Known};
use proto::etcdserverpb::StatusRequest;
use tonic::{Response, Status};

use super::support::Api;

/// Which servers answer so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since {
    Always,
    /// Not yet the one that is compared with.
    Later,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    pub call: &'static str,
    pub known: Known,
    /// The code of the table, but for locks and elections.
    pub code: Code,
    pub since: Since,
    /// Code and text; nothing if the call succeeded.
    pub found: Option<(Code, String)>,
}

/// The calls to one server, and their answers.
pub struct Provoking {
    pub endpoint: String,
    /// The server speaks 3.`minor`.
    pub minor: u32,
    pub api: Api,
    pub lock: LockClient<Channel>,
    pub election: ElectionClient<Channel>,
    answers: Vec<Answer>,
}

impl Provoking {
    /// Notes the answer to a call that has to fail with this error.
    pub fn fails<T>(
        &mut self,
        call: &'static str,
        known: Known,
        answer: Result<Response<T>, Status>,
    ) {
        self.note(call, known, known.code(), Since::Always, answer);
    }

    /// The same for an error that came after 3.5.
    pub fn fails_later<T>(
        &mut self,
        call: &'static str,
        known: Known,
        answer: Result<Response<T>, Status>,
    ) {
        self.note(call, known, known.code(), Since::Later, answer);
    }

    /// The same for a call of a lock or an election, whose errors lose their codes.
    pub fn fails_without_code<T>(
        &mut self,
        call: &'static str,
        known: Known,
        answer: Result<Response<T>, Status>,
    ) {
        self.note(call, known, Code::Unknown, Since::Always, answer);
    }

    fn note<T>(
        &mut self,
        call: &'static str,
        known: Known,
        code: Code,
        since: Since,
        answer: Result<Response<T>, Status>,
    ) {
        let found = answer.err().map(|status| (code_of(&status), status.message().to_owned()));
        self.answers.push(Answer { call, known, code, since, found });
    }
}

fn code_of(status: &Status) -> Code {
    const CODES: [Code; 17] = [
        Code::Ok,
        Code::Canceled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];
    CODES[status.code() as usize]
}

/// Makes a fresh server of one member answer with each error that it can.
pub async fn provoke(endpoint: &str) -> Vec<Answer> {
    let channel = connect(endpoint, &Options::default()).await.unwrap();
    let api = Api::connect(endpoint, None).await;
    let status = api.maintenance.clone().status(StatusRequest {}).await.unwrap().into_inner();
    let mut provoking = Provoking {
        endpoint: endpoint.to_owned(),
        minor: status.version.split('.').nth(1).unwrap().parse().unwrap(),
        api,
        lock: LockClient::new(channel.clone()),
        election: ElectionClient::new(channel),
        answers: Vec::new(),
    };
    keys::ranges_and_writes(&mut provoking).await;
    keys::leases(&mut provoking).await;
    keys::alarms(&mut provoking).await;
    recipes::locks(&mut provoking).await;
    recipes::elections(&mut provoking).await;
    cluster::downgrades(&mut provoking).await;
    auth::while_off(&mut provoking).await;
    auth::while_on(&mut provoking, endpoint).await;
    cluster::members(&mut provoking).await;
    provoking.answers
}
