//! Every error that a single member can answer with, provoked on the server under test and on the
//! real etcd 3.5.16: the code and the text are those of the table, on both.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/errors/mod.rs"]
mod errors;
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use errors::{Answer, Since};
use proto::error::Error as Known;
use proto::etcdserverpb::{LeaseGrantRequest, MemberAddRequest, StatusRequest};
use support::{Member, reference_is_under_test, runtime, server_under_test};
use tonic::Code;

/// Errors that no call to a single member brings about for certain, and why.
const NOT_HERE: &[(Known, &str)] = &[
    (Known::RangeStreamAdapter, "of the gRPC proxy"),
    (Known::RangeStreamProxy, "of the gRPC proxy"),
    (Known::ClientClosing, "of the gRPC proxy"),
    (Known::NotPrimaryLessor, "leadership lost in the middle of a call"),
    (Known::WatchCanceled, "answers that pile up"),
    (Known::MemberExist, "two members whose ids are one"),
    (Known::ClusterIdMismatch, "of the peers' listener"),
    (Known::TooManyRequests, "5000 entries that wait to be applied"),
    (Known::AuthOldRevision, "users changed in the middle of a call"),
    (Known::NoLeader, "no leader"),
    (Known::NotLeader, "another leader"),
    (Known::LeaderChanged, "another leader"),
    (Known::NotCapable, "a cluster of etcd 2"),
    (Known::Stopped, "the end in the middle of a call"),
    (Known::Timeout, "a disk that hangs"),
    (Known::TimeoutDueToLeaderFail, "another leader"),
    (Known::TimeoutDueToConnectionLost, "another leader"),
    (Known::TimeoutWaitAppliedIndex, "a disk that hangs"),
    (Known::TimeoutLeaderTransfer, "a member that does not take over"),
    (Known::Unhealthy, "a member that is away"),
    (Known::NotSupportedForLearner, "a learner"),
    (Known::NoInflightDowngrade, "kept from the caller since 3.6"),
    (Known::UnknownMethod, "no request of any client"),
    (Known::ClusterVersionUnavailable, "a cluster that is just being founded"),
    (Known::Canceled, "hidden by the client's own words"),
    (Known::DeadlineExceeded, "hidden by the client's own words"),
    (Known::ContextCanceled, "a client that gives up hears nothing"),
    (Known::ContextDeadlineExceeded, "the client's own deadline"),
];

fn fault(answer: &Answer) -> Option<String> {
    let expected = (answer.code, answer.known.text().to_owned());
    (answer.found.as_ref() != Some(&expected))
        .then(|| format!("{}: expected {expected:?}, found {:?}", answer.call, answer.found))
}

#[test]
fn every_error_has_its_code_and_text() {
    runtime().block_on(async {
        let arguments = ["--max-request-bytes=100000"];
        let tested = Member::started("errors", server_under_test(), &arguments);
        let program = harness::reference().unwrap().program("etcd");
        let real = Member::started("errors-real", program, &arguments);
        let (ours, theirs) = (tested.endpoint(), real.endpoint());
        let (found, expected) = tokio::join!(errors::provoke(&ours), errors::provoke(&theirs));

        let of_real = expected.iter().filter(|answer| answer.since == Since::Always);
        let wrong: Vec<String> = of_real.filter_map(fault).collect();
        assert!(wrong.is_empty(), "the real etcd answers otherwise:\n{}", wrong.join("\n"));
        let is_real = reference_is_under_test();
        let of_tested = found.iter().filter(|answer| !is_real || answer.since == Since::Always);
        let wrong: Vec<String> = of_tested.filter_map(fault).collect();
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));

        let provoked: BTreeSet<&str> = found.iter().map(|answer| answer.known.text()).collect();
        let not_here = |known| NOT_HERE.iter().any(|(other, _)| *other == known);
        for known in Known::ALL.iter().filter(|_| !is_real) {
            let is_provoked = provoked.contains(known.text());
            assert!(is_provoked != not_here(*known), "{known}: provoked {is_provoked}");
        }
        println!("{} errors, {} calls compared", provoked.len(), found.len());
    });
}

/// What a put, and a lease, are answered by a member whose leader went with its majority.
async fn without_a_leader(program: PathBuf) -> [(Code, String); 2] {
    let member = Member::started("leaderless", program, &[]);
    let api = member.api().await;
    let nowhere = MemberAddRequest {
        peer_urls: vec!["http://127.0.0.1:9".to_owned()],
        ..MemberAddRequest::default()
    };
    api.cluster.clone().member_add(nowhere).await.unwrap();
    let start = Instant::now();
    let status = async || api.maintenance.clone().status(StatusRequest {}).await.unwrap();
    while status().await.into_inner().leader != 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "the leader stays without a majority");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let put = async { api.put(b"a", b"b").await.map(drop) };
    let grant = LeaseGrantRequest { ttl: 60, ..LeaseGrantRequest::default() };
    let grant = async { api.lease.clone().lease_grant(grant).await.map(drop) };
    let (put, grant) = tokio::join!(put, grant);
    [put, grant].map(|answer| {
        let status = answer.unwrap_err();
        (status.code(), status.message().to_owned())
    })
}

#[test]
fn a_write_without_a_leader_ends_with_the_bare_deadline() {
    runtime().block_on(async {
        let real = harness::reference().unwrap().program("etcd");
        let (ours, theirs) =
            tokio::join!(without_a_leader(server_under_test()), without_a_leader(real));
        assert_eq!(ours, theirs);
        assert_eq!(ours[0], (Code::DeadlineExceeded, "context deadline exceeded".to_owned()));
    });
}
