//! Scripts of whole clusters: members whose messages, storage and clocks move only by command.

mod commands;
mod node;
mod output;
mod work;

use proto::raftpb::Message;

use super::Handler;
use super::datadriven::Command;
use node::Node;
use output::Output;

/// The members, and the messages between them.
#[derive(Default)]
pub struct Interaction {
    nodes: Vec<Node>,
    messages: Vec<Message>,
    output: Output,
}

impl Handler for Interaction {
    fn handle(&mut self, command: &Command) -> String {
        self.output.take();
        if let Err(error) = self.run(command) {
            if self.output.is_quiet() {
                return error;
            }
            self.output.write(&error);
        }
        let text = self.output.take();
        if text.is_empty() { "ok".to_owned() } else { text }
    }
}
