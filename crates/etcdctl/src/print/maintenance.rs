//! A moved leader, and downgrades.

use super::json::Object;
use super::{Hex, Output, Reply, header};
use prost::Message;
use proto::etcdserverpb::{DowngradeResponse, MoveLeaderResponse};

/// The leadership was moved.
#[derive(Debug)]
pub struct LeaderMoved {
    /// The old leader.
    pub from: u64,
    /// The new one.
    pub to: u64,
    /// The answer.
    pub response: MoveLeaderResponse,
}

impl Reply for LeaderMoved {
    fn simple(&self, out: &mut Output) {
        out.line(format!("Leadership transferred from {:x} to {:x}", self.from, self.to));
    }

    fn json(&self, _: Hex) -> String {
        Object::new().maybe("header", header::json(&self.response.header)).finish()
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.response.encode_to_vec())
    }
}

/// A downgrade was checked, begun or given up.
#[derive(Debug)]
pub struct Downgraded {
    /// `validate`, `enable` or `cancel`.
    pub action: &'static str,
    /// The answer.
    pub response: DowngradeResponse,
}

impl Reply for Downgraded {
    fn simple(&self, out: &mut Output) {
        let Self { action, response } = self;
        out.line(format!("Downgrade {action} success, cluster version {}", response.version));
    }

    fn json(&self, _: Hex) -> String {
        Object::new()
            .maybe("header", header::json(&self.response.header))
            .text("version", &self.response.version)
            .finish()
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.response.encode_to_vec())
    }
}
