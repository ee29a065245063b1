//! Scripts of configuration changes: `simple`, `enter-joint` and `leave-joint`, printing the
//! configuration and everybody's progress.

use proto::raftpb::{ConfChangeSingle, ConfChangeType};
use raft::confchange::{self, AutoLeave, Changed};
use raft::tracker::{InflightLimits, Tracker};
use types::Index;

use super::Handler;
use super::datadriven::Command;

pub struct ConfChanges {
    tracker: Tracker,
    last_index: u64,
}

impl Default for ConfChanges {
    fn default() -> Self {
        let tracker = Tracker::new(InflightLimits { messages: 10, bytes: u64::MAX });
        Self { tracker, last_index: 0 }
    }
}

impl Handler for ConfChanges {
    fn handle(&mut self, command: &Command) -> String {
        let output = match self.change(command) {
            Ok(changed) => {
                self.tracker.switch(changed, Index(self.last_index));
                let progress = self.tracker.progress().iter();
                let lines: String = progress.map(|(id, pr)| format!("{}: {pr}\n", id.0)).collect();
                format!("{}\n{lines}", self.tracker.config())
            }
            Err(error) => error,
        };
        self.last_index += 1;
        output
    }
}

impl ConfChanges {
    fn change(&self, command: &Command) -> Result<Changed, String> {
        let changes = parse_changes(&command.input)?;
        let config = self.tracker.config();
        let changed = match command.name.as_str() {
            "simple" => confchange::simple(config, &changes),
            "enter-joint" => {
                let auto = command.value("autoleave") == Some("true");
                let auto_leave = if auto { AutoLeave::Yes } else { AutoLeave::No };
                confchange::enter_joint(config, auto_leave, &changes)
            }
            "leave-joint" if !changes.is_empty() => {
                return Err("this command takes no input".to_owned());
            }
            "leave-joint" => confchange::leave_joint(config),
            _ => return Err("unknown command".to_owned()),
        };
        changed.map_err(|error| error.to_string())
    }
}

/// Reads `v1 l2 r3 u4`: voter, learner, remove, update.
pub fn parse_changes(text: &str) -> Result<Vec<ConfChangeSingle>, String> {
    let change = |word: &str| {
        let (kind, id) = word.split_at_checked(1).ok_or(format!("unknown token {word}"))?;
        let change_type = match kind {
            "v" => ConfChangeType::AddNode,
            "l" => ConfChangeType::AddLearnerNode,
            "r" => ConfChangeType::RemoveNode,
            "u" => ConfChangeType::UpdateNode,
            _ => return Err(format!("unknown input: {word}")),
        };
        let node_id = id.parse().map_err(|_| format!("unknown input: {word}"))?;
        Ok(ConfChangeSingle { change_type, node_id })
    };
    text.split_whitespace().map(change).collect()
}
