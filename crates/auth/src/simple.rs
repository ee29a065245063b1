//! Simple tokens: random letters and the index of the log at the login. Every member keeps those
//! whose logins it has applied since it started, each for as long as it is used.
//!
//! Does not know passwords. Time is an argument; a lookup moves a token's end, so it may be made
//! through a shared reference by many at once.
//!
//! Invariants: at most [`TOKENS_MAX`] tokens are kept; a token past its end is never accepted;
//! while authentication is off there are none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use env::{Monotonic, Rng};
use types::Index;

/// How long a token lives after its last use, unless set otherwise (`--auth-token-ttl`).
pub const TOKEN_TTL: Duration = Duration::from_secs(300);
/// How many tokens are kept. A login beyond that ends the tokens that would end next.
pub const TOKENS_MAX: usize = 1 << 20;

/// The letters at the beginning of a token.
const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LETTER_COUNT: usize = 16;

/// The tokens that a member knows.
pub struct Simple {
    ttl: Duration,
    /// `None` while authentication is off.
    tokens: Option<BTreeMap<String, Token>>,
    tokens_max: usize,
}

struct Token {
    user: String,
    /// A [`Monotonic`]. Lookups only ever move it forward.
    end: AtomicU64,
}

impl Simple {
    /// Of a member on which authentication is off. A `ttl` of zero stands for [`TOKEN_TTL`].
    #[must_use]
    pub const fn new(ttl: Duration) -> Self {
        let ttl = if ttl.is_zero() { TOKEN_TTL } else { ttl };
        Self { ttl, tokens: None, tokens_max: TOKENS_MAX }
    }

    /// The random part of a token that is to be proposed.
    #[must_use]
    pub fn prefix(rng: &mut (impl Rng + ?Sized)) -> String {
        let letter = |_| LETTERS[rng.below(LETTERS.len() as u64) as usize] as char;
        (0..LETTER_COUNT).map(letter).collect()
    }

    /// The index that has to be applied before the token can be known; `None` for what is no token.
    #[must_use]
    pub fn index(token: &str) -> Option<Index> {
        let (_, index) = token.split_once('.')?;
        let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| index.parse().ok().map(Index))?
    }

    /// Begins to keep tokens.
    pub fn enable(&mut self) {
        self.tokens.get_or_insert_default();
    }

    /// Forgets all tokens and keeps none.
    pub fn disable(&mut self) {
        self.tokens = None;
    }

    /// Keeps a token.
    pub fn assign(&mut self, now: Monotonic, user: &str, token: &str) {
        let Some(tokens) = &mut self.tokens else { return };
        if tokens.len() >= self.tokens_max {
            make_room(tokens, self.tokens_max);
        }
        let end = AtomicU64::new((now + self.ttl).0);
        tokens.insert(token.to_owned(), Token { user: user.to_owned(), end });
    }

    /// Whose token it is, if it is one; its time begins anew.
    #[must_use]
    pub fn user(&self, now: Monotonic, token: &str) -> Option<&str> {
        let token = self.tokens.as_ref()?.get(token)?;
        if Monotonic(token.end.load(Ordering::Relaxed)) < now {
            return None;
        }
        token.end.fetch_max((now + self.ttl).0, Ordering::Relaxed);
        Some(&token.user)
    }

    /// Forgets a user's tokens.
    pub fn invalidate(&mut self, user: &str) {
        if let Some(tokens) = &mut self.tokens {
            tokens.retain(|_, token| token.user != user);
        }
    }

    /// Forgets the tokens whose time is over. Once a second will do.
    pub fn sweep(&mut self, now: Monotonic) {
        if let Some(tokens) = &mut self.tokens {
            tokens.retain(|_, token| Monotonic(*token.end.get_mut()) >= now);
        }
    }

    /// How many tokens are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.as_ref().map_or(0, BTreeMap::len)
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Drops a sixteenth of the tokens, those that would end next, so that this is not done at every
/// login.
fn make_room(tokens: &mut BTreeMap<String, Token>, tokens_max: usize) {
    let mut ends: Vec<u64> = tokens.values_mut().map(|token| *token.end.get_mut()).collect();
    let dropped = (tokens_max / 16).max(1).min(ends.len());
    let (_, last_dropped, _) = ends.select_nth_unstable(dropped - 1);
    let last_dropped = *last_dropped;
    tokens.retain(|_, token| *token.end.get_mut() > last_dropped);
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::SeededRng;

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * 1_000_000_000)
    }

    fn enabled() -> Simple {
        let mut simple = Simple::new(Duration::ZERO);
        simple.enable();
        simple
    }

    #[test]
    fn a_token_s_end_moves_with_its_use() {
        let mut simple = enabled();
        simple.assign(at(0), "alice", "a.1");
        assert_eq!(simple.user(at(300), "a.1"), Some("alice"));
        assert_eq!(simple.user(at(600), "a.1"), Some("alice"));
        assert_eq!(simple.user(at(901), "a.1"), None);
        assert_eq!(simple.user(at(600), "a.2"), None);
        simple.sweep(at(900));
        assert_eq!(simple.len(), 1);
        simple.sweep(at(901));
        assert!(simple.is_empty());
    }

    #[test]
    fn what_ends_tokens() {
        let mut simple = enabled();
        for (user, token) in [("alice", "a.1"), ("bob", "b.1"), ("alice", "c.2")] {
            simple.assign(at(0), user, token);
        }
        simple.invalidate("alice");
        assert_eq!(simple.user(at(1), "a.1"), None);
        assert_eq!(simple.user(at(1), "b.1"), Some("bob"));
        simple.enable();
        assert_eq!(simple.len(), 1, "enabling twice ends nothing");
        simple.disable();
        assert_eq!(simple.user(at(1), "b.1"), None);
        simple.assign(at(1), "bob", "b.3");
        simple.enable();
        assert_eq!(simple.user(at(1), "b.3"), None, "not kept while off");
    }

    #[test]
    fn prefixes_and_indexes() {
        let mut rng = SeededRng::new(1);
        let prefix = Simple::prefix(&mut rng);
        assert_eq!(prefix.len(), 16);
        assert!(prefix.bytes().all(|byte| byte.is_ascii_alphabetic()));
        assert_ne!(prefix, Simple::prefix(&mut rng));
        assert_eq!(Simple::index(&format!("{prefix}.203")), Some(Index(203)));
        assert_eq!(Simple::index(".0"), Some(Index(0)));
        for token in ["", "a", "a.", "a.+1", "a.1.2", "a.x", "a.-1", "a.99999999999999999999"] {
            assert_eq!(Simple::index(token), None, "{token}");
        }
    }

    #[test]
    fn a_flood_of_logins_ends_the_oldest_tokens() {
        let mut simple = enabled();
        simple.tokens_max = 32;
        for login in 0..100 {
            simple.assign(at(login), "alice", &format!("a.{login}"));
            assert!(simple.len() <= 32);
            assert_eq!(simple.user(at(login), &format!("a.{login}")), Some("alice"));
        }
        assert_eq!(simple.user(at(100), "a.10"), None);
        assert_eq!(simple.user(at(100), "a.90"), Some("alice"));
    }
}
