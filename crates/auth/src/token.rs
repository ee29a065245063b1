//! What a member makes of tokens, whichever kind they are.
//!
//! Does not know where in a request a token stands, and does not wait: it says what to wait for.

use std::time::Duration;

use env::{Monotonic, Rng};
use types::Index;

use crate::{Effect, Error, Identity, Login, Simple};

/// The kind of tokens of this member, and what it knows of them.
pub enum TokenProvider {
    /// Letters and an index, kept by every member.
    Simple(Simple),
    /// None: nobody can log in (`--auth-token=`).
    Nothing,
}

/// A token kind that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpecError {
    /// Not in the form of the flag.
    #[error("auth: invalid auth options")]
    Invalid,
    /// Signed tokens are not built in.
    #[error("auth tokens of type jwt are not supported")]
    JwtNotSupported,
}

/// What a token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// Who it belongs to.
    Known(Identity),
    /// Nothing before this index is applied: ask again then.
    WaitFor(Index),
    /// Nothing.
    Unknown,
}

impl Lookup {
    /// The identity, when there is nothing to wait for.
    ///
    /// # Errors
    /// [`Error::InvalidAuthToken`].
    pub fn identity(self) -> Result<Identity, Error> {
        match self {
            Self::Known(identity) => Ok(identity),
            Self::WaitFor(_) | Self::Unknown => Err(Error::InvalidAuthToken),
        }
    }
}

impl TokenProvider {
    /// Reads the flag `--auth-token`: `simple`, `jwt,...` or nothing; a kind may have options behind
    /// it, `name=value` each, none twice. `ttl` is for simple tokens.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn new(spec: &str, ttl: Duration) -> Result<Self, SpecError> {
        let mut parts = spec.split(',');
        let kind = parts.next().unwrap_or_default();
        let mut names = std::collections::BTreeSet::new();
        for option in parts {
            let (name, value) = option.split_once('=').ok_or(SpecError::Invalid)?;
            if value.contains('=') || !names.insert(name) {
                return Err(SpecError::Invalid);
            }
        }
        match kind {
            "simple" => Ok(Self::Simple(Simple::new(ttl))),
            "jwt" => Err(SpecError::JwtNotSupported),
            "" => Ok(Self::Nothing),
            _ => Err(SpecError::Invalid),
        }
    }

    /// What a login proposes as the random part of its token.
    #[must_use]
    pub fn prefix(&self, rng: &mut (impl Rng + ?Sized)) -> String {
        match self {
            Self::Simple(_) => Simple::prefix(rng),
            Self::Nothing => String::new(),
        }
    }

    /// Begins as the state says after it was loaded.
    pub fn begin(&mut self, enabled: bool) {
        match self {
            Self::Simple(simple) if enabled => simple.enable(),
            Self::Simple(simple) => simple.disable(),
            Self::Nothing => {}
        }
    }

    /// Follows an applied change.
    pub fn follow(&mut self, effect: &Effect) {
        match (self, effect) {
            (Self::Simple(simple), Effect::Enabled) => simple.enable(),
            (Self::Simple(simple), Effect::Disabled) => simple.disable(),
            (Self::Simple(simple), Effect::Invalidated { user }) => simple.invalidate(user),
            (Self::Simple(_), Effect::None) | (Self::Nothing, _) => {}
        }
    }

    /// Follows an applied login; gives the token that the client gets if it logged in here.
    ///
    /// # Errors
    /// [`Error::AuthFailed`] when there are no tokens.
    pub fn assign(&mut self, now: Monotonic, login: &Login) -> Result<String, Error> {
        match self {
            Self::Simple(simple) => {
                simple.assign(now, &login.user, &login.simple_token);
                Ok(login.simple_token.clone())
            }
            Self::Nothing => Err(Error::AuthFailed),
        }
    }

    /// Who a token belongs to. `applied` is the last index applied here, `revision` the
    /// authentication state's there.
    #[must_use]
    pub fn lookup(&self, now: Monotonic, token: &str, applied: Index, revision: u64) -> Lookup {
        let Self::Simple(simple) = self else { return Lookup::Unknown };
        match Simple::index(token) {
            None => Lookup::Unknown,
            Some(index) if index > applied => Lookup::WaitFor(index),
            Some(_) => simple.user(now, token).map_or(Lookup::Unknown, |user| {
                Lookup::Known(Identity { user: user.to_owned(), revision })
            }),
        }
    }

    /// Forgets what is over. Once a second will do.
    pub fn sweep(&mut self, now: Monotonic) {
        if let Self::Simple(simple) = self {
            simple.sweep(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(token: &str) -> Login {
        Login { user: "alice".to_owned(), revision: 4, simple_token: token.to_owned() }
    }

    #[test]
    fn the_flag() {
        let kind = |spec| match TokenProvider::new(spec, Duration::ZERO) {
            Ok(TokenProvider::Simple(_)) => "simple".to_owned(),
            Ok(TokenProvider::Nothing) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(kind("simple"), "simple");
        assert_eq!(kind("simple,a=b"), "simple");
        assert_eq!(kind(""), "nothing");
        assert_eq!(kind("jwt,pub-key=x"), "auth tokens of type jwt are not supported");
        for spec in ["other", "simple,a", "simple,a=b=c", "simple,a=b,a=c"] {
            assert_eq!(kind(spec), "auth: invalid auth options", "{spec}");
        }
    }

    #[test]
    fn a_simple_token_from_login_to_disable() {
        let mut provider = TokenProvider::new("simple", Duration::ZERO).unwrap();
        provider.begin(true);
        let now = Monotonic(0);
        let lookup =
            |provider: &TokenProvider, applied| provider.lookup(now, "abc.7", Index(applied), 5);
        assert_eq!(lookup(&provider, 6), Lookup::WaitFor(Index(7)));
        assert_eq!(lookup(&provider, 7), Lookup::Unknown);
        assert_eq!(provider.assign(now, &login("abc.7")).as_deref(), Ok("abc.7"));
        let alice = Identity { user: "alice".to_owned(), revision: 5 };
        assert_eq!(lookup(&provider, 7).identity(), Ok(alice.clone()));
        provider.follow(&Effect::Invalidated { user: "bob".to_owned() });
        assert_eq!(lookup(&provider, 7), Lookup::Known(alice));
        provider.follow(&Effect::Invalidated { user: "alice".to_owned() });
        assert_eq!(lookup(&provider, 7).identity(), Err(Error::InvalidAuthToken));
        provider.assign(now, &login("abc.7")).unwrap();
        provider.follow(&Effect::Disabled);
        assert_eq!(lookup(&provider, 7), Lookup::Unknown);
        assert_eq!(provider.lookup(now, "nonsense", Index(7), 5), Lookup::Unknown);
    }

    #[test]
    fn without_tokens_nobody_logs_in() {
        let mut provider = TokenProvider::new("", Duration::ZERO).unwrap();
        provider.begin(true);
        assert_eq!(provider.assign(Monotonic(0), &login("a.1")), Err(Error::AuthFailed));
        assert_eq!(provider.lookup(Monotonic(0), "a.1", Index(9), 1), Lookup::Unknown);
    }
}
