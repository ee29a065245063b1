//! The header that replies begin with.

use super::json::Object;
use super::{Hex, Output};
use proto::etcdserverpb::ResponseHeader;

/// As an object; `None` stays away.
pub fn json(header: &Option<ResponseHeader>) -> Option<String> {
    header.as_ref().map(|header| fields(header).finish())
}

/// The fields alone, for replies that have them beside their own.
pub fn fields(header: &ResponseHeader) -> Object {
    Object::new()
        .number("cluster_id", header.cluster_id)
        .number("member_id", header.member_id)
        .number("revision", header.revision)
        .number("raft_term", header.raft_term)
}

/// With ids in hexadecimal, as the replies about members have it.
pub fn json_hex(header: &Option<ResponseHeader>) -> String {
    let header = header.unwrap_or_default();
    Object::new()
        .always("cluster_id", format_args!("\"{:x}\"", header.cluster_id))
        .always("member_id", format_args!("\"{:x}\"", header.member_id))
        .number("revision", header.revision)
        .number("raft_term", header.raft_term)
        .finish()
}

/// As lines; the revision only where there is one.
pub fn lines(header: &Option<ResponseHeader>, out: &mut Output) {
    let header = header.unwrap_or_default();
    out.id("ClusterID", header.cluster_id);
    out.id("MemberID", header.member_id);
    if header.revision > 0 {
        out.field("Revision", header.revision);
    }
    out.field("RaftTerm", header.raft_term);
}

/// A lease's id as a line.
pub fn lease_line(name: &str, id: i64, out: &mut Output) {
    match out.hex {
        Hex::On => out.field(name, format_args!("{id:016x}")),
        Hex::Off => out.field(name, id),
    }
}
