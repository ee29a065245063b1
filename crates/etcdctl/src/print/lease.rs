//! Leases.
//!
//! Go's client has structs of its own for most of them, whose protobuf form is that of the header
//! inside; a revocation's has none.

use super::json::{Object, array_or_null, base64};
use super::{Hex, Output, Reply, header};
use crate::quote::quote;
use prost::Message;
use proto::etcdserverpb::{
    LeaseGrantResponse, LeaseKeepAliveResponse, LeaseLeasesResponse, LeaseRevokeResponse,
    LeaseTimeToLiveResponse, ResponseHeader,
};

fn header_protobuf(header: &Option<ResponseHeader>) -> Result<Vec<u8>, String> {
    Ok(header.unwrap_or_default().encode_to_vec())
}

fn head(header: &Option<ResponseHeader>) -> Object {
    header::fields(&header.unwrap_or_default())
}

impl Reply for LeaseGrantResponse {
    fn simple(&self, out: &mut Output) {
        out.line(format!("lease {:016x} granted with TTL({}s)", self.id, self.ttl));
    }

    fn json(&self, _: Hex) -> String {
        head(&self.header)
            .always("ID", self.id)
            .always("TTL", self.ttl)
            .always("Error", super::json::string(&self.error))
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        header::lease_line("ID", self.id, out);
        out.field("TTL", self.ttl);
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        header_protobuf(&self.header)
    }
}

/// A lease was revoked.
#[derive(Debug)]
pub struct Revoked {
    /// Which.
    pub id: i64,
    /// The answer.
    pub response: LeaseRevokeResponse,
}

impl Reply for Revoked {
    fn simple(&self, out: &mut Output) {
        out.line(format!("lease {:016x} revoked", self.id));
    }

    fn json(&self, _: Hex) -> String {
        Object::new().maybe("header", header::json(&self.response.header)).finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.response.header, out);
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Err("marshal unsupported for type *clientv3.LeaseRevokeResponse".to_owned())
    }
}

impl Reply for LeaseKeepAliveResponse {
    fn simple(&self, out: &mut Output) {
        out.line(format!("lease {:016x} keepalived with TTL({})", self.id, self.ttl));
    }

    fn json(&self, _: Hex) -> String {
        head(&self.header).always("ID", self.id).always("TTL", self.ttl).finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        header::lease_line("ID", self.id, out);
        out.field("TTL", self.ttl);
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        header_protobuf(&self.header)
    }
}

/// What a lease has left.
#[derive(Debug)]
pub struct TimeToLive {
    /// The answer.
    pub response: LeaseTimeToLiveResponse,
    /// Its keys were asked for.
    pub with_keys: bool,
}

impl Reply for TimeToLive {
    fn simple(&self, out: &mut Output) {
        let LeaseTimeToLiveResponse { id, ttl, granted_ttl, keys, .. } = &self.response;
        if *granted_ttl == 0 && *ttl == -1 {
            return out.line(format!("lease {id:016x} already expired"));
        }
        let mut line =
            format!("lease {id:016x} granted with TTL({granted_ttl}s), remaining({ttl}s)");
        let mut line = std::mem::take(&mut line).into_bytes();
        if self.with_keys {
            line.extend_from_slice(b", attached keys([");
            line.extend_from_slice(&keys.join(&b' '));
            line.extend_from_slice(b"])");
        }
        out.line(line);
    }

    fn json(&self, _: Hex) -> String {
        let response = &self.response;
        head(&response.header)
            .always("id", response.id)
            .always("ttl", response.ttl)
            .always("granted-ttl", response.granted_ttl)
            .always("keys", array_or_null(response.keys.iter().map(|key| base64(key))))
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        let response = &self.response;
        header::lines(&response.header, out);
        header::lease_line("ID", response.id, out);
        out.field("TTL", response.ttl);
        out.field("GrantedTTL", response.granted_ttl);
        response.keys.iter().for_each(|key| out.field("Key", quote(key)));
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        header_protobuf(&self.response.header)
    }
}

impl Reply for LeaseLeasesResponse {
    fn simple(&self, out: &mut Output) {
        out.line(format!("found {} leases", self.leases.len()));
        self.leases.iter().for_each(|lease| out.line(format!("{:016x}", lease.id)));
    }

    fn json(&self, _: Hex) -> String {
        let leases = self.leases.iter().map(|lease| Object::new().always("id", lease.id).finish());
        head(&self.header).always("leases", super::json::array(leases)).finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        self.leases.iter().for_each(|lease| header::lease_line("ID", lease.id, out));
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        header_protobuf(&self.header)
    }
}
