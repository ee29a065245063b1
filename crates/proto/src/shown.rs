//! Requests as log lines show them: in etcd's text form, without values, passwords and hashes.
//!
//! Invariants: the text of a request is at most [`SHOWN_BYTES_MAX`] bytes and a few more long; a
//! transaction inside of another is shown by its numbers of operations, so nothing here recurses.

use std::fmt::Write;

use crate::RequestKind;
use crate::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use crate::etcdserverpb::range_request::{SortOrder, SortTarget};
use crate::etcdserverpb::request_op::Request;
use crate::etcdserverpb::{
    Compare, DeleteRangeRequest, InternalRaftRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest,
};

/// How much of a request is shown.
pub const SHOWN_BYTES_MAX: usize = 4096;

/// A request that can be shown.
pub trait Shown {
    /// The request's text.
    fn shown(&self) -> String {
        let mut text = Text::default();
        self.show(&mut text);
        text.finish()
    }

    /// Writes the request's text.
    #[doc(hidden)]
    fn show(&self, text: &mut Text);
}

/// A text under way.
#[derive(Default)]
pub struct Text {
    text: String,
    /// Something stands in the present bracket already.
    follows: bool,
}

impl Text {
    fn is_full(&self) -> bool {
        self.text.len() >= SHOWN_BYTES_MAX
    }

    fn finish(mut self) -> String {
        if self.is_full() {
            let end = self.text.floor_char_boundary(SHOWN_BYTES_MAX);
            self.text.truncate(end);
            self.text.push_str("...");
        }
        self.text
    }

    fn name(&mut self, name: &str) {
        if self.follows {
            self.text.push(' ');
        }
        self.follows = true;
        self.text.push_str(name);
        self.text.push(':');
    }

    fn number(&mut self, name: &str, value: impl Into<i128>) {
        let value = value.into();
        if value != 0 {
            self.always(name, value);
        }
    }

    fn always(&mut self, name: &str, value: impl Into<i128>) {
        self.name(name);
        write!(self.text, "{}", value.into()).expect("a string takes everything");
    }

    fn word(&mut self, name: &str, word: &str) {
        self.name(name);
        self.text.push_str(word);
    }

    fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.word(name, "true");
        }
    }

    /// Bytes in quotes: what does not print in octal, as protobuf's text form has it.
    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.name(name);
        self.text.push('"');
        for byte in bytes.iter().take(SHOWN_BYTES_MAX) {
            match byte {
                b'"' => self.text.push_str("\\\""),
                b'\\' => self.text.push_str("\\\\"),
                b'\n' => self.text.push_str("\\n"),
                b'\r' => self.text.push_str("\\r"),
                b'\t' => self.text.push_str("\\t"),
                b' '..=b'~' => self.text.push(char::from(*byte)),
                _ => write!(self.text, "\\{byte:03o}").expect("a string takes everything"),
            }
        }
        self.text.push('"');
    }

    fn inside(&mut self, name: &str, show: impl FnOnce(&mut Self)) {
        self.name(name);
        self.text.push('<');
        self.follows = false;
        show(self);
        self.text.push('>');
        self.follows = true;
    }
}

impl Shown for RangeRequest {
    fn show(&self, text: &mut Text) {
        text.bytes("key", &self.key);
        text.bytes("range_end", &self.range_end);
        text.number("limit", self.limit);
        text.number("revision", self.revision);
        if self.sort_order != 0 {
            let order = SortOrder::try_from(self.sort_order);
            text.word("sort_order", order.map_or("?", |order| order.as_str_name()));
        }
        if self.sort_target != 0 {
            let target = SortTarget::try_from(self.sort_target);
            text.word("sort_target", target.map_or("?", |target| target.as_str_name()));
        }
        text.flag("serializable", self.serializable);
        text.flag("keys_only", self.keys_only);
        text.flag("count_only", self.count_only);
        text.number("min_mod_revision", self.min_mod_revision);
        text.number("max_mod_revision", self.max_mod_revision);
        text.number("min_create_revision", self.min_create_revision);
        text.number("max_create_revision", self.max_create_revision);
    }
}

