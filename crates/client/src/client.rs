//! A client of one or several members: failover, users and their tokens, what may be tried again.
//!
//! Invariants: a call that may have changed something is never sent twice; a call is sent again
//! only if it reads, or if the server refused it before it looked at it (a token that is not valid
//! any more), or if there was no connection to send it over.

use std::future::Future;
use std::time::Duration;

use proto::error::Error as Known;
use proto::etcdserverpb::AuthenticateRequest;
use tokio::sync::Mutex;
use tonic::{Response, Status};

use crate::connect::{Channel, Credentials, Options, connect_as};
use crate::error::Error;
use crate::grpc::etcdserverpb::auth_client::AuthClient;

/// How often a read is tried while members answer that they can't just now (clientv3's limit).
const READ_TRIES_MAX: u32 = 100;

/// How often a token is renewed for one call.
const RENEWALS_MAX: u32 = 3;

/// The pause before the next try; each member is asked once before it grows.
const PAUSE_MIN: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether a call may be sent again when its outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Safety {
    /// Changes nothing: sent again, to other members too.
    Read,
    /// May have changed something: never sent again.
    Write,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// In plain text.
    pub password: String,
}

/// What a client needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Members, in the order in which they are tried.
    pub endpoints: Vec<String>,
    /// How to connect. Its token is used when there is no user.
    pub options: Options,
    /// Authenticated at the start, and again when the token is not valid any more.
    pub user: Option<User>,
}

/// A client. Connects when it is first used, to the first member that answers, and stays there.
#[derive(Debug)]
pub struct Client {
    config: Config,
    credentials: Credentials,
    connection: Mutex<Connection>,
}

#[derive(Debug, Default)]
struct Connection {
    /// The endpoint in use or tried next.
    position: usize,
    channel: Option<Channel>,
    /// Raised with each change of endpoint, so that of several calls that failed over one
    /// connection only the first moves on.
    generation: u64,
}

impl Client {
    /// Makes a client; with a user it authenticates at once, for at most the dial timeout.
    ///
    /// # Errors
    /// [`Error::NoEndpoints`]; what `Authenticate` answers, except that authentication is off.
    pub async fn new(config: Config) -> Result<Self, Error> {
        if config.endpoints.is_empty() {
            return Err(Error::NoEndpoints);
        }
        let credentials = Credentials::default();
        credentials.set(config.options.token.as_deref())?;
        let client = Self { config, credentials, connection: Mutex::default() };
        if client.config.user.is_some() {
            let renewal = client.authenticate();
            tokio::time::timeout(client.config.options.dial_timeout, renewal)
                .await
                .map_err(|_| Error::Deadline)??;
        }
        Ok(client)
    }

    /// The members it knows.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.config.endpoints
    }

    /// A connection to a member that answers. Tries all of them, again and again, until one does:
    /// the caller sets the limit.
    ///
    /// # Errors
    /// [`Error::Endpoint`] if none of them is an address.
    pub async fn channel(&self) -> Result<Channel, Error> {
        Ok(self.connected().await?.0)
    }

    /// Calls a member.
    ///
    /// # Errors
    /// What the last try answered.
    pub async fn call<T, F, Pending>(&self, safety: Safety, mut send: F) -> Result<T, Error>
    where
        F: FnMut(Channel) -> Pending,
        Pending: Future<Output = Result<Response<T>, Status>>,
    {
        let (mut tries, mut renewals) = (0, 0);
        loop {
            let (channel, generation) = self.connected().await?;
            let error = match send(channel).await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => Error::from(status),
            };
            if renewals < RENEWALS_MAX && self.is_about_the_token(&error) {
                renewals += 1;
                self.authenticate().await?;
                continue;
            }
            tries += 1;
            if !error.is_unavailable() {
                return Err(error);
            }
            self.leave(generation).await;
            if safety == Safety::Write || tries >= READ_TRIES_MAX {
                return Err(error);
            }
            self.pause(tries).await;
        }
    }

    /// Gets a new token. Does nothing without a user, or where authentication is off.
    ///
    /// # Errors
    /// What `Authenticate` answers.
    pub async fn authenticate(&self) -> Result<(), Error> {
        let Some(user) = &self.config.user else { return Ok(()) };
        let mut tries = 0;
        loop {
            let (channel, generation) = self.connected().await?;
            let User { name, password } = user.clone();
            let request = AuthenticateRequest { name, password };
            let error = match AuthClient::new(channel).authenticate(request).await {
                Ok(response) => return self.credentials.set(Some(&response.into_inner().token)),
                Err(status) => Error::from(status),
            };
            if error.known() == Some(Known::AuthNotEnabled) {
                return self.credentials.set(None);
            }
            tries += 1;
            if !error.is_unavailable() || tries >= READ_TRIES_MAX {
                return Err(error);
            }
            self.leave(generation).await;
            self.pause(tries).await;
        }
    }

    /// The server did not take the call because of its token, and a new one may do.
    pub(crate) fn is_about_the_token(&self, error: &Error) -> bool {
        let renewable = [Known::InvalidAuthToken, Known::AuthOldRevision, Known::UserEmpty];
        self.config.user.is_some() && error.known().is_some_and(|known| renewable.contains(&known))
    }

    /// The connection in use, with its generation.
    pub(crate) async fn connected(&self) -> Result<(Channel, u64), Error> {
        let mut connection = self.connection.lock().await;
        let mut tries = 0;
        loop {
            if let Some(channel) = &connection.channel {
                return Ok((channel.clone(), connection.generation));
            }
            let count = self.config.endpoints.len();
            let endpoint = &self.config.endpoints[connection.position % count];
            let options = &self.config.options;
            match connect_as(endpoint, options, self.credentials.clone()).await {
                Ok(channel) => connection.channel = Some(channel),
                Err(error @ Error::Endpoint { .. }) if tries as usize + 1 >= count => {
                    return Err(error);
                }
                Err(_) => {
                    tries += 1;
                    connection.position += 1;
                    self.pause(tries).await;
                }
            }
        }
    }

    /// Leaves a connection over which a call failed, for the next endpoint.
    pub(crate) async fn leave(&self, generation: u64) {
        let mut connection = self.connection.lock().await;
        if connection.generation == generation {
            connection.generation += 1;
            connection.position += 1;
            connection.channel = None;
        }
    }

    /// Waits before try number `tries`: longer after each round over all members.
    pub(crate) async fn pause(&self, tries: u32) {
        let rounds = tries / u32::try_from(self.config.endpoints.len()).unwrap_or(u32::MAX).max(1);
        let pause = PAUSE_MIN.saturating_mul(1 << rounds.min(6));
        tokio::time::sleep(pause.min(PAUSE_MAX)).await;
    }
}
