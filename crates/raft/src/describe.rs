//! Text for people: messages, entries and states as etcd's raft library prints them.

use std::fmt::Write;

use proto::raftpb::{
    ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Entry, HardState, Message, Snapshot,
};
use types::MemberId;

use crate::confchange::ConfChangeEntry;
use crate::raft::SoftState;
use crate::ready::Ready;
use crate::{LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, NONE};

/// A message on one line, and more lines for many entries, a snapshot or responses.
#[must_use]
pub fn message(m: &Message) -> String {
    indented_message("", m)
}

fn indented_message(indent: &str, m: &Message) -> String {
    let (from, to) = (target(MemberId(m.from)), target(MemberId(m.to)));
    let mut out = format!(
        "{indent}{from}->{to} {} Term:{} Log:{}/{}",
        m.message_type, m.term, m.log_term, m.index
    );
    if m.reject {
        let _ = write!(out, " Rejected (Hint: {})", m.reject_hint);
    }
    if m.commit != 0 {
        let _ = write!(out, " Commit:{}", m.commit);
    }
    if m.vote != 0 {
        let _ = write!(out, " Vote:{}", m.vote);
    }
    match m.entries.as_slice() {
        [] => {}
        [one] => {
            let _ = write!(out, " Entries:[{}]", entry(one));
        }
        many => {
            let lines: String = many.iter().map(|e| format!("\n{indent}  {}", entry(e))).collect();
            let _ = write!(out, " Entries:[{lines}\n{indent}]");
        }
    }
    if let Some(snapshot) = m.snapshot.as_deref().filter(|snapshot| !snapshot.is_empty()) {
        let _ = write!(out, "\n{indent}  Snapshot: {}", self::snapshot(snapshot));
    }
    if !m.responses.is_empty() {
        let deeper = format!("{indent}  ");
        let lines = m.responses.iter().map(|r| format!("\n{}", indented_message(&deeper, r)));
        let _ = write!(out, " Responses:[{}\n{indent}]", lines.collect::<String>());
    }
    out
}

fn target(id: MemberId) -> String {
    match id {
        NONE => "None".to_owned(),
        LOCAL_APPEND_THREAD => "AppendThread".to_owned(),
        LOCAL_APPLY_THREAD => "ApplyThread".to_owned(),
        id => id.to_string(),
    }
}

/// An entry: `term/index type content`.
#[must_use]
pub fn entry(e: &Entry) -> String {
    let content = match ConfChangeEntry::decode(e) {
        Ok(None) => quote(&e.data),
        Ok(Some(change)) => conf_changes(&change.into_v2().changes),
        Err(error) => error.to_string(),
    };
    let space = if content.is_empty() { "" } else { " " };
    format!("{}/{} {}{space}{content}", e.term, e.index, e.entry_type)
}

/// Entries, each on a line of its own.
#[must_use]
pub fn entries(entries: &[Entry]) -> String {
    entries.iter().map(|e| entry(e) + "\n").collect()
}

/// Steps of a configuration change: `v1 l2 r3 u4` for voter, learner, remove, update.
#[must_use]
pub fn conf_changes(changes: &[ConfChangeSingle]) -> String {
    let step = |change: &ConfChangeSingle| {
        let letter = match change.change_type {
            ConfChangeType::AddNode => 'v',
            ConfChangeType::AddLearnerNode => 'l',
            ConfChangeType::RemoveNode => 'r',
            ConfChangeType::UpdateNode => 'u',
        };
        format!("{letter}{}", change.node_id)
    };
    changes.iter().map(step).collect::<Vec<_>>().join(" ")
}

/// A configuration change with all its fields.
#[must_use]
pub fn conf_change(change: &ConfChangeV2) -> String {
    let mut out = format!("transition:{}", change.transition);
    for step in &change.changes {
        let _ = write!(out, " changes:{{type:{} node_id:{}}}", step.change_type, step.node_id);
    }
    if !change.context.is_empty() {
        let _ = write!(out, " context:{}", quote(&change.context));
    }
    out
}

/// Who takes part, list by list.
#[must_use]
pub fn conf_state(state: &ConfState) -> String {
    format!(
        "Voters:{} VotersOutgoing:{} Learners:{} LearnersNext:{} AutoLeave:{}",
        numbers(&state.voters),
        numbers(&state.voters_outgoing),
        numbers(&state.learners),
        numbers(&state.learners_next),
        state.auto_leave
    )
}

fn numbers<T: ToString>(numbers: &[T]) -> String {
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!("[{}]", numbers.join(" "))
}

/// Where a snapshot stands.
#[must_use]
pub fn snapshot(snapshot: &Snapshot) -> String {
    let at = &snapshot.metadata;
    format!("Index:{} Term:{} ConfState:{}", at.index, at.term, conf_state(&at.conf_state))
}