impl Shown for PutRequest {
    fn show(&self, text: &mut Text) {
        text.bytes("key", &self.key);
        text.always("value_size", self.value.len() as i64);
        text.number("lease", self.lease);
        text.flag("prev_kv", self.prev_kv);
        text.flag("ignore_value", self.ignore_value);
        text.flag("ignore_lease", self.ignore_lease);
    }
}

impl Shown for DeleteRangeRequest {
    fn show(&self, text: &mut Text) {
        text.bytes("key", &self.key);
        text.bytes("range_end", &self.range_end);
        text.flag("prev_kv", self.prev_kv);
    }
}

impl Shown for Compare {
    fn show(&self, text: &mut Text) {
        if self.result != 0 {
            let result = CompareResult::try_from(self.result);
            text.word("result", result.map_or("?", |result| result.as_str_name()));
        }
        if self.target != 0 {
            let target = CompareTarget::try_from(self.target);
            text.word("target", target.map_or("?", |target| target.as_str_name()));
        }
        text.bytes("key", &self.key);
        match &self.target_union {
            None => {}
            Some(TargetUnion::Version(version)) => text.always("version", *version),
            Some(TargetUnion::CreateRevision(at)) => text.always("create_revision", *at),
            Some(TargetUnion::ModRevision(at)) => text.always("mod_revision", *at),
            Some(TargetUnion::Value(value)) => text.always("value_size", value.len() as i64),
            Some(TargetUnion::Lease(lease)) => text.always("lease", *lease),
        }
        text.bytes("range_end", &self.range_end);
    }
}

impl Shown for TxnRequest {
    fn show(&self, text: &mut Text) {
        text.inside("compare", |text| {
            for compare in &self.compare {
                if text.is_full() {
                    return;
                }
                compare.show(text);
            }
        });
        text.inside("success", |text| show_ops(&self.success, text));
        text.inside("failure", |text| show_ops(&self.failure, text));
    }
}

fn show_ops(ops: &[RequestOp], text: &mut Text) {
    for op in ops {
        if text.is_full() {
            return;
        }
        match &op.request {
            None => {}
            Some(Request::RequestRange(range)) => {
                text.inside("request_range", |text| range.show(text));
            }
            Some(Request::RequestPut(put)) => text.inside("request_put", |text| put.show(text)),
            Some(Request::RequestDeleteRange(delete)) => {
                text.inside("request_delete_range", |text| delete.show(text));
            }
            Some(Request::RequestTxn(txn)) => text.inside("request_txn", |text| {
                text.always("compares", txn.compare.len() as i64);
                text.always("success_ops", txn.success.len() as i64);
                text.always("failure_ops", txn.failure.len() as i64);
            }),
        }
    }
}

impl Shown for InternalRaftRequest {
    fn show(&self, text: &mut Text) {
        if let Some(header) = &self.header {
            text.inside("header", |text| {
                text.number("ID", header.id);
                text.bytes("username", header.username.as_bytes());
                text.number("auth_revision", header.auth_revision);
            });
        }
        let field = RequestKind::of(self).field();
        text.inside(field, |text| {
            if let Some(range) = &self.range {
                range.show(text);
            } else if let Some(put) = &self.put {
                put.show(text);
            } else if let Some(delete) = &self.delete_range {
                delete.show(text);
            } else if let Some(txn) = &self.txn {
                txn.show(text);
            } else {
                self.show_number(text);
                text.bytes("name", self.user_or_role().as_bytes());
            }
        });
    }
}

