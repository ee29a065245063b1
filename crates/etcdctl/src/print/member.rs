//! Members.

use super::json::{Object, array, string};
use super::table::Table;
use super::{Hex, Output, Reply, header};
use crate::quote::quote;
use prost::Message;
use proto::etcdserverpb::{Member, MemberAddResponse, MemberListResponse, ResponseHeader};

fn member_json(member: &Member, hex: Hex) -> String {
    let object = match hex {
        Hex::On => Object::new().always("ID", format_args!("\"{:x}\"", member.id)),
        Hex::Off => Object::new().number("ID", member.id),
    };
    object
        .text("name", &member.name)
        .texts("peerURLs", &member.peer_urls)
        .texts("clientURLs", &member.client_urls)
        .flag("isLearner", member.is_learner)
        .finish()
}

/// A header, a member if there is one, and all members.
fn json(
    header: &Option<ResponseHeader>,
    member: Option<&Member>,
    members: &[Member],
    hex: Hex,
) -> String {
    let one = member.map(|member| member_json(member, hex));
    let all = members.iter().map(|member| member_json(member, hex));
    match hex {
        Hex::On => Object::new()
            .always("header", header::json_hex(header))
            .maybe("member", one)
            .always("members", array(all)),
        Hex::Off => Object::new()
            .maybe("header", header::json(header))
            .maybe("member", one)
            .list("members", all),
    }
    .finish()
}

impl Reply for MemberListResponse {
    fn simple(&self, out: &mut Output) {
        let table = self.table().expect("a list of members has a table");
        table.lines().iter().for_each(|line| out.line(line));
    }

    fn json(&self, hex: Hex) -> String {
        json(&self.header, None, &self.members, hex)
    }

    fn fields(&self, out: &mut Output) -> Option<()> {
        header::lines(&self.header, out);
        for member in &self.members {
            out.id("ID", member.id);
            out.field("Name", quote(member.name.as_bytes()));
            member.peer_urls.iter().for_each(|url| out.field("PeerURL", string(url)));
            member.client_urls.iter().for_each(|url| out.field("ClientURL", string(url)));
            out.field("IsLearner", member.is_learner);
            out.line("");
        }
        Some(())
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.encode_to_vec())
    }

    fn table(&self) -> Option<Table> {
        let row = |member: &Member| {
            vec![
                format!("{:x}", member.id),
                if member.name.is_empty() { "unstarted" } else { "started" }.to_owned(),
                member.name.clone(),
                member.peer_urls.join(","),
                member.client_urls.join(","),
                member.is_learner.to_string(),
            ]
        };
        let head = &["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"];
        Some(Table { head, rows: self.members.iter().map(row).collect() })
    }
}

/// A member was added.
#[derive(Debug)]
pub struct Added<'a>(pub &'a MemberAddResponse);

impl Reply for Added<'_> {
    fn simple(&self, out: &mut Output) {
        let member = self.0.member.clone().unwrap_or_default();
        let learner = if member.is_learner { " as learner " } else { " " };
        let cluster = self.0.header.unwrap_or_default().cluster_id;
        out.line(format!("Member {:>16x} added{learner}to cluster {cluster:>16x}", member.id));
    }

    fn json(&self, hex: Hex) -> String {
        json(&self.0.header, self.0.member.as_ref(), &self.0.members, hex)
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.encode_to_vec())
    }
}

/// A member was removed, updated or promoted: the three answers look the same.
#[derive(Debug)]
pub struct Changed {
    /// Which.
    pub id: u64,
    /// Such as `removed from`.
    pub what: &'static str,
    /// Of the answer.
    pub header: Option<ResponseHeader>,
    /// Of the answer.
    pub members: Vec<Member>,
}

impl Reply for Changed {
    fn simple(&self, out: &mut Output) {
        let cluster = self.header.unwrap_or_default().cluster_id;
        out.line(format!("Member {:>16x} {} cluster {cluster:>16x}", self.id, self.what));
    }

    fn json(&self, hex: Hex) -> String {
        json(&self.header, None, &self.members, hex)
    }

    fn protobuf(&self) -> Result<Vec<u8>, String> {
        let Self { header, members, .. } = self;
        Ok(MemberListResponse { header: *header, members: members.clone() }.encode_to_vec())
    }
}
