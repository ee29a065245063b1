//! Users, roles and whether authentication is on.

use super::json::Object;
use super::{Hex, Output, Reply, header};
use crate::quote::quote;
use bytes::Bytes;
use client::end_of_prefix;
use prost::Message;
use proto::authpb::Permission;
use proto::authpb::permission::Type;
use proto::etcdserverpb::{
    AuthRoleAddResponse, AuthRoleGetResponse, AuthRoleListResponse, AuthStatusResponse,
    AuthUserGetResponse, AuthUserListResponse, ResponseHeader,
};

fn header_json(header: &Option<ResponseHeader>) -> String {
    Object::new().maybe("header", header::json(header)).finish()
}

/// Messages that hold a header only have the same bytes.
fn header_protobuf(header: &Option<ResponseHeader>) -> Vec<u8> {
    AuthRoleAddResponse { header: *header }.encode_to_vec()
}

impl Reply for AuthStatusResponse {
    fn simple(&self, out: &mut Output) {
        out.line(format!("Authentication Status: {}", self.enabled));
        out.line(format!("AuthRevision: {}", self.auth_revision));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.header))
            .flag("enabled", self.enabled)
            .number("authRevision", self.auth_revision)
            .finish()
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}

/// An answer with nothing but a header: a sentence says what happened.
macro_rules! sentence {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            /// Printed in the format `simple`.
            pub text: String,
            /// Of the answer.
            pub header: Option<ResponseHeader>,
        }

        impl Reply for $name {
            fn simple(&self, out: &mut Output) {
                out.line(&self.text);
            }

            fn json(&self, _: Hex) -> String {
                header_json(&self.header)
            }

            fn fields(&self, out: &mut Output) -> Option<()> {
                header::lines(&self.header, out);
                Some(())
            }

            fn protobuf(&self) -> Result<Vec<u8>, String> {
                Ok(header_protobuf(&self.header))
            }
        }
    };
}

sentence!(
    /// Something was done to a user.
    UserPlain
);
sentence!(
    /// Something was done to a role.
    RolePlain
);
sentence!(
    /// A permission was granted.
    RoleGranted
);

/// A permission was revoked.
#[derive(Debug)]
pub struct RoleRevoked {
    /// From which role.
    pub role: String,
    /// The key as it was given.
    pub key: Bytes,
    /// The end that was sent.
    pub end: Bytes,
    /// Of the answer.
    pub header: Option<ResponseHeader>,
}

impl Reply for RoleRevoked {
    fn simple(&self, out: &mut Output) {
        let what: &[&[u8]] = match &self.end[..] {
            b"" => &[b"key ", &self.key],
            b"\0" => &[b"range [", &self.key, b", <open ended>"],
            end => &[b"range [", &self.key, b", ", end, b")"],
        };
        let role = self.role.as_bytes();
        out.line([b"Permission of ", &what.concat()[..], b" is revoked from role ", role].concat());
    }

    fn json(&self, _: Hex) -> String {
        header_json(&self.header)
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(header_protobuf(&self.header))
    }
}

/// What a role may do.
#[derive(Debug)]
pub struct RoleInfo {
    /// Which role.
    pub role: String,
    /// The answer.
    pub response: AuthRoleGetResponse,
}

impl Reply for RoleInfo {
    fn simple(&self, out: &mut Output) {
        out.line(format!("Role {}", self.role));
        let everything = self.role == "root" && self.response.perm.is_empty();
        for (title, other) in [("KV Read:", Type::Write), ("KV Write:", Type::Read)] {
            out.line(title);
            if everything {
                out.line("\t[, <open ended>");
            }
            let permitted = self.response.perm.iter().filter(|perm| perm.perm_type() != other);
            permitted.for_each(|permission| permission_line(permission, out));
        }
    }

    fn json(&self, _: Hex) -> String {
        let permissions = self.response.perm.iter().map(|permission| {
            Object::new()
                .number("permType", permission.perm_type)
                .bytes("key", &permission.key)
                .bytes("range_end", &permission.range_end)
                .finish()
        });
        Object::new()
            .maybe("header", header::json(&self.response.header))
            .list("perm", permissions)
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.response.header, out);
        for permission in &self.response.perm {
            out.field("PermType", format_args!(" {}", permission.perm_type().as_str_name()));
            out.field("Key", quote(&permission.key));
            out.field("RangeEnd", quote(&permission.range_end));
        }
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.response.encode_to_vec())
    }
}

fn permission_line(permission: &Permission, out: &mut Output) {
    let Permission { key, range_end, .. } = permission;
    let mut line = b"\t".to_vec();
    if range_end.is_empty() {
        line.extend_from_slice(key);
        return out.line(line);
    }
    line.extend_from_slice(&[b"[", &key[..], b", "].concat());
    match &range_end[..] {
        b"\0" => line.extend_from_slice(b"<open ended>"),
        end => line.extend_from_slice(&[end, b")"].concat()),
    }
    if !key.is_empty() && end_of_prefix(key) == range_end {
        line.extend_from_slice(&[b" (prefix ", &key[..], b")"].concat());
    }
    out.line(line);
}

impl Reply for AuthRoleListResponse {
    fn simple(&self, out: &mut Output) {
        self.roles.iter().for_each(|role| out.line(role));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.header))
            .texts("roles", &self.roles)
            .finish()
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        let roles: Vec<String> =
            self.roles.iter().map(|role| format!(" {}", quote(role.as_bytes()))).collect();
        out.line(format!("\"Roles\" :{}", roles.concat()));
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}

/// The roles of a user.
#[derive(Debug)]
pub struct UserRoles {
    /// Which user.
    pub user: String,
    /// The answer.
    pub response: AuthUserGetResponse,
}

impl Reply for UserRoles {
    fn simple(&self, out: &mut Output) {
        out.line(format!("User: {}", self.user));
        let roles: Vec<String> =
            self.response.roles.iter().map(|role| format!(" {role}")).collect();
        out.line(format!("Roles:{}", roles.concat()));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.response.header))
            .texts("roles", &self.response.roles)
            .finish()
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.response.encode_to_vec())
    }
}

impl Reply for AuthUserListResponse {
    fn simple(&self, out: &mut Output) {
        self.users.iter().for_each(|user| out.line(user));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.header))
            .texts("users", &self.users)
            .finish()
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }
}
