//! Calls byte by byte: any path, any headers, any body.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Request};
use std::time::Duration;

/// A server that does not answer a broken request in this time is at fault.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A request as it goes out.
#[derive(Clone, Debug)]
pub struct Raw {
    pub path: String,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Bytes,
}

impl Raw {
    /// A well-formed call of a method with these bytes as its message.
    pub fn call(path: &str, message: &[u8]) -> Self {
        let body = frame(0, message);
        let path = path.to_owned();
        Self { path, content_type: "application/grpc", headers: Vec::new(), body }
    }

    pub fn header(mut self, name: &'static str, value: &[u8]) -> Self {
        self.headers.push((name, value.to_vec()));
        self
    }
}

/// A gRPC frame: a byte that says whether it is compressed, the length, the message.
pub fn frame(compressed: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(compressed);
    frame.put_u32(u32::try_from(message.len()).expect("the messages here are short"));
    frame.put_slice(message);
    frame.freeze()
}

/// What came back: `status: message` of gRPC, `http <status>` where it is not gRPC's, or `broken`
/// where the connection or the stream was ended without an answer.
pub async fn send(endpoint: &str, raw: &Raw) -> String {
    match tokio::time::timeout(ANSWER_MAX, exchange(endpoint, raw)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => "broken".to_owned(),
        Err(_) => "silent".to_owned(),
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A connection whose frames nobody else makes: tonic's own client minds the caller's deadline.
pub async fn open(endpoint: &str) -> Result<h2::client::SendRequest<Bytes>, Failure> {
    let stream = tokio::net::TcpStream::connect(endpoint).await?;
    let (client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(client.ready().await?)
}

async fn exchange(endpoint: &str, raw: &Raw) -> Result<String, Failure> {
    let mut client = open(endpoint).await?;
    let mut request = Request::post(format!("http://{endpoint}{}", raw.path))
        .header("content-type", raw.content_type)
        .header("te", "trailers");
    for (name, value) in &raw.headers {
        request = request.header(*name, HeaderValue::from_bytes(value)?);
    }
    let (response, mut body) = client.send_request(request.body(())?, false)?;
    body.send_data(raw.body.clone(), true)?;
    let (head, mut body) = response.await?.into_parts();
    while let Some(data) = body.data().await {
        let received = data?.len();
        body.flow_control().release_capacity(received)?;
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let named = |name: &str| trailers.get(name).or_else(|| head.headers.get(name)).cloned();
    let Some(status) = named("grpc-status") else {
        return Ok(format!("http {}", head.status.as_u16()));
    };
    let message = named("grpc-message");
    let message = message.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    Ok(format!("{}: {}", status.to_str()?, percent_decoded(message)))
}

/// The text behind gRPC's `%20` and the like, which libraries use for more or fewer characters.
fn percent_decoded(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
