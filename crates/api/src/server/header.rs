//! The header of answers.

use proto::etcdserverpb::ResponseHeader;

use crate::server::Server;

impl Server {
    /// A header with a revision.
    pub(crate) fn header(&self, revision: i64) -> Option<ResponseHeader> {
        Some(ResponseHeader { revision, ..self.bare_header() })
    }

    /// A header with the store's present revision.
    pub(crate) fn header_now(&self) -> Option<ResponseHeader> {
        self.header(self.node.view().read.revision())
    }

    /// Fills a header that may have its revision already; without one it gets the present one.
    pub(crate) fn fill(&self, header: &mut Option<ResponseHeader>) {
        *header = match header.map_or(0, |header| header.revision) {
            0 => self.header_now(),
            revision => self.header(revision),
        };
    }

    /// A header without a revision.
    pub(crate) fn bare_header(&self) -> ResponseHeader {
        let (cluster, member) = self.node.ids();
        ResponseHeader {
            cluster_id: cluster.get(),
            member_id: member.get(),
            revision: 0,
            raft_term: self.node.term().get(),
        }
    }
}
