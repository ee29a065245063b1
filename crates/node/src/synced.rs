//! How far the log is durable, for the commit thread to wait on.

use std::sync::{Condvar, Mutex, PoisonError};

use types::Index;

/// A position that only rises.
#[derive(Debug, Default)]
pub struct Synced {
    state: Mutex<State>,
    reached: Condvar,
}

#[derive(Debug, Default)]
struct State {
    index: Index,
    over: bool,
}

impl Synced {
    /// The log is durable up to here.
    pub fn reach(&self, index: Index) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.index = state.index.max(index);
        self.reached.notify_all();
    }

    /// The log will not get any further.
    pub fn give_up(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.reached.notify_all();
    }

    /// Whether the log is durable up to an index.
    #[must_use]
    pub fn has_reached(&self, index: Index) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).index >= index
    }

    /// Waits until the log is durable up to an index; `false` if that will not happen.
    pub fn wait(&self, index: Index) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |state: &mut State| state.index < index && !state.over;
        let state = self.reached.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        state.index >= index
    }
}
