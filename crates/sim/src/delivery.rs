//! The other end of the network: what members get.

use env::Disk;
use node::Node;
use node::network::{Answer, Incoming, Question};
use proto::raftpb::Message;
use snap::Snapshots;
use std::sync::Arc;
use tokio::sync::oneshot;
use types::{Index, MemberId};

use crate::kernel::Owner;
use crate::sim::Sim;

/// How many bytes of a database are written at a time.
const PIECE: usize = 64 << 10;

impl Sim {
    /// A member, if it runs.
    pub(crate) fn node(&self, number: usize) -> Option<Node> {
        Some(self.machines[number].running()?.node())
    }

    /// Tells a process something of what it sent.
    pub(crate) fn report(&self, owner: Owner, incoming: Incoming) {
        if let Owner::Process(number, process) = owner
            && self.machines[number].process == process
            && let Some(node) = self.node(number)
        {
            node.receive(incoming);
        }
    }

    /// A message arrives.
    pub(crate) fn deliver(&self, from: Owner, to: usize, message: Message) {
        self.kernel.count([10 + to as u64, message.index, message.term]);
        let id = MemberId(message.to);
        if let Owner::Process(number, _) = from {
            self.wire.learn(to, MemberId(message.from), number);
        }
        match self.node(to) {
            Some(node) => node.receive(Incoming::Message(Box::new(message))),
            None => {
                let wait = self.wire.latency();
                self.kernel.after(wait, move |sim| sim.report(from, Incoming::Unreachable(id)));
            }
        }
    }

    /// A snapshot's database arrives, or the first bytes of it.
    pub(crate) fn deliver_snapshot(
        &self,
        from: Owner,
        to: usize,
        message: Message,
        content: Vec<u8>,
        kept: usize,
    ) {
        let machine = &self.machines[to];
        let (id, is_whole) = (MemberId(message.to), kept == content.len());
        let index = message.snapshot.as_ref().map_or(0, |snapshot| snapshot.metadata.index);
        let arrived = machine.running().is_some() && {
            machine.disk.begin_at(self.kernel.now());
            let disk: Arc<dyn Disk> = Arc::new(machine.disk.clone());
            let dir = &machine.options.paths.snap;
            let snapshots = Snapshots::new(disk, Arc::new(machine.clock.clone()), dir);
            receive(&snapshots, Index(index), &content[..kept], is_whole)
        };
        self.kernel.note(
            &machine.name(),
            format_args!("is sent a snapshot at {index}, {kept} of {} bytes", content.len()),
        );
        let done = machine.disk.time().max(self.kernel.now());
        let process = machine.process;
        self.kernel.at(done, move |sim| {
            if arrived {
                sim.report(Owner::Process(to, process), Incoming::Snapshot(Box::new(message)));
            }
            let wait = sim.wire.latency();
            let sent = Incoming::SnapshotSent { to: id, arrived };
            sim.kernel.after(wait, move |sim| sim.report(from, sent));
        });
    }

    /// A question arrives.
    pub(crate) fn asked(
        &self,
        from: usize,
        to: usize,
        question: Question,
        sender: oneshot::Sender<Answer>,
    ) {
        let machine = self.machines.get(to);
        let Some(node) = machine.and_then(|machine| Some(machine.running()?.node())) else {
            return;
        };
        if self.wire.is_cut(from, to) || self.wire.is_cut(to, from) {
            return;
        }
        let (wire, owner) = (Arc::clone(&self.wire), self.machines[to].owner());
        let answering = async move {
            let answer = node.answer(question).await;
            let wait = wire.latency();
            wire.kernel.after(wait, move |sim| {
                if !sim.wire.is_cut(to, from) {
                    // Whoever asked may have given up.
                    let _ = sender.send(answer);
                }
            });
        };
        self.kernel.begin(owner, Box::pin(answering));
    }
}

/// Writes what came; whether that is a database now.
fn receive(snapshots: &Snapshots, index: Index, content: &[u8], is_whole: bool) -> bool {
    let Ok(mut writer) = snapshots.receive(index) else { return false };
    let is_written = content.chunks(PIECE).all(|piece| writer.write(piece).is_ok());
    is_written && is_whole && writer.finish().is_ok()
}
