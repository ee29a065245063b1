//! Calls with one request and one answer, straight on HTTP/2.
//!
//! The load tool shares the machine with the servers that it measures. What a call costs here is
//! taken from them, so calls go without the layers that `client` needs for applications: no queue
//! in front of a connection, no task beside that of the connection, no interceptors.
//!
//! Knows nothing of TLS, of users, or of trying again.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::SendRequest;
use http::uri::{Authority, Uri};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use prost::Message;
use tokio::net::TcpStream;
use tonic::{Code, Status};

/// A message stands behind a byte that tells whether it is compressed and its length in four.
const PREFIX_BYTES: usize = 5;

/// As large as flow control ever lets it be: a load waits for servers, not for permissions.
const WINDOW_BYTES: u32 = (1 << 31) - 1;

/// A connection. Clones share it.
#[derive(Clone)]
pub struct Connection {
    requests: SendRequest<Bytes>,
    authority: Authority,
}

impl Connection {
    /// Connects to `host:port`, with or without `http://` in front.
    ///
    /// # Errors
    /// A bad address, and what refuses the connection.
    pub async fn open(endpoint: &str) -> Result<Self> {
        let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
        let authority: Authority = address.parse().context("not a host and a port")?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .handshake(stream)
            .await?;
        // Its end shows in the calls on it.
        tokio::spawn(connection);
        Ok(Self { requests, authority })
    }

    /// Where the calls of a method of this connection's server go, as `/package.Service/Method`.
    ///
    /// # Errors
    /// A path that is none.
    pub fn method(&self, path: &'static str) -> Result<Uri> {
        let uri = Uri::builder().scheme("http").authority(self.authority.clone());
        Ok(uri.path_and_query(path).build()?)
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// The call's status unless it is OK, and the end of the connection.
    pub async fn call<A: Message + Default>(
        &mut self,
        method: &Uri,
        message: &impl Message,
    ) -> Result<A> {
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut body) = requests.send_request(head(method), false)?;
        body.send_data(framed(message), true)?;
        let (head, body) = answer.await?.into_parts();
        ensure!(head.status.is_success(), "HTTP status {}", head.status);
        fail_unless_ok(&head.headers, false)?;
        read(body).await
    }
}

fn head(method: &Uri) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = Method::POST;
    *head.uri_mut() = method.clone();
    let headers = head.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    head
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).expect("requests are far shorter than 4 GiB"));
    message.encode(&mut bytes).expect("the buffer has room for it");
    bytes.freeze()
}

async fn read<A: Message + Default>(mut body: RecvStream) -> Result<A> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    fail_unless_ok(&body.trailers().await?.context("the answer ends without a status")?, true)?;
    ensure!(bytes.len() >= PREFIX_BYTES, "the answer has no message");
    ensure!(bytes.get_u8() == 0, "the answer is compressed");
    let length = bytes.get_u32();
    ensure!(u32::try_from(bytes.len()) == Ok(length), "the answer is not one whole message");
    Ok(A::decode(bytes)?)
}

/// A status may stand in the head instead of the trailers, where it is the end.
fn fail_unless_ok(headers: &HeaderMap, is_end: bool) -> Result<()> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() == Code::Ok => Ok(()),
        Some(status) => Err(status.into()),
        None if is_end => bail!("the answer ends without a status"),
        None => Ok(()),
    }
}
