//! Clients that write and read keys.

use crate::session::Session;
use checker::Calls;
use env::Rng as _;
use std::time::Duration;

/// Of so many calls one is followed by a change of member.
const CALLS_PER_MEMBER: u64 = 100;

/// Sends calls until the load ends.
pub async fn run(mut session: Session, mut calls: Calls, pause: Duration) {
    loop {
        let call = calls.next(&mut session.rng);
        let Some(outcome) = session.call(call).await else { return };
        calls.observe(&outcome);
        if session.rng.below(CALLS_PER_MEMBER) == 0 {
            session.wander();
        }
        if !pause.is_zero() {
            let shared = session.shared.clone();
            shared.pause(pause).await;
        }
    }
}
