//! What a member answers to the others outside of raft (spec/peer.md 5.7): the small endpoints of
//! the peer listener, without HTTP.

use bytes::Bytes;
use membership::Member;
use prost::Message;
use proto::error::{Code, Error as Known, Status};
use proto::etcdserverpb as pb;
use proto::leasepb::{LeaseInternalRequest, LeaseInternalResponse};
use types::{LeaseId, MemberId};

use crate::ask::{
    DOWNGRADE_ENABLED, HASH_KV, JSON, LEASES, LEASES_INTERNAL, MEMBERS, PROMOTE, PROTOBUF, VERSION,
};
use crate::handle::Node;
use crate::leases::{Asker, Refusal};
use crate::network::{Answer, Method, Question};
use crate::runtime::blocking;

const TEXT: &str = "text/plain; charset=utf-8";

/// How the path of a request to the peer listener is to be asked for.
#[must_use]
pub fn method(path: &str) -> Option<Method> {
    match path {
        MEMBERS | HASH_KV | VERSION | DOWNGRADE_ENABLED => Some(Method::Get),
        LEASES | LEASES_INTERNAL => Some(Method::Post),
        path if path.starts_with(PROMOTE) => Some(Method::Post),
        _ => None,
    }
}

impl Node {
    /// Answers another member. The URL of the question is of no meaning here.
    pub async fn answer(&self, question: Question) -> Answer {
        let path = question.path.clone();
        let Some(method) = method(&path) else {
            return text(404, "404 page not found");
        };
        if method != question.method {
            return text(405, "Method Not Allowed");
        }
        let answer = match path.as_str() {
            MEMBERS => json(self.members_json()),
            VERSION => json(self.versions_json()),
            DOWNGRADE_ENABLED => self.answer_downgrade().await,
            HASH_KV => self.answer_hash(&question).await,
            LEASES => self.answer_renewal(&question).await,
            LEASES_INTERNAL => self.answer_time_to_live(&question).await,
            _ => self.answer_promotion(&question).await,
        };
        // As in Go, not all of them say of which cluster they are.
        let says_cluster = match path.as_str() {
            VERSION | LEASES | LEASES_INTERNAL => false,
            HASH_KV => answer.status == 200,
            _ => true,
        };
        Answer { cluster: says_cluster.then(|| self.ids().0), ..answer }
    }

    fn members_json(&self) -> String {
        format!("{}\n", Member::list_to_json(self.view().cluster.members()))
    }

