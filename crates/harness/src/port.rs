//! Loopback ports that no other test has.

use crate::folder::target_folder;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which the system takes ports for outgoing connections.
const FIRST: u16 = 21_000;
const LAST: u16 = 31_999;

/// A port on 127.0.0.1 that is nobody's else as long as this lives. Nothing listens on it yet.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// Locked: other processes' tests pass this port by.
    _lock: File,
}

impl Port {
    /// Takes a free port.
    ///
    /// # Errors
    /// If there is none, or the lock files can't be made.
    pub fn take() -> Result<Self> {
        let folder = target_folder().join("tmp").join("ports");
        std::fs::create_dir_all(&folder).context("make the folder of port locks")?;
        let count = LAST - FIRST + 1;
        // Different processes begin at different places, so that they seldom meet.
        let start = (std::process::id() % u32::from(count)) as u16;
        for step in 0..count {
            let number = FIRST + (start + step) % count;
            let lock = File::create(folder.join(number.to_string())).context("make a port lock")?;
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _lock: lock });
            }
        }
        bail!("no free port between {FIRST} and {LAST}")
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }

    /// `http://127.0.0.1:<number>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_once() {
        let ports: Vec<Port> = (0..20).map(|_| Port::take().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
    }
}
