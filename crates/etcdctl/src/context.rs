//! What every command works with: the flags, the client, the time it has, and the way out for
//! replies.

use bytes::Bytes;
use client::grpc::etcdserverpb::kv_client::KvClient;
use client::{Channel, Client, Config, Options, User};
use prost::Message;
use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use tonic::Status;

use crate::cli::{Arguments, Globals};
use crate::command::password;
use crate::failure::{BAD_ARGUMENTS, BAD_CONNECTION, BAD_FEATURE, ERROR, Failure};
use crate::print::{self, Reply};
use crate::say;

/// The largest request unless told otherwise, in bytes (clientv3's limit).
const REQUEST_BYTES_MAX: usize = 2 << 20;

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    /// The flags that every command takes.
    pub globals: Globals,
    /// The rest.
    pub arguments: Arguments,
}

impl Context {
    /// A client of the members given.
    ///
    /// # Errors
    /// What the user's login answers.
    pub async fn client(&self) -> Result<Arc<Client>, Failure> {
        self.client_of(self.globals.endpoints.clone()).await
    }

    /// A client of other members.
    ///
    /// # Errors
    /// What the user's login answers.
    pub async fn client_of(&self, endpoints: Vec<String>) -> Result<Arc<Client>, Failure> {
        let config = self.config(endpoints)?;
        let client = Client::new(config).await;
        client.map(Arc::new).map_err(|error| Failure::new(BAD_CONNECTION, error))
    }

    /// How to make a client; asks for the password where it is missing.
    ///
    /// # Errors
    /// An endpoint that needs TLS.
    pub fn config(&self, endpoints: Vec<String>) -> Result<Config, Failure> {
        if let Some(secure) = endpoints
            .iter()
            .find(|endpoint| endpoint.starts_with("https://") || endpoint.starts_with("unixs:"))
        {
            let message = format!("{secure} is not supported yet: there is no TLS");
            return Err(Failure::new(BAD_ARGUMENTS, message));
        }
        let globals = &self.globals;
        let options = Options {
            dial_timeout: globals.dial_timeout,
            keepalive_time: globals.keepalive_time,
            keepalive_timeout: globals.keepalive_timeout,
            token: (!globals.token.is_empty()).then(|| globals.token.clone()),
        };
        let user = match (globals.user.is_empty(), globals.token.is_empty()) {
            (true, _) | (_, false) => None,
            // Without a password nobody logs in, as in Go's client.
            _ => Some(self.user()?).filter(|user| !user.password.is_empty()),
        };
        Ok(Config { endpoints, options, user })
    }

    fn user(&self) -> Result<User, Failure> {
        let Globals { user, password, .. } = &self.globals;
        if !password.is_empty() {
            return Ok(User { name: user.clone(), password: password.clone() });
        }
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name.to_owned(), password.to_owned()),
            None => {
                let password = password::ask("Password: ");
                (user.clone(), password.map_err(|error| Failure::new(ERROR, error))?)
            }
        };
        Ok(User { name, password })
    }

    /// Waits for something for as long as a command may take.
    ///
    /// # Errors
    /// [`client::Error::Deadline`] and the call's own.
    pub async fn timed<T>(
        &self,
        work: impl Future<Output = Result<T, client::Error>>,
    ) -> Result<T, client::Error> {
        let timed = tokio::time::timeout(self.globals.command_timeout, work).await;
        timed.unwrap_or(Err(client::Error::Deadline))
    }

    /// The calls for keys, with the limit on replies that was asked for.
    pub fn kv(&self, channel: Channel) -> KvClient<Channel> {
        let limit = match self.globals.max_recv_bytes {
            0 => usize::MAX,
            bytes => bytes,
        };
        KvClient::new(channel).max_decoding_message_size(limit)
    }

    /// Refuses a request that is larger than was asked for, before anything is sent.
    ///
    /// # Errors
    /// If it is.
    pub fn fits(&self, request: &impl Message) -> Result<(), Failure> {
        let limit = match self.globals.max_request_bytes {
            0 => REQUEST_BYTES_MAX,
            bytes => bytes,
        };
        let length = request.encoded_len();
        if length <= limit {
            return Ok(());
        }
        let what = "trying to send message larger than max";
        let message = format!("{what} ({length} vs. {limit})");
        Err(client::Error::from(Status::resource_exhausted(message)).into())
    }

    /// Prints a reply in the format asked for.
    ///
    /// # Errors
    /// A format that there is not, or not for this reply.
    pub fn print(&self, reply: &dyn Reply) -> Result<(), Failure> {
        let format = self.globals.format;
        let format =
            format.ok_or_else(|| Failure::new(BAD_FEATURE, "unsupported output format"))?;
        write_out(&print::render(reply, format, self.globals.hex)?)
    }

    /// An argument that has been counted before.
    pub fn positional(&self, position: usize) -> Bytes {
        self.arguments.positional[position].clone()
    }

    /// How many arguments there are.
    pub fn count(&self) -> usize {
        self.arguments.positional.len()
    }
}

/// Writes to standard output at once.
///
/// # Errors
/// If nobody reads it.
pub fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(say::BROKEN_PIPE),
        _ => Failure::new(ERROR, error),
    })
}
