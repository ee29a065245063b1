//! Names of hosts in the peer URLs of a first start (Go's netutil).
//!
//! Names are resolved only where two lists of URLs differ as texts. A name that is not known yet, as
//! that of a machine that comes up at the same time, is tried again for a while.

use std::cell::RefCell;
use std::time::Duration;

use env::Monotonic;
use membership::{Resolve, Url};

use crate::world::World;

/// How long all names of one comparison may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The pause before a name is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// What Go says of a name that nobody looks up any more.
const TOO_LATE: &str = "context deadline exceeded";

/// What a comparison of URLs gives once it knows all names that it asks for.
///
/// It is made anew with the answers to all its questions so far, until it has no new one: so it need
/// not wait, and what it does not ask for is not resolved. It has to ask the same in the same order.
pub(crate) async fn with_names<T>(world: &World, compare: impl Fn(Resolve<'_>) -> T) -> T {
    let until = world.clock.now() + LIMIT;
    let mut answers: Vec<Result<String, String>> = Vec::new();
    loop {
        let (result, question) = attempt(&answers, &compare);
        match question {
            None => return result,
            Some(url) => answers.push(resolve(world, &url, until).await),
        }
    }
}

/// A comparison with the first answers, and its first question beyond them.
fn attempt<T>(
    answers: &[Result<String, String>],
    compare: impl Fn(Resolve<'_>) -> T,
) -> (T, Option<Url>) {
    let state = RefCell::new((answers.iter(), None));
    let result = compare(&|url| {
        let (known, question) = &mut *state.borrow_mut();
        known.next().cloned().unwrap_or_else(|| {
            question.get_or_insert_with(|| url.clone());
            Err("not known yet".to_owned())
        })
    });
    (result, state.into_inner().1)
}

/// The address of a URL's host, tried for until a point in time.
async fn resolve(world: &World, url: &Url, until: Monotonic) -> Result<String, String> {
    let host = url.host();
    loop {
        let left = until - world.clock.now();
        if left.is_zero() {
            return Err(TOO_LATE.to_owned());
        }
        let lookup = env::timeout(&*world.tasks, left, world.network.resolve(host));
        let error = match lookup.await {
            Ok(Ok(address)) => {
                tracing::info!(%url, host, "resolved-addr" = address, "resolved URL Host");
                return Ok(address);
            }
            Ok(Err(error)) => error,
            Err(_) => TOO_LATE.to_owned(),
        };
        tracing::warn!(%url, host, "retry-interval" = ?RETRY_INTERVAL, error,
            "failed to resolve URL Host");
        let left = until - world.clock.now();
        world.tasks.sleep(left.min(RETRY_INTERVAL)).await;
        if left <= RETRY_INTERVAL {
            tracing::warn!(%url, host, "retry-interval" = ?RETRY_INTERVAL, error,
                "failed to resolve URL Host; returning");
            return Err(error);
        }
    }
}

#[cfg(test)]
#[path = "resolving_test.rs"]
mod tests;
