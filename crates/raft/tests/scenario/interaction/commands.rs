//! The commands that scripts know.

use bytes::Bytes;
use proto::raftpb::{
    ConfChange, ConfChangeTransition, ConfChangeV2, Message, MessageType, Snapshot,
};
use raft::confchange::ConfChangeEntry;
use raft::{Config, ReadOnlyOption, Storage, StorageWrites, describe};
use types::{Index, MemberId};

use super::super::confchange::parse_changes;
use super::super::datadriven::Command;
use super::Interaction;
use super::node::Node;
use super::output::Output;
use super::work::Fate;

type Outcome = Result<(), String>;

/// The numbers among the arguments, as positions of members.
fn indexes(command: &Command) -> Vec<usize> {
    command.plain().map(|word| word.parse::<usize>().unwrap() - 1).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

fn is_true(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("neither true nor false: {text}"))
}

impl Interaction {
    pub fn run(&mut self, command: &Command) -> Outcome {
        let members = command.name != "add-nodes" && command.name != "propose";
        let first = if members { command.plain().next() } else { None };
        let first = first.and_then(|word| word.parse::<usize>().ok()).map_or(0, |id| id - 1);
        match command.name.as_str() {
            "_breakpoint" => Ok(()),
            "add-nodes" => self.add_nodes(command),
            "campaign" => self.on_node(first, |node| node.raw.campaign()),
            "compact" => self.compact(command),
            "deliver-msgs" => self.deliver_messages(command),
            "forget-leader" => self.on_node(first, |node| node.raw.forget_leader()),
            "log-level" => self.log_level(command),
            "process-append-thread" => {
                let title = "processing append thread";
                self.for_each(&indexes(command), title, Self::process_append_thread)
            }
            "process-apply-thread" => {
                let title = "processing apply thread";
                self.for_each(&indexes(command), title, Self::process_apply_thread)
            }
            "process-ready" => {
                self.for_each(&indexes(command), "handling Ready", Self::process_ready)
            }
            "propose" => self.propose(command),
            "propose-conf-change" => self.propose_conf_change(first, command),
            "raft-log" => self.raft_log(first),
            "raft-state" => self.raft_state(),
            "read-index" => self.read_index(command),
            "report-unreachable" => self.report_unreachable(command),
            "send-snapshot" => self.send_snapshot(command),
            "set-randomized-election-timeout" => self.set_timeout(first, command),
            "stabilize" => self.run_stabilize(command),
            "status" => self.status(first),
            "tick-election" => self.on_node(first, |node| {
                (0..node.election_tick).for_each(|_| node.raw.tick());
            }),
            "tick-heartbeat" => self.on_node(first, |node| {
                (0..node.heartbeat_tick).for_each(|_| node.raw.tick());
            }),
            "transfer-leadership" => self.transfer_leadership(command),
            _ => Err("unknown command".to_owned()),
        }
    }

    fn on_node(&mut self, index: usize, action: impl FnOnce(&mut Node)) -> Outcome {
        action(&mut self.nodes[index]);
        Ok(())
    }

    fn add_nodes(&mut self, command: &Command) -> Outcome {
        let count: usize = number(command.plain().next().unwrap_or_default())?;
        for _ in 0..count {
            let mut config = Node::config(self.nodes.len() as u64 + 1);
            let mut snapshot = Snapshot::default();
            for (key, value) in command.values() {
                set_option(&mut config, &mut snapshot, key, value)?;
            }
            if snapshot != Snapshot::default() {
                snapshot.metadata.term = 1;
            }
            self.nodes.push(Node::new(config, snapshot, &self.output)?);
        }
        Ok(())
    }

    fn compact(&mut self, command: &Command) -> Outcome {
        let words: Vec<_> = command.plain().collect();
        let (index, first): (usize, u64) = (number(words[0])?, number(words[1])?);
        let log = &mut self.nodes[index - 1].raw.storage_mut().log;
        log.compact(Index(first)).map_err(|error| error.to_string())?;
        self.raft_log(index - 1)
    }