    fn versions_json(&self) -> String {
        let cluster = self.view().cluster.version();
        let cluster = cluster.map_or_else(|| "not_decided".to_owned(), |known| known.to_string());
        let (level, storage) = (self.level(), self.storage_version());
        format!(r#"{{"etcdserver":"{level}","etcdcluster":"{cluster}","storage":"{storage}"}}"#)
    }

    async fn answer_downgrade(&self) -> Answer {
        if let Err(error) = self.linearize().await {
            return text(500, &format!("failed linearized read: {}", error.message));
        }
        let enabled = self.view().cluster.downgrade().is_enabled;
        Answer {
            status: 200,
            content_type: Some("text/plain"),
            body: Bytes::from(enabled.to_string()),
            ..Answer::default()
        }
    }

    async fn answer_promotion(&self, question: &Question) -> Answer {
        let number = question.path.strip_prefix(PROMOTE).unwrap_or_default();
        let Ok(id) = number.parse().map(MemberId) else {
            return text(404, &format!("member {number} not found in cluster"));
        };
        let promoted = self.promote_for(id, question.token.as_deref()).await;
        match promoted {
            Ok(members) => json(format!("{}\n", Member::list_to_json(&members))),
            Err(error) => {
                tracing::warn!("member-id" = %id, %error, "failed to promote a member");
                promotion_refusal(&error)
            }
        }
    }

    async fn answer_renewal(&self, question: &Question) -> Answer {
        let Ok(request) = pb::LeaseKeepAliveRequest::decode(body(question)) else {
            return text(400, "error unmarshalling request");
        };
        let check = |_: &apply::View| Ok(());
        let renewed = self.renew_here(LeaseId(request.id), Asker::Member, &check);
        let in_time = self.timeout(self.patience(), renewed).await;
        match in_time.unwrap_or_else(|_| Err(Refusal::Status(Known::Timeout.into()))) {
            Ok(ttl) => protobuf(&pb::LeaseKeepAliveResponse { header: None, id: request.id, ttl }),
            Err(refusal) => lease_refusal(&refusal, 400),
        }
    }

    async fn answer_time_to_live(&self, question: &Question) -> Answer {
        let request = LeaseInternalRequest::decode(body(question));
        let request = request.ok().and_then(|request| request.lease_time_to_live_request);
        let Some(request) = request else {
            return text(400, "error unmarshalling request");
        };
        match self.time_to_live_here(&request, Asker::Member, &|_| Ok(())).await {
            Ok(response) => {
                let header = Some(pb::ResponseHeader::default());
                let response = pb::LeaseTimeToLiveResponse { header, ..response };
                protobuf(&LeaseInternalResponse { lease_time_to_live_response: Some(response) })
            }
            Err(refusal) => lease_refusal(&refusal, 500),
        }
    }

    async fn answer_hash(&self, question: &Question) -> Answer {
        if question.cluster.is_some_and(|cluster| cluster != self.ids().0) {
            return text(412, "cluster ID mismatch");
        }
        let request: Result<serde_json::Value, _> = serde_json::from_slice(&body(question));
        let revision = match &request {
            Ok(serde_json::Value::Object(fields)) => match fields.get("revision") {
                None => Some(0),
                Some(number) => number.as_i64(),
            },
            _ => None,
        };
        let Some(revision) = revision else {
            return text(400, "error unmarshalling request");
        };
        let now = self.view().read.revision();
        match self.hash_at(revision).await {
            Ok(hash) => json(format!(
                r#"{{"header":{{"revision":{now}}},"hash":{},"compact_revision":{},"hash_revision":{}}}"#,
                hash.hash, hash.compact_revision, hash.revision
            )),
            Err(error) => text(400, &error.message),
        }
    }

    /// The hash of the store up to a revision, or the one that a compaction left behind there.
    pub(crate) async fn hash_at(&self, revision: i64) -> Result<mvcc::KvHash, Status> {
        if let Some(hash) = self.compaction_hash(revision) {
            return Ok(hash);
        }
        let view = self.view();
        let hashed = blocking(self.tasks(), move || view.read.hash(revision)).await;
        let hashed = hashed.ok_or_else(|| Status::from(Known::Stopped))?;
        hashed.map_err(|error| self.read_failed(&error))
    }

    /// What to answer when a read of the store failed. A database that cannot be read ends the
    /// member: what it would answer next is not known, and others of its cluster have the data.
    pub(crate) fn read_failed(&self, error: &mvcc::Error) -> Status {
        if error.answer().is_none() {
            self.fail(format!("read the database: {error}"));
        }
        Status::new(Code::Unknown, error.to_string())
    }
}

fn body(question: &Question) -> Bytes {
    question.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default()
}

fn promotion_refusal(error: &Status) -> Answer {
    let is = |known: Known| *error == known.into();
    if is(Known::MemberNotFound) {
        text(404, &membership::Error::IdNotFound.to_string())
    } else if is(Known::MemberNotLearner) {
        text(412, &membership::Error::NotLearner.to_string())
    } else if is(Known::LearnerNotReady) {
        text(412, Known::LearnerNotReady.text())
    } else {
        let body = Bytes::from_static(br#"{"message":"Internal Server Error"}"#);
        Answer { status: 500, content_type: Some(JSON), body, ..Answer::default() }
    }
}

/// `demoted` is the status for a member that does not lead.
fn lease_refusal(refusal: &Refusal, demoted: u16) -> Answer {
    match refusal {
        Refusal::NotFound => text(404, "lease not found"),
        Refusal::NotPrimary => text(demoted, Known::NotPrimaryLessor.text()),
        Refusal::Status(status) if *status == Known::TimeoutWaitAppliedIndex.into() => {
            text(408, "waiting for node to catch up its applied index has timed out")
        }
        Refusal::Status(status) => text(demoted, &status.message),
    }
}

fn text(status: u16, line: &str) -> Answer {
    let body = Bytes::from(format!("{line}\n"));
    Answer { status, content_type: Some(TEXT), body, ..Answer::default() }
}

fn json(body: String) -> Answer {
    let body = Bytes::from(body);
    Answer { status: 200, content_type: Some(JSON), body, ..Answer::default() }
}

fn protobuf(message: &impl Message) -> Answer {
    let body = Bytes::from(message.encode_to_vec());
    Answer { status: 200, content_type: Some(PROTOBUF), body, ..Answer::default() }
}
