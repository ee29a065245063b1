//! Keys, transactions and watches.

use super::json::{Object, array_or_null};
use super::{Hex, Output, Reply, header};
use crate::quote::quote;
use prost::Message;
use proto::etcdserverpb::response_op::Response;
use proto::etcdserverpb::{
    DeleteRangeResponse, PutResponse, RangeResponse, TxnResponse, WatchResponse,
};
use proto::mvccpb::event::EventType;
use proto::mvccpb::{Event, KeyValue};

/// A reply with keys of which only the values are printed.
#[derive(Debug)]
pub struct Values(pub RangeResponse);

impl Reply for Values {
    fn simple(&self, out: &mut Output) {
        for kv in &self.0.kvs {
            bytes(&kv.value, out);
        }
    }

    fn json(&self, hex: Hex) -> String {
        self.0.json(hex)
    }
}

impl Reply for RangeResponse {
    fn simple(&self, out: &mut Output) {
        self.kvs.iter().for_each(|kv| pair(kv, out));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.header))
            .list("kvs", self.kvs.iter().map(kv_json))
            .flag("more", self.more)
            .number("count", self.count)
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        self.kvs.iter().for_each(|kv| kv_lines("", kv, out));
        out.field("More", self.more);
        out.field("Count", self.count);
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}

impl Reply for PutResponse {
    fn simple(&self, out: &mut Output) {
        out.line("OK");
        self.prev_kv.iter().for_each(|kv| pair(kv, out));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.header))
            .maybe("prev_kv", self.prev_kv.as_ref().map(kv_json))
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        self.prev_kv.iter().for_each(|kv| kv_lines("Prev", kv, out));
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}

impl Reply for DeleteRangeResponse {
    fn simple(&self, out: &mut Output) {
        out.line(self.deleted.to_string());
        self.prev_kvs.iter().for_each(|kv| pair(kv, out));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.header))
            .number("deleted", self.deleted)
            .list("prev_kvs", self.prev_kvs.iter().map(kv_json))
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        out.field("Deleted", self.deleted);
        self.prev_kvs.iter().for_each(|kv| kv_lines("Prev", kv, out));
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}

impl Reply for TxnResponse {
    fn simple(&self, out: &mut Output) {
        out.line(if self.succeeded { "SUCCESS" } else { "FAILURE" });
        for operation in &self.responses {
            out.line("");
            match &operation.response {
                Some(Response::ResponseRange(range)) => range.simple(out),
                Some(Response::ResponsePut(put)) => put.simple(out),
                Some(Response::ResponseDeleteRange(delete)) => delete.simple(out),
                Some(Response::ResponseTxn(_)) | None => out.line("unexpected response"),
            }
        }
    }

    fn json(&self, hex: Hex) -> String {
        let responses = self.responses.iter().map(|operation| {
            let object = match &operation.response {
                Some(Response::ResponseRange(range)) => {
                    Object::new().always("response_range", range.json(hex))
                }
                Some(Response::ResponsePut(put)) => {
                    Object::new().always("response_put", put.json(hex))
                }
                Some(Response::ResponseDeleteRange(delete)) => {
                    Object::new().always("response_delete_range", delete.json(hex))
                }
                Some(Response::ResponseTxn(txn)) => {
                    Object::new().always("response_txn", txn.json(hex))
                }
                None => Object::new(),
            };
            Object::new().always("Response", object.finish()).finish()
        });
        Object::new()
            .maybe("header", header::json(&self.header))
            .flag("succeeded", self.succeeded)
            .list("responses", responses)
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        out.field("Succeeded", self.succeeded);
        for operation in &self.responses {
            match &operation.response {
                Some(Response::ResponseRange(range)) => range.fields(out)?,
                Some(Response::ResponsePut(put)) => put.fields(out)?,
                Some(Response::ResponseDeleteRange(delete)) => delete.fields(out)?,
                Some(Response::ResponseTxn(_)) | None => out.field("Unknown", "\"\""),
            }
        }
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}

impl Reply for WatchResponse {
    fn simple(&self, out: &mut Output) {
        for event in &self.events {
            out.line(event_type(event));
            event.prev_kv.iter().for_each(|kv| pair(kv, out));
            event.kv.iter().for_each(|kv| pair(kv, out));
        }
    }

    fn json(&self, _: Hex) -> String {
        let header = header::fields(&self.header.unwrap_or_default()).finish();
        let events = self.events.iter().map(|event| {
            Object::new()
                .number("type", event.r#type)
                .maybe("kv", event.kv.as_ref().map(kv_json))
                .maybe("prev_kv", event.prev_kv.as_ref().map(kv_json))
                .finish()
        });
        // An empty list of events comes from the wire as a list that was made.
        let events = if self.events.is_empty() { "[]".to_owned() } else { array_or_null(events) };
        Object::new()
            .always("Header", header)
            .always("Events", events)
            .always("CompactRevision", self.compact_revision)
            .always("Canceled", self.canceled)
            .always("Created", self.created)
            .always("CancelReason", super::json::string(&self.cancel_reason))
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        for event in &self.events {
            out.field("Type", event_type(event));
            event.prev_kv.iter().for_each(|kv| kv_lines("Prev", kv, out));
            event.kv.iter().for_each(|kv| kv_lines("", kv, out));
        }
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        let shown = WatchResponse {
            header: Some(self.header.unwrap_or_default()),
            events: self.events.clone(),
            compact_revision: self.compact_revision,
            canceled: self.canceled,
            created: self.created,
            ..WatchResponse::default()
        };
        Ok(shown.encode_to_vec())
    }
}

/// `PUT` or `DELETE`.
pub fn event_type(event: &Event) -> &'static str {
    match event.r#type() {
        EventType::Put => "PUT",
        EventType::Delete => "DELETE",
    }
}

fn pair(kv: &KeyValue, out: &mut Output) {
    bytes(&kv.key, out);
    bytes(&kv.value, out);
}

fn bytes(bytes: &[u8], out: &mut Output) {
    match out.hex {
        Hex::On => {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            out.line(digits.concat());
        }
        Hex::Off => out.line(bytes),
    }
}

fn kv_json(kv: &KeyValue) -> String {
    Object::new()
        .bytes("key", &kv.key)
        .number("create_revision", kv.create_revision)
        .number("mod_revision", kv.mod_revision)
        .number("version", kv.version)
        .bytes("value", &kv.value)
        .number("lease", kv.lease)
        .finish()
}

fn kv_lines(prefix: &str, kv: &KeyValue, out: &mut Output) {
    out.field(&format!("{prefix}Key"), quote(&kv.key));
    out.field(&format!("{prefix}CreateRevision"), kv.create_revision);
    out.field(&format!("{prefix}ModRevision"), kv.mod_revision);
    out.field(&format!("{prefix}Version"), kv.version);
    out.field(&format!("{prefix}Value"), quote(&kv.value));
    header::lease_line(&format!("{prefix}Lease"), kv.lease, out);
}
