//! Networks of a test's own, with faults: namespaces joined by a hub, cuts between two members, and
//! proxies that delay what passes through them.
//!
//! [`Namespaces`] makes the network and cuts it; [`Proxy`] is one address behind which another one
//! is found, later. Needs root, `ip` and `nft`, the latter of which is installed from Debian's
//! packages under `target/tools` where the machine has none.
//!
//! Invariant: nothing here changes the machine's own network; every namespace is named after the
//! process that made it, and removed by it or by the next one that makes some.

mod cuts;
mod namespaces;
mod proxy;
mod tool;

pub use cuts::Cuts;
pub use namespaces::{Namespaces, Proxies};
pub use proxy::{Proxy, Route, Weather};