impl InternalRaftRequest {
    /// What tells one request from another where it is no name.
    fn show_number(&self, text: &mut Text) {
        if let Some(compaction) = &self.compaction {
            text.number("revision", compaction.revision);
            text.flag("physical", compaction.physical);
        } else if let Some(grant) = &self.lease_grant {
            text.number("TTL", grant.ttl);
            text.word("ID", &format!("{:x}", grant.id));
        } else if let Some(revoke) = &self.lease_revoke {
            text.word("ID", &format!("{:x}", revoke.id));
        } else if let Some(checkpoint) = &self.lease_checkpoint {
            text.always("checkpoints", checkpoint.checkpoints.len() as i64);
        } else if let Some(alarm) = &self.alarm {
            text.number("action", alarm.action);
            text.word("memberID", &format!("{:x}", alarm.member_id));
            text.number("alarm", alarm.alarm);
        }
    }

    /// The user or role that a request is about.
    fn user_or_role(&self) -> &str {
        macro_rules! first {
            ($($field:ident.$name:ident),*) => {
                $(if let Some(request) = &self.$field {
                    return &request.$name;
                })*
            };
        }
        first!(
            authenticate.name,
            auth_user_add.name,
            auth_user_delete.name,
            auth_user_get.name,
            auth_user_change_password.name,
            auth_user_grant_role.user,
            auth_user_revoke_role.name,
            auth_role_add.name,
            auth_role_delete.role,
            auth_role_get.role,
            auth_role_grant_permission.name,
            auth_role_revoke_permission.role
        );
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcdserverpb::{AuthUserAddRequest, RequestHeader};

    #[test]
    fn values_and_passwords_are_not_shown() {
        let put = PutRequest {
            key: "a\u{1}\"é".into(),
            value: "secret".into(),
            lease: 7,
            ..PutRequest::default()
        };
        assert_eq!(put.shown(), r#"key:"a\001\"\303\251" value_size:6 lease:7"#);
        let user = AuthUserAddRequest {
            name: "u".to_owned(),
            password: "secret".to_owned(),
            hashed_password: "secret".to_owned(),
            options: None,
        };
        let header = RequestHeader { id: 5, username: "root".to_owned(), auth_revision: 2 };
        let request = InternalRaftRequest {
            header: Some(header),
            auth_user_add: Some(user),
            ..InternalRaftRequest::default()
        };
        assert_eq!(
            request.shown(),
            r#"header:<ID:5 username:"root" auth_revision:2> auth_user_add:<name:"u">"#
        );
    }

    #[test]
    fn a_transaction_shows_its_compares_and_operations() {
        let compare = Compare {
            result: CompareResult::Greater.into(),
            target: CompareTarget::Value.into(),
            key: "b".into(),
            range_end: "".into(),
            target_union: Some(TargetUnion::Value("secret".into())),
        };
        let range = RangeRequest {
            key: "b".into(),
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Mod.into(),
            keys_only: true,
            ..RangeRequest::default()
        };
        let inner = TxnRequest { compare: vec![compare.clone()], ..TxnRequest::default() };
        let op = |request| RequestOp { request: Some(request) };
        let txn = TxnRequest {
            compare: vec![compare],
            success: vec![op(Request::RequestRange(range))],
            failure: vec![op(Request::RequestTxn(inner))],
        };
        assert_eq!(
            txn.shown(),
            "compare:<result:GREATER target:VALUE key:\"b\" value_size:6> \
             success:<request_range:<key:\"b\" sort_order:DESCEND sort_target:MOD keys_only:true>> \
             failure:<request_txn:<compares:1 success_ops:0 failure_ops:0>>"
        );
    }

    #[test]
    fn a_huge_request_is_cut() {
        let delete = DeleteRangeRequest { key: vec![0; 1 << 20].into(), ..Default::default() };
        let op = RequestOp { request: Some(Request::RequestDeleteRange(delete)) };
        let txn = TxnRequest { success: vec![op; 128], ..TxnRequest::default() };
        let text = txn.shown();
        assert_eq!(text.len(), SHOWN_BYTES_MAX + 3);
        assert!(text.ends_with("..."));
    }
}