    fn deliver_messages(&mut self, command: &Command) -> Outcome {
        let mut recipients: Vec<(u64, Fate)> = Vec::new();
        let mut kind = None;
        for arg in &command.args {
            if arg.values.is_empty() {
                recipients.push((number(&arg.key)?, Fate::Deliver));
            }
            for value in &arg.values {
                match arg.key.as_str() {
                    "drop" => recipients.push((number(value)?, Fate::Drop)),
                    "type" => kind = Some(message_type(value)?),
                    _ => {}
                }
            }
        }
        let handled: usize =
            recipients.iter().map(|(id, fate)| self.deliver(*id, kind, *fate)).sum();
        if handled == 0 {
            self.output.line("no messages");
        }
        Ok(())
    }

    fn log_level(&mut self, command: &Command) -> Outcome {
        let name = command.plain().next().unwrap_or_default();
        self.output.set_level(Output::level_named(name)?);
        Ok(())
    }

    fn propose(&mut self, command: &Command) -> Outcome {
        let words: Vec<_> = command.args.iter().map(|arg| arg.key.as_str()).collect();
        let index: usize = number(words[0])?;
        let data = Bytes::copy_from_slice(words[1].as_bytes());
        self.nodes[index - 1].raw.propose(data).map_err(|error| error.to_string())
    }

    fn propose_conf_change(&mut self, index: usize, command: &Command) -> Outcome {
        let mut v1 = false;
        let mut transition = ConfChangeTransition::Auto;
        for (key, value) in command.values() {
            match (key, value) {
                ("v1", value) => v1 = is_true(value)?,
                ("transition", "auto") => transition = ConfChangeTransition::Auto,
                ("transition", "implicit") => transition = ConfChangeTransition::JointImplicit,
                ("transition", "explicit") => transition = ConfChangeTransition::JointExplicit,
                ("transition", other) => return Err(format!("unknown transition {other}")),
                _ => return Err(format!("unknown command {key}")),
            }
        }
        let changes = parse_changes(&command.input)?;
        let change = if v1 {
            if changes.len() != 1 || transition != ConfChangeTransition::Auto {
                let text = "v1 conf change can only have one operation and no transition";
                return Err(text.to_owned());
            }
            let (change_type, node_id) = (changes[0].change_type, changes[0].node_id);
            ConfChangeEntry::V1(ConfChange { change_type, node_id, ..ConfChange::default() })
        } else {
            ConfChangeEntry::V2(ConfChangeV2 { transition, changes, context: Bytes::new() })
        };
        let raw = &mut self.nodes[index].raw;
        raw.propose_conf_change(&change).map_err(|error| error.to_string())
    }

    fn raft_log(&mut self, index: usize) -> Outcome {
        let log = &self.nodes[index].raw.storage().log;
        let (first, last) = (log.first_index(), log.last_index());
        if last < first {
            let text = format!("log is empty: first index={first}, last index={last}");
            self.output.write(&text);
            return Ok(());
        }
        let entries = log.entries(first, last.next(), u64::MAX);
        let entries = entries.map_err(|error| error.to_string())?;
        self.output.write(&describe::entries(&entries));
        Ok(())
    }

    fn raft_state(&mut self) -> Outcome {
        for node in &self.nodes {
            let status = node.raw.status();
            let votes = status.config.voters.contains(status.id);
            let voter = if votes { "(Voter)" } else { "(Non-Voter)" };
            let (state, term) = (status.soft_state, status.hard_state.term);
            self.output.line(&format!(
                "{}: {} {voter} Term:{term} Lead:{}",
                status.id.0, state.role, state.lead.0
            ));
        }
        Ok(())
    }

    /// `read-index <id> <context>`, which etcd-raft's scripts do not have.
    fn read_index(&mut self, command: &Command) -> Outcome {
        let words: Vec<_> = command.plain().collect();
        let index: usize = number(words[0])?;
        let context = Bytes::copy_from_slice(words[1].as_bytes());
        self.on_node(index - 1, |node| node.raw.read_index(context))
    }

