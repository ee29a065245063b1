//! What replies look like: a file per family of replies, each with all formats.
//!
//! Invariants: the same reply is the same bytes as Go's `etcdctl` 3.7 prints; nothing is printed in
//! a format that Go refuses.

mod alarm;
mod auth;
mod endpoint;
mod header;
mod json;
mod kv;
mod lease;
mod maintenance;
mod member;
mod table;

pub use auth::{RoleGranted, RoleInfo, RolePlain, RoleRevoked, UserPlain, UserRoles};
pub use endpoint::{Hashes, Health, HealthList, Statuses};
pub use kv::{Values, event_type};
pub use lease::{Revoked, TimeToLive};
pub use maintenance::{Downgraded, LeaderMoved};
pub use member::{Added, Changed};

use crate::cli::Format;
use crate::failure::{BAD_FEATURE, Failure};
use std::fmt::Display;

/// Something that can be printed.
pub trait Reply {
    /// For people.
    fn simple(&self, out: &mut Output);

    /// As JSON.
    fn json(&self, hex: Hex) -> String;

    /// A field per line; `None` where Go has no such form.
    fn fields(&self, _out: &mut Output) -> Option<()> {
        None
    }

    /// The message as bytes; an error says why there are none.
    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Err("protobuf not supported as output format".to_owned())
    }

    /// Head and rows; `None` where Go has no such form.
    fn table(&self) -> Option<table::Table> {
        None
    }
}

/// Whether bytes and ids are printed in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hex {
    /// They are.
    On,
    /// They are not.
    Off,
}

/// Where lines go.
#[derive(Debug)]
pub struct Output {
    bytes: Vec<u8>,
    /// How bytes and ids are printed.
    pub hex: Hex,
}

impl Output {
    /// A line.
    pub fn line(&mut self, text: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(text.as_ref());
        self.bytes.push(b'\n');
    }

    /// A line of the format `fields`.
    pub fn field(&mut self, name: &str, value: impl Display) {
        self.line(format!("\"{name}\" : {value}"));
    }

    /// A field that is an id: as a number, or in hexadecimal.
    pub fn id(&mut self, name: &str, id: u64) {
        match self.hex {
            Hex::On => self.field(name, format_args!("{id:x}")),
            Hex::Off => self.field(name, id),
        }
    }
}

/// The bytes of a reply in a format.
///
/// # Errors
/// If the reply has no such form.
pub fn render(reply: &dyn Reply, format: Format, hex: bool) -> Result<Vec<u8>, Failure> {
    let hex = if hex { Hex::On } else { Hex::Off };
    let mut out = Output { bytes: Vec::new(), hex };
    let unsupported = |name: &str| {
        Failure::new(BAD_FEATURE, format_args!("{name} not supported as output format"))
    };
    match format {
        Format::Simple => reply.simple(&mut out),
        Format::Json => out.line(reply.json(hex)),
        Format::Fields => reply.fields(&mut out).ok_or_else(|| unsupported("fields"))?,
        Format::Table => {
            let table = reply.table().ok_or_else(|| unsupported("table"))?;
            out.bytes.extend_from_slice(table.render().as_bytes());
        }
        Format::Protobuf => {
            out.bytes = reply.protobuf().map_err(|why| Failure::new(BAD_FEATURE, why))?;
        }
    }
    Ok(out.bytes)
}
