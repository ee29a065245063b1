//! Endpoints: health, status and hashes.

use super::json::{Object, array_or_null, string};
use super::table::Table;
use super::{Hex, Output, Reply, header};
use crate::quote::quote;
use crate::say::say;
use proto::etcdserverpb::{HashKvResponse, StatusResponse};

/// Whether one endpoint is healthy.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Which.
    pub endpoint: String,
    /// It is.
    pub healthy: bool,
    /// How long the answer took, as Go prints durations; empty if nobody was asked.
    pub took: String,
    /// What is wrong; empty for nothing.
    pub error: String,
}

/// Whether endpoints are healthy.
#[derive(Debug)]
pub struct HealthList(pub Vec<Health>);

impl Reply for HealthList {
    fn simple(&self, out: &mut Output) {
        for Health { endpoint, took, error, .. } in &self.0 {
            if error.is_empty() {
                let line = "is healthy: successfully committed proposal: took =";
                out.line(format!("{endpoint} {line} {took}"));
            } else {
                say!("{endpoint} is unhealthy: failed to commit proposal: {error}");
            }
        }
    }

    fn json(&self, _: Hex) -> String {
        array_or_null(self.0.iter().map(|health| {
            Object::new()
                .always("endpoint", string(&health.endpoint))
                .always("health", health.healthy)
                .always("took", string(&health.took))
                .text("error", &health.error)
                .finish()
        }))
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        for health in &self.0 {
            out.field("Endpoint", quote(health.endpoint.as_bytes()));
            out.field("Health", health.healthy);
            out.field("Took", &health.took);
            out.field("Error", &health.error);
            out.line("");
        }
        Some(())
    }

    fn table(&self) -> Option<Table> {
        let row = |health: &Health| {
            let Health { endpoint, healthy, took, error } = health.clone();
            vec![endpoint, healthy.to_string(), took, error]
        };
        let head = &["endpoint", "health", "took", "error"];
        Some(Table { head, rows: self.0.iter().map(row).collect() })
    }
}

/// What endpoints say of themselves.
#[derive(Debug)]
pub struct Statuses(pub Vec<(String, StatusResponse)>);

impl Reply for Statuses {
    fn simple(&self, out: &mut Output) {
        let table = self.table().expect("statuses have a table");
        table.lines().iter().for_each(|line| out.line(line));
    }

    fn json(&self, _: Hex) -> String {
        array_or_null(self.0.iter().map(|(endpoint, status)| {
            Object::new()
                .always("Endpoint", string(endpoint))
                .always("Status", status_json(status))
                .finish()
        }))
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        for (endpoint, status) in &self.0 {
            let downgrade = status.downgrade_info.clone().unwrap_or_default();
            header::lines(&status.header, out);
            out.field("Version", quote(status.version.as_bytes()));
            out.field("StorageVersion", quote(status.storage_version.as_bytes()));
            out.field("DBSize", status.db_size);
            out.field("DBSizeInUse", status.db_size_in_use);
            out.field("DBSizeQuota", status.db_size_quota);
            out.field("Leader", status.leader);
            out.field("IsLearner", status.is_learner);
            out.field("RaftIndex", status.raft_index);
            out.field("RaftTerm", status.raft_term);
            out.field("RaftAppliedIndex", status.raft_applied_index);
            out.field("Errors", format_args!("[{}]", status.errors.join(" ")));
            out.field("Endpoint", quote(endpoint.as_bytes()));
            out.field("DowngradeTargetVersion", quote(downgrade.target_version.as_bytes()));
            out.field("DowngradeEnabled", downgrade.enabled);
            out.line("");
        }
        Some(())
    }

    fn table(&self) -> Option<Table> {
        let head = &[
            "endpoint",
            "ID",
            "version",
            "storage version",
            "db size",
            "in use",
            "percentage not in use",
            "quota",
            "is leader",
            "is learner",
            "raft term",
            "raft index",
            "raft applied index",
            "errors",
            "downgrade target version",
            "downgrade enabled",
        ];
        Some(Table { head, rows: self.0.iter().map(status_row).collect() })
    }
}

