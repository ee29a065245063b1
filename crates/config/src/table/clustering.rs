//! Flags of the cluster: how a member finds it, what it agrees to, what history is kept.

use super::{Flag, Kind, Status, flag};

/// Sorted by name.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    flag("advertise-client-urls", Kind::Urls, "http://localhost:2379", Status::Acts, "Client URLs published to other members and clients"),
    flag("auto-compaction-mode", Kind::Text, "periodic", Status::Acts, "How retention is read: periodic or revision"),
    flag("auto-compaction-retention", Kind::Text, "0", Status::Acts, "History kept by auto compaction; 0 turns it off"),
    flag("discovery-cacert", Kind::Text, "", Status::NotYet, "CA for v3 discovery endpoints"),
    flag("discovery-cert", Kind::Text, "", Status::NotYet, "Client certificate for v3 discovery"),
    flag("discovery-dial-timeout", Kind::Duration, "2s", Status::NotYet, "Dial limit for v3 discovery"),
    flag("discovery-endpoints", Kind::Set, "", Status::Refused, "V3 discovery gRPC endpoints"),
    flag("discovery-fallback", Kind::Choice(&["exit", "proxy"]), "exit", Status::Acts, "Behaviour when discovery fails; only exit accepted"),
    flag("discovery-insecure-skip-tls-verify", Kind::Bool, "false", Status::NotYet, "Do not verify v3 discovery server certificate"),
    flag("discovery-insecure-transport", Kind::Bool, "true", Status::NotYet, "Plain-text v3 discovery"),
    flag("discovery-keepalive-time", Kind::Duration, "2s", Status::NotYet, "Keepalive ping period for v3 discovery"),
    flag("discovery-keepalive-timeout", Kind::Duration, "6s", Status::NotYet, "Keepalive wait for v3 discovery"),
    flag("discovery-key", Kind::Text, "", Status::NotYet, "Client key for v3 discovery"),
    flag("discovery-password", Kind::Text, "", Status::NotYet, "Password for v3 discovery"),
    flag("discovery-request-timeout", Kind::Duration, "5s", Status::NotYet, "Request limit for v3 discovery"),
    flag("discovery-srv", Kind::Text, "", Status::Refused, "DNS domain holding SRV records of cluster"),
    flag("discovery-srv-name", Kind::Text, "", Status::Refused, "Suffix of SRV service name"),
    flag("discovery-token", Kind::Text, "", Status::Refused, "Cluster token for v3 discovery"),
    flag("discovery-user", Kind::Text, "", Status::NotYet, "User[:password] for v3 discovery"),
    flag("initial-advertise-peer-urls", Kind::Urls, "http://localhost:2380", Status::Acts, "Peer URLs announced for this member"),
    flag("initial-cluster", Kind::Text, "default=http://localhost:2380", Status::Acts, "Name=peerURL list for bootstrap"),
    flag("initial-cluster-state", Kind::Choice(&["new", "existing"]), "new", Status::Acts, "New or existing"),
    flag("initial-cluster-token", Kind::Text, "etcd-cluster", Status::Acts, "Seed text for cluster and member ids"),
    flag("max-cluster-version", Kind::Choice(&["auto", "3.5", "3.6", "3.7"]), "auto", Status::Acts, "Ours: highest cluster version this member agrees to; auto keeps a cluster found at 3.5 there"),
    flag("max-learners", Kind::Int, "1", Status::Acts, "Learners allowed in the cluster"),
    flag("pre-vote", Kind::Bool, "true", Status::Acts, "Raft pre-vote phase"),
    flag("strict-reconfig-check", Kind::Bool, "true", Status::Acts, "Refuse membership changes that would lose quorum"),
];
