//! Commands that let members work: deliver messages, do what is to be done, until nothing is left.

use proto::raftpb::{Message, MessageType};
use raft::describe;

use super::Interaction;
use super::node::is_local;

/// What happens to the messages to a member.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Deliver,
    Drop,
}

impl Interaction {
    /// Runs a part whose output is indented.
    fn indented<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.output.take();
        let result = part(self);
        self.output.put_back_indented(before);
        result
    }

    /// Delivers or drops the messages to a member, all kinds or one; returns how many.
    pub fn deliver(&mut self, to: u64, kind: Option<MessageType>, fate: Fate) -> usize {
        let chosen = |message: &Message| is_chosen(message, to, kind, fate);
        let all = std::mem::take(&mut self.messages);
        let (messages, rest) = all.into_iter().partition::<Vec<_>, _>(chosen);
        self.messages = rest;
        let count = messages.len();
        for message in messages {
            let text = describe::message(&message);
            if fate == Fate::Drop {
                self.output.line(&format!("dropped: {text}"));
                continue;
            }
            self.output.line(&text);
            if let Err(error) = self.nodes[to as usize - 1].deliver(message) {
                self.output.line(&error);
            }
        }
        count
    }

    pub fn process_ready(&mut self, index: usize) -> Result<(), String> {
        let node = &mut self.nodes[index];
        let ready = node.raw.ready();
        self.output.write(&describe::ready(&ready, node.id));
        if !node.asynchronous {
            node.store(ready.hard_state, &ready.entries, ready.snapshot.as_ref())?;
            node.apply(&ready.committed_entries)?;
        }
        node.append_work.extend(ready.append);
        node.apply_work.extend(ready.apply);
        self.messages.extend(ready.messages);
        if !node.asynchronous {
            node.raw.advance();
        }
        Ok(())
    }

    pub fn process_append_thread(&mut self, index: usize) -> Result<(), String> {
        let node = &mut self.nodes[index];
        let Some(mut job) = node.append_work.pop_front() else {
            self.output.write("no append work to perform");
            return Ok(());
        };
        let responses = std::mem::take(&mut job.responses);
        let description = job.to_message(node.id);
        self.announce(&description);
        let node = &mut self.nodes[index];
        node.store(job.hard_state, &job.entries, job.snapshot.as_ref())?;
        self.respond(responses);
        Ok(())
    }

    pub fn process_apply_thread(&mut self, index: usize) -> Result<(), String> {
        let node = &mut self.nodes[index];
        let Some(mut job) = node.apply_work.pop_front() else {
            self.output.write("no apply work to perform");
            return Ok(());
        };
        let responses = std::mem::take(&mut job.responses);
        let description = job.to_message(node.id);
        self.announce(&description);
        self.nodes[index].apply(&job.entries)?;
        self.respond(responses);
        Ok(())
    }

    fn announce(&self, job: &Message) {
        self.output.line("Processing:");
        self.output.line(&describe::message(job));
    }

    fn respond(&mut self, responses: Vec<Message>) {
        self.output.line("Responses:");
        for response in &responses {
            self.output.line(&describe::message(response));
        }
        self.messages.extend(responses);
    }

    /// Runs one kind of work for each member, under a title where there are several.
    pub fn for_each(
        &mut self,
        indexes: &[usize],
        title: &str,
        work: fn(&mut Self, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        for index in indexes {
            if indexes.len() > 1 {
                self.output.line(&format!("> {} {title}", index + 1));
                self.indented(|all| work(all, *index))?;
            } else {
                work(self, *index)?;
            }
        }
        Ok(())
    }

    /// Lets members work and talk until nothing is left to do.
    pub fn stabilize(&mut self, indexes: &[usize]) -> Result<(), String> {
        loop {
            let mut done = true;
            for &index in indexes {
                if self.nodes[index].raw.has_ready() {
                    self.output.line(&format!("> {} handling Ready", index + 1));
                    self.indented(|all| all.process_ready(index))?;
                    done = false;
                }
            }
            for &index in indexes {
                let to = index as u64 + 1;
                if self.messages.iter().any(|message| message.to == to) {
                    self.output.line(&format!("> {to} receiving messages"));
                    self.indented(|all| all.deliver(to, None, Fate::Deliver));
                    done = false;
                }
            }
            done &= self.run_jobs(indexes, "append", |all, index| {
                let work = !all.nodes[index].append_work.is_empty();
                work.then(|| all.indented(|all| all.process_append_thread(index)))
            })?;
            done &= self.run_jobs(indexes, "apply", |all, index| {
                let work = !all.nodes[index].apply_work.is_empty();
                work.then(|| all.indented(|all| all.process_apply_thread(index)))
            })?;
            if done {
                return Ok(());
            }
        }
    }

    /// Does all jobs of one kind; true if there were none.
    fn run_jobs(
        &mut self,
        indexes: &[usize],
        kind: &str,
        next: fn(&mut Self, usize) -> Option<Result<(), String>>,
    ) -> Result<bool, String> {
        let mut none = true;
        for &index in indexes {
            let node = &self.nodes[index];
            let jobs = match kind {
                "append" => node.append_work.len(),
                _ => node.apply_work.len(),
            };
            if jobs == 0 {
                continue;
            }
            self.output.line(&format!("> {} processing {kind} thread", index + 1));
            while let Some(outcome) = next(self, index) {
                outcome?;
            }
            none = false;
        }
        Ok(none)
    }
}

fn is_chosen(message: &Message, to: u64, kind: Option<MessageType>, fate: Fate) -> bool {
    let dropped_local = fate == Fate::Drop && is_local(message);
    let wanted = kind.is_none_or(|kind| message.message_type == kind);
    message.to == to && !dropped_local && wanted
}
