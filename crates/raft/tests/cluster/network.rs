//! Messages on their way, and who cannot reach whom.

use std::collections::BTreeSet;

use env::{Rng, SeededRng};
use proto::raftpb::{Message, MessageType};

#[derive(Default)]
pub struct Network {
    messages: Vec<Message>,
    cut: BTreeSet<(u64, u64)>,
}

impl Network {
    pub fn send(&mut self, messages: Vec<Message>) {
        for message in &messages {
            // A wish to hand over names as its sender whoever is to lead.
            let wish = message.message_type == MessageType::TransferLeader;
            assert!(wish || message.from != message.to, "sent to oneself: {message:?}");
        }
        self.messages.extend(messages);
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The next message, in order or, so often in percent, any.
    pub fn take(&mut self, reordering: u64, rng: &mut SeededRng) -> Option<Message> {
        if self.messages.is_empty() {
            return None;
        }
        let any = rng.below(100) < reordering;
        let position = if any { rng.below(self.messages.len() as u64) as usize } else { 0 };
        Some(self.messages.remove(position))
    }

    pub fn is_cut(&self, message: &Message) -> bool {
        self.cut.contains(&(message.from, message.to))
    }

    /// One side cannot reach the other, in both directions or one.
    pub fn partition(&mut self, side: &BTreeSet<u64>, all: &[u64], both: bool) {
        for from in side {
            for to in all.iter().filter(|to| !side.contains(to)) {
                self.cut.insert((*from, *to));
                if both {
                    self.cut.insert((*to, *from));
                }
            }
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Takes out everything for a member.
    pub fn take_all_for(&mut self, to: u64) -> Vec<Message> {
        let all = std::mem::take(&mut self.messages);
        let (found, rest) = all.into_iter().partition(|message| message.to == to);
        self.messages = rest;
        found
    }
}
