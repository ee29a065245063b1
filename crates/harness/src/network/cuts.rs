//! Cuts: packets between two members that the hub drops, in one direction or both.

use super::namespaces::{alias_address, own_address};
use super::tool::{Tool, must};
use anyhow::{Context, Result};
use std::fmt::Write as _;

/// Drops what goes from one address to another, for each pair in a set.
const RULES: &str = "
table ip cuts {
    set pairs { type ipv4_addr . ipv4_addr; }
    chain passing { type filter hook forward priority 0; ip saddr . ip daddr @pairs drop; }
    chain incoming { type filter hook input priority 0; ip saddr . ip daddr @pairs drop; }
    chain outgoing { type filter hook output priority 0; ip saddr . ip daddr @pairs drop; }
}
";

/// The cuts of a network. What clients send to members is never cut.
#[derive(Clone, Copy, Debug)]
pub struct Cuts<'a> {
    nft: &'a Tool,
    hub: &'a str,
}

impl<'a> Cuts<'a> {
    pub(super) const fn new(nft: &'a Tool, hub: &'a str) -> Self {
        Self { nft, hub }
    }

    pub(super) fn prepare(self) -> Result<()> {
        self.run(RULES)
    }

    /// Replaces all cuts at once: for each pair, what the first sends the second is lost.
    ///
    /// # Errors
    /// If `nft` does not do it.
    pub fn set(self, pairs: &[(usize, usize)]) -> Result<()> {
        let mut script = "flush set ip cuts pairs\n".to_owned();
        for &(from, to) in pairs {
            let (own_from, own_to) = (own_address(from), own_address(to));
            let (alias_from, alias_to) = (alias_address(from), alias_address(to));
            let _ = writeln!(
                script,
                "add element ip cuts pairs {{ {own_from} . {own_to}, {own_from} . {alias_to}, \
                 {alias_from} . {own_to} }}"
            );
        }
        self.run(&script)
    }

    /// Cuts all links between two groups of members, both ways.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn separate(self, one: &[usize], other: &[usize]) -> Result<()> {
        let mut pairs = Vec::new();
        for &a in one {
            pairs.extend(other.iter().flat_map(|&b| [(a, b), (b, a)]));
        }
        self.set(&pairs)
    }

    /// Ends all cuts.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn heal(self) -> Result<()> {
        self.set(&[])
    }

    fn run(self, script: &str) -> Result<()> {
        let mut command = self.nft.command(Some(self.hub));
        command.args(["-f", "-"]);
        must(command, script).map(drop).context("change the cuts")
    }
}