fn status_row((endpoint, status): &(String, StatusResponse)) -> Vec<String> {
    let id = status.header.unwrap_or_default().member_id;
    let downgrade = status.downgrade_info.clone().unwrap_or_default();
    let used = (status.db_size_in_use * 100).checked_div(status.db_size).unwrap_or(100);
    vec![
        endpoint.clone(),
        format!("{id:x}"),
        status.version.clone(),
        status.storage_version.clone(),
        size(status.db_size),
        size(status.db_size_in_use),
        format!("{}%", 100 - used),
        size(status.db_size_quota),
        (status.leader == id).to_string(),
        status.is_learner.to_string(),
        status.raft_term.to_string(),
        status.raft_index.to_string(),
        status.raft_applied_index.to_string(),
        status.errors.join(", "),
        downgrade.target_version,
        downgrade.enabled.to_string(),
    ]
}

fn status_json(status: &StatusResponse) -> String {
    let downgrade = status.downgrade_info.as_ref().map(|info| {
        Object::new()
            .flag("enabled", info.enabled)
            .text("targetVersion", &info.target_version)
            .finish()
    });
    Object::new()
        .maybe("header", header::json(&status.header))
        .text("version", &status.version)
        .number("dbSize", status.db_size)
        .number("leader", status.leader)
        .number("raftIndex", status.raft_index)
        .number("raftTerm", status.raft_term)
        .number("raftAppliedIndex", status.raft_applied_index)
        .texts("errors", &status.errors)
        .number("dbSizeInUse", status.db_size_in_use)
        .flag("isLearner", status.is_learner)
        .text("storageVersion", &status.storage_version)
        .number("dbSizeQuota", status.db_size_quota)
        .maybe("downgradeInfo", downgrade)
        .finish()
}

/// A number of bytes for people: `20 kB`, `2.1 MB`.
fn size(bytes: i64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut scaled = bytes as f64;
    while scaled >= 1000.0 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let rounded = (scaled * 10.0 + 0.5).floor() / 10.0;
    let digits = usize::from(rounded < 10.0);
    format!("{rounded:.digits$} {}", UNITS[unit])
}

/// The hashes of endpoints' histories.
#[derive(Debug)]
pub struct Hashes(pub Vec<(String, HashKvResponse)>);

impl Reply for Hashes {
    fn simple(&self, out: &mut Output) {
        let table = self.table().expect("hashes have a table");
        table.lines().iter().for_each(|line| out.line(line));
    }

    fn json(&self, _: Hex) -> String {
        array_or_null(self.0.iter().map(|(endpoint, reply)| {
            let hash = Object::new()
                .maybe("header", header::json(&reply.header))
                .number("hash", reply.hash)
                .number("compact_revision", reply.compact_revision)
                .number("hash_revision", reply.hash_revision);
            Object::new()
                .always("Endpoint", string(endpoint))
                .always("HashKV", hash.finish())
                .finish()
        }))
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        for (endpoint, reply) in &self.0 {
            header::lines(&reply.header, out);
            out.field("Endpoint", quote(endpoint.as_bytes()));
            out.field("Hash", reply.hash);
            out.field("HashRevision", reply.hash_revision);
            out.line("");
        }
        Some(())
    }

    fn table(&self) -> Option<Table> {
        let row = |(endpoint, reply): &(String, HashKvResponse)| {
            vec![endpoint.clone(), reply.hash.to_string(), reply.hash_revision.to_string()]
        };
        let head = &["endpoint", "hash", "hash_revision"];
        Some(Table { head, rows: self.0.iter().map(row).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_as_go_rounds_them() {
        let cases = [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (20_480, "20 kB"),
            (16_384, "16 kB"),
            (2_147_483_648, "2.1 GB"),
            (9_950_000, "10 MB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }
}