    fn report_unreachable(&mut self, command: &Command) -> Outcome {
        let both = indexes(command);
        let id = MemberId(both[1] as u64 + 1);
        self.on_node(both[0], |node| node.raw.report_unreachable(id))
    }

    fn send_snapshot(&mut self, command: &Command) -> Outcome {
        let both = indexes(command);
        let raw = &self.nodes[both[0]].raw;
        let snapshot = raw.storage().snapshot().map_err(|error| error.to_string())?;
        let message = Message {
            message_type: MessageType::Snap,
            term: raw.term().0,
            from: both[0] as u64 + 1,
            to: both[1] as u64 + 1,
            snapshot: Some(Box::new(snapshot)),
            ..Message::default()
        };
        self.output.write(&describe::message(&message));
        self.messages.push(message);
        Ok(())
    }

    fn set_timeout(&mut self, index: usize, command: &Command) -> Outcome {
        let ticks = number(command.value("timeout").unwrap_or_default())?;
        self.on_node(index, |node| node.raw.set_randomized_election_timeout(ticks))
    }

    fn run_stabilize(&mut self, command: &Command) -> Outcome {
        let before = self.output.level();
        if let Some(level) = command.value("log-level") {
            self.output.set_level(Output::level_named(level)?);
        }
        let mut members = indexes(command);
        if members.is_empty() {
            members = (0..self.nodes.len()).collect();
        }
        let outcome = self.stabilize(&members);
        self.output.set_level(before);
        outcome
    }

    fn status(&mut self, index: usize) -> Outcome {
        for (id, progress) in self.nodes[index].raw.status().progress {
            self.output.line(&format!("{}: {progress}", id.0));
        }
        Ok(())
    }

    fn transfer_leadership(&mut self, command: &Command) -> Outcome {
        let from: usize = number(command.value("from").unwrap_or_default())?;
        let to = MemberId(number(command.value("to").unwrap_or_default())?);
        self.on_node(from - 1, |node| node.raw.transfer_leader(to))
    }
}

fn set_option(
    config: &mut Config,
    snapshot: &mut Snapshot,
    key: &str,
    value: &str,
) -> Result<(), String> {
    let conf_state = &mut snapshot.metadata.conf_state;
    match key {
        "voters" => conf_state.voters.push(number(value)?),
        "learners" => conf_state.learners.push(number(value)?),
        "inflight" => config.inflight_messages_max = number(value)?,
        "index" => {
            snapshot.metadata.index = number(value)?;
            config.applied = Index(snapshot.metadata.index);
        }
        "content" => snapshot.data = Bytes::copy_from_slice(value.as_bytes()),
        "async-storage-writes" => {
            let writes = [StorageWrites::Synchronous, StorageWrites::Asynchronous];
            config.storage_writes = writes[usize::from(is_true(value)?)];
        }
        "prevote" => config.pre_vote = is_true(value)?,
        "checkquorum" => config.check_quorum = is_true(value)?,
        "max-committed-size-per-ready" => config.committed_size_max = number(value)?,
        "disable-conf-change-validation" => {
            config.disable_conf_change_validation = is_true(value)?;
        }
        "read-only" => {
            config.read_only = match value {
                "safe" => ReadOnlyOption::Safe,
                "lease-based" => ReadOnlyOption::LeaseBased,
                _ => return Err(format!("invalid read-only option {value:?}")),
            };
        }
        "step-down-on-removal" => config.step_down_on_removal = is_true(value)?,
        "step-down-on-stalled-append" => config.step_down_on_stalled_append = is_true(value)?,
        "max-size-per-msg" => config.size_per_message_max = number(value)?,
        _ => {}
    }
    Ok(())
}

fn message_type(name: &str) -> Result<MessageType, String> {
    let all = (0..).map_while(MessageType::from_number);
    let mut found = all.filter(|kind| kind.name() == name);
    found.next().ok_or(format!("unknown message type {name}"))
}
