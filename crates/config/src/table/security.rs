//! Flags of transport security and authentication.

use super::{Flag, Kind, Status, flag};

/// Sorted by name.
#[rustfmt::skip]
pub const FLAGS: &[Flag] = &[
    flag("auth-token", Kind::Text, "simple", Status::Acts, "Auth token kind plus options (simple or jwt,...)"),
    flag("auth-token-ttl", Kind::Uint, "300", Status::Acts, "Seconds a simple token stays valid"),
    flag("auto-tls", Kind::Bool, "false", Status::NotYet, "Serve clients with self-made certificates"),
    flag("bcrypt-cost", Kind::Uint, "10", Status::Acts, "Password hashing cost, 4 to 31"),
    flag("cert-file", Kind::Text, "", Status::NotYet, "Client listener certificate"),
    flag("cipher-suites", Kind::List, "", Status::NotYet, "Allowed TLS cipher names, Go naming"),
    flag("client-cert-allowed-hostname", Kind::List, "", Status::NotYet, "Accepted SAN hosts in client certificates"),
    flag("client-cert-auth", Kind::Bool, "false", Status::NotYet, "Require verified client certificates"),
    flag("client-cert-file", Kind::Text, "", Status::NotYet, "Certificate used when server itself dials client port"),
    flag("client-crl-file", Kind::Text, "", Status::NotYet, "Revocation list for client certificates"),
    flag("client-key-file", Kind::Text, "", Status::NotYet, "Key used when server itself dials client port"),
    flag("cors", Kind::Origins, "*", Status::NotYet, "Origins allowed for cross-site HTTP"),
    flag("host-whitelist", Kind::Set, "*", Status::NotYet, "Host header values allowed on plain HTTP"),
    flag("key-file", Kind::Text, "", Status::NotYet, "Client listener key"),
    flag("peer-auto-tls", Kind::Bool, "false", Status::NotYet, "Peer TLS with self-made certificates"),
    flag("peer-cert-allowed-cn", Kind::List, "", Status::NotYet, "Accepted peer certificate common names"),
    flag("peer-cert-allowed-hostname", Kind::List, "", Status::NotYet, "Accepted peer certificate SAN hosts"),
    flag("peer-cert-file", Kind::Text, "", Status::NotYet, "Peer listener certificate"),
    flag("peer-client-cert-auth", Kind::Bool, "false", Status::NotYet, "Require verified peer certificates"),
    flag("peer-client-cert-file", Kind::Text, "", Status::NotYet, "Certificate used when dialing peers"),
    flag("peer-client-key-file", Kind::Text, "", Status::NotYet, "Key used when dialing peers"),
    flag("peer-crl-file", Kind::Text, "", Status::NotYet, "Revocation list for peer certificates"),
    flag("peer-key-file", Kind::Text, "", Status::NotYet, "Peer listener key"),
    flag("peer-skip-client-san-verification", Kind::Bool, "false", Status::NotYet, "Skip SAN check of connecting peers"),
    flag("peer-trusted-ca-file", Kind::Text, "", Status::NotYet, "CA for peer certificates"),
    flag("self-signed-cert-validity", Kind::Uint, "1", Status::NotYet, "Years self-made certificates last"),
    flag("tls-max-version", Kind::Text, "", Status::NotYet, "Highest TLS version: TLS1.2 or TLS1.3"),
    flag("tls-min-version", Kind::Text, "TLS1.2", Status::NotYet, "Lowest TLS version: TLS1.2 or TLS1.3"),
    flag("trusted-ca-file", Kind::Text, "", Status::NotYet, "CA for client certificates"),
];
