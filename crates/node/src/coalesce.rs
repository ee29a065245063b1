//! Messages that leave together: two that say no more than one are sent as one.
//!
//! Knows raft's messages by their form only. Invariant: who takes what is left is in the state in
//! which all of them one after the other leave it.

use proto::raftpb::{Entry, Message, MessageType};

/// Entries are not added to a message that has this many bytes of them.
const MERGED_BYTES_MAX: usize = 1 << 20;

/// Merges neighbours on the way to one member: appends that follow on one another, and
/// acknowledgements of which the second says all.
#[must_use]
pub fn coalesce(messages: Vec<Message>) -> Vec<Message> {
    let mut merged: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        let before = merged.iter_mut().rev().find(|before| before.to == message.to);
        match before {
            Some(before) if follows(before, &message) => extend(before, message),
            Some(before) if acknowledges_more(before, &message) => *before = message,
            _ => merged.push(message),
        }
    }
    merged
}

fn are_alike(before: &Message, message: &Message, kind: MessageType) -> bool {
    before.message_type == kind
        && message.message_type == kind
        && before.term == message.term
        && before.from == message.from
        && before.context.is_empty()
        && message.context.is_empty()
}

/// Whether an append goes on where another ends.
fn follows(before: &Message, message: &Message) -> bool {
    let last = before.entries.last();
    let end = last.map_or((before.index, before.log_term), |last| (last.index, last.term));
    are_alike(before, message, MessageType::App)
        && (message.index, message.log_term) == end
        && before.commit <= message.commit
        && (bytes(&before.entries) < MERGED_BYTES_MAX || message.entries.is_empty())
}

fn bytes(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.data.len()).sum()
}

fn extend(before: &mut Message, message: Message) {
    before.entries.extend(message.entries);
    before.commit = message.commit;
}

fn acknowledges_more(before: &Message, message: &Message) -> bool {
    are_alike(before, message, MessageType::AppResp)
        && !before.reject
        && !message.reject
        && before.index <= message.index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(to: u64, index: u64, entries: u64, commit: u64) -> Message {
        let entry = |index| Entry { index, term: 2, data: vec![0; 10].into(), ..Entry::default() };
        Message {
            message_type: MessageType::App,
            to,
            from: 1,
            term: 2,
            log_term: 2,
            index,
            commit,
            entries: (index + 1..=index + entries).map(entry).collect(),
            ..Message::default()
        }
    }

    fn acknowledge(index: u64, reject: bool) -> Message {
        let message_type = MessageType::AppResp;
        Message { message_type, to: 1, from: 2, term: 2, index, reject, ..Message::default() }
    }

    #[test]
    fn appends_that_follow_on_one_another_are_one() {
        let sent =
            vec![append(2, 5, 0, 5), append(3, 5, 0, 5), append(2, 5, 2, 5), append(3, 5, 2, 5)];
        let sent = sent.into_iter().chain([append(2, 7, 1, 6)]).collect();
        assert_eq!(coalesce(sent), [append(2, 5, 3, 6), append(3, 5, 2, 5)]);
    }

    #[test]
    fn appends_with_a_gap_or_another_term_stay() {
        let mut later = append(2, 7, 1, 5);
        later.term = 3;
        let sent = vec![append(2, 5, 1, 5), append(2, 7, 1, 5), later];
        assert_eq!(coalesce(sent.clone()), sent);
    }

    #[test]
    fn the_last_acknowledgement_says_all_but_a_refusal_is_kept() {
        let sent = vec![acknowledge(4, false), acknowledge(6, false), acknowledge(6, true)];
        assert_eq!(coalesce(sent), [acknowledge(6, false), acknowledge(6, true)]);
        let sent = vec![acknowledge(6, false), acknowledge(4, false)];
        assert_eq!(coalesce(sent.clone()), sent);
    }
}
