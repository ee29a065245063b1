//! What of a call's metadata the API wants to know.

use api::Caller;
use http::HeaderMap;

/// Metadata key of the token.
const TOKEN: &str = "token";
/// The same under HTTP's own name.
const AUTHORIZATION: &str = "authorization";
/// Metadata key by which a client asks for an error while there is no leader.
const HAS_LEADER: &str = "hasleader";

/// Reads the caller off a call's metadata; what is not text counts as absent, as in Go.
pub(crate) fn caller(metadata: &HeaderMap) -> Caller {
    let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
    Caller {
        token: text(TOKEN).or_else(|| text(AUTHORIZATION)).map(str::to_owned),
        requires_leader: text(HAS_LEADER) == Some("true"),
    }
}