/// What has to be stored.
#[must_use]
pub fn hard_state(state: &HardState) -> String {
    let vote = if state.vote == 0 { String::new() } else { format!(" Vote:{}", state.vote) };
    format!("Term:{}{vote} Commit:{}", state.term, state.commit)
}

/// Who leads, and what the member is.
#[must_use]
pub fn soft_state(state: SoftState) -> String {
    format!("Lead:{} State:{}", state.lead.0, state.role)
}

/// Everything that is to be done by `id`. Jobs are shown both as what they hold and as messages,
/// as etcd-raft has them.
#[must_use]
pub fn ready(ready: &Ready, id: MemberId) -> String {
    let append = ready.append.as_ref();
    let apply = ready.apply.as_ref();
    let mut out = String::new();
    if let Some(state) = ready.soft_state {
        let _ = writeln!(out, "{}", soft_state(state));
    }
    if let Some(state) = ready.hard_state.or_else(|| append?.hard_state) {
        let _ = writeln!(out, "HardState {}", hard_state(&state));
    }
    if !ready.read_states.is_empty() {
        let read = |r: &crate::ReadState| format!("{{{} {}}}", r.index, numbers(&r.context));
        let states: Vec<_> = ready.read_states.iter().map(read).collect();
        let _ = writeln!(out, "ReadStates {}", numbers(&states));
    }
    let stored = append.map_or(&ready.entries, |job| &job.entries);
    if !stored.is_empty() {
        let _ = write!(out, "Entries:\n{}", entries(stored));
    }
    if let Some(s) = ready.snapshot.as_ref().or_else(|| append?.snapshot.as_ref()) {
        let _ = writeln!(out, "Snapshot {}", snapshot(s));
    }
    let committed = apply.map_or(&ready.committed_entries, |job| &job.entries);
    if !committed.is_empty() {
        let _ = write!(out, "CommittedEntries:\n{}", entries(committed));
    }
    let jobs = append.map(|job| job.to_message(id)).into_iter();
    let jobs: Vec<_> = jobs.chain(apply.map(|job| job.to_message(id))).collect();
    if !ready.messages.is_empty() || !jobs.is_empty() {
        out.push_str("Messages:\n");
        for m in ready.messages.iter().chain(&jobs) {
            let _ = writeln!(out, "{}", message(m));
        }
    }
    if out.is_empty() {
        return "<empty Ready>".to_owned();
    }
    format!("Ready MustSync={}:\n{out}", ready.must_sync)
}

/// A change of leader as etcd's raft loop logs it; `None` if there is none.
#[must_use]
pub fn leader_change(id: MemberId, before: MemberId, now: SoftState, term: u64) -> Option<String> {
    let lead = now.lead;
    if before == lead {
        None
    } else if lead == NONE {
        Some(format!("raft.node: {id} lost leader {before} at term {term}"))
    } else if before == NONE {
        Some(format!("raft.node: {id} elected leader {lead} at term {term}"))
    } else {
        Some(format!("raft.node: {id} changed leader from {before} to {lead} at term {term}"))
    }
}

/// Bytes in double quotes as Go's `%q` prints them; what is not text as `\x` escapes.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::from('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| quote_char(&mut out, c));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

fn quote_char(out: &mut String, c: char) {
    let code = u32::from(c);
    let _ = match c {
        '"' | '\\' => write!(out, "\\{c}"),
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '\u{7}' => write!(out, "\\a"),
        '\u{8}' => write!(out, "\\b"),
        '\u{b}' => write!(out, "\\v"),
        '\u{c}' => write!(out, "\\f"),
        _ if code < 0x20 || code == 0x7f => write!(out, "\\x{code:02x}"),
        _ if c.is_control() => write!(out, "\\u{code:04x}"),
        _ => write!(out, "{c}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_go_does() {
        assert_eq!(quote(b"a\"b\\\n\x00\x7f"), r#""a\"b\\\n\x00\x7f""#);
        assert_eq!(quote("ü\u{80}".as_bytes()), "\"ü\\u0080\"");
        assert_eq!(quote(b"\xff\xfea"), r#""\xff\xfea""#);
    }

    #[test]
    fn a_change_of_leader_is_told_in_etcds_words() {
        let now = |lead| SoftState { lead: MemberId(lead), ..SoftState::default() };
        let told = |before, lead| leader_change(MemberId(10), MemberId(before), now(lead), 7);
        assert_eq!(told(0, 11).unwrap(), "raft.node: a elected leader b at term 7");
        assert_eq!(told(11, 12).unwrap(), "raft.node: a changed leader from b to c at term 7");
        assert_eq!(told(11, 0).unwrap(), "raft.node: a lost leader b at term 7");
        assert_eq!(told(11, 11), None);
    }
}
