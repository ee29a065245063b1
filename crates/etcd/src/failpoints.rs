//! The interface to the fail points of a build that has them, as gofail's: `GOFAIL_FAILPOINTS` arms
//! them from the start, `GOFAIL_HTTP` names an address on which they are listed and armed.
//!
//! On threads of its own, so that it answers whatever a fail point stops. An answer that has begun
//! is sent whole before a fail point ends the process: who arms a `panic` wants to hear of it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::Duration;

use env::fail::{self, Failure};

/// How many connections are served at once.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may say nothing.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long the head of a request may be, and its body.
const HEAD_BYTES_MAX: u64 = 16 << 10;
const BODY_BYTES_MAX: u64 = 64 << 10;

/// Does what the environment says.
///
/// # Errors
/// With what gofail says before it ends the process.
pub fn start() -> Result<(), String> {
    fail::on_panic(|text| {
        // As a Go program ends: at once, with all its threads.
        eprintln!("panic: {text}");
        std::process::exit(2);
    });
    if let Ok(list) = std::env::var("GOFAIL_FAILPOINTS") {
        let armed = fail::parse_list(&list);
        for (name, terms) in armed.map_err(|error| format!("fail to parse failpoint: {error}"))? {
            // What is wrong with the terms has been printed; a name unknown is another program's.
            let _ = fail::enable(name, terms);
        }
    }
    match std::env::var("GOFAIL_HTTP") {
        Ok(address) if !address.is_empty() => serve(&address).map_err(|error| error.to_string()),
        _ => Ok(()),
    }
}

fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let open = Arc::new(AtomicUsize::new(0));
    Builder::new().name("failpoints".to_owned()).spawn(move || {
        for connection in listener.incoming() {
            let Ok(connection) = connection else { continue };
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let counted = Arc::clone(&open);
            let served = Builder::new().name("failpoint".to_owned()).spawn(move || {
                // A client that went away needs no answer.
                let _ = converse(&connection);
                counted.fetch_sub(1, Ordering::Relaxed);
            });
            if served.is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    })?;
    Ok(())
}

/// Answers requests until the client has had enough.
fn converse(connection: &TcpStream) -> io::Result<()> {
    connection.set_read_timeout(Some(IDLE_MAX))?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = read(&mut reader)? {
        // Before the answer is sent no fail point may end the process, after it one may.
        let guard = fail::without_panics();
        let answer = answer(&request.method, &request.target, &request.body);
        (&mut &*connection).write_all(&answer.encode())?;
        drop(guard);
        if request.is_last {
            break;
        }
    }
    Ok(())
}

struct Request {
    method: String,
    target: String,
    body: String,
    /// The client wants the connection closed.
    is_last: bool,
}

/// Reads a request; `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut head = reader.by_ref().take(HEAD_BYTES_MAX);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut is_last = version == "HTTP/1.0";
    let mut length = 0;
    loop {
        let mut header = String::new();
        if head.read_line(&mut header)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = header.split_once(':') else { break };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => {
                length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?;
            }
            ("connection", value) => is_last |= value.eq_ignore_ascii_case("close"),
            ("transfer-encoding", _) => return Err(io::ErrorKind::Unsupported.into()),
            _ => {}
        }
    }
    if length > BODY_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    Ok(Some(Request { method, target, body, is_last }))
}

#[derive(PartialEq, Eq, Debug)]
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    fn error(status: u16, text: &str) -> Self {
        Self::new(status, format!("{text}\n"))
    }

    fn encode(&self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            204 => "No Content",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "Internal Server Error",
        };
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        if self.status == 405 {
            head.push_str("Allow: PUT\r\n");
        }
        if self.status != 204 {
            head.push_str("Content-Type: text/plain; charset=utf-8\r\n");
            head.push_str(&format!("Content-Length: {}\r\n", self.text.len()));
        }
        format!("{head}\r\n{}", self.text).into_bytes()
    }
}

/// What gofail answers.
fn answer(method: &str, target: &str, body: &str) -> Answer {
    let Some(name) = target.strip_prefix('/') else {
        return Answer::error(400, "malformed request URI");
    };
    match method {
        "PUT" => put(name, body),
        "GET" if name.is_empty() => {
            let lines: Vec<String> =
                fail::list().iter().map(|(name, terms)| format!("{name}={terms}\n")).collect();
            Answer::new(200, lines.concat())
        }
        "GET" => get(name),
        "DELETE" => match fail::disable(name) {
            Ok(()) => Answer::new(204, ""),
            Err(error) => Answer::error(400, &format!("failed to delete failpoint {error}")),
        },
        _ => Answer::error(405, "Method not allowed"),
    }
}

fn put(name: &str, terms: &str) -> Answer {
    let list = match name.eq_ignore_ascii_case("failpoints") {
        true => fail::parse_list(terms),
        false => Ok(vec![(name, terms)]),
    };
    let list = match list {
        Ok(list) => list,
        Err(error) => return Answer::error(400, &format!("fail to parse failpoint: {error}")),
    };
    match list.into_iter().try_for_each(|(name, terms)| fail::enable(name, terms)) {
        Ok(()) => Answer::new(204, ""),
        Err(error) => Answer::error(400, &format!("fail to set failpoint: {error}")),
    }
}

fn get(name: &str) -> Answer {
    let failed = |error: &Failure| format!("failed to GET: {error}");
    if let Some(name) = name.strip_suffix("/count") {
        return match fail::status(name) {
            Ok((_, count)) => Answer::new(200, count.to_string()),
            Err(error @ Failure::NoExist) => Answer::error(404, &failed(&error)),
            Err(error) => Answer::error(500, &failed(&error)),
        };
    }
    match fail::status(name) {
        Ok((terms, _)) => Answer::new(200, format!("{terms}\n")),
        // gofail goes on after the error and adds an empty status.
        Err(error) => Answer::new(404, format!("{}\n\n", failed(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_are_gofails() {
        let list = answer("GET", "/", "");
        assert_eq!((list.status, list.text.lines().count()), (200, 45));
        assert!(list.text.starts_with("afterCommit=\n") && list.text.ends_with("walBeforeSync=\n"));
        assert_eq!(answer("PUT", "/afterCommit", "sleep(\"1s\")"), Answer::new(204, ""));
        assert!(answer("GET", "/", "").text.starts_with("afterCommit=sleep(\"1s\")\n"));
        assert_eq!(answer("GET", "/afterCommit", ""), Answer::new(200, "sleep(\"1s\")\n"));
        assert_eq!(answer("GET", "/afterCommit/count", ""), Answer::new(200, "0"));
        assert_eq!(answer("DELETE", "/afterCommit", ""), Answer::new(204, ""));
        let refused = [
            (
                "DELETE",
                "/afterCommit",
                "",
                400,
                "failed to delete failpoint failpoint: failpoint is disabled\n",
            ),
            ("GET", "/afterCommit", "", 404, "failed to GET: failpoint: failpoint is disabled\n\n"),
            (
                "GET",
                "/afterCommit/count",
                "",
                500,
                "failed to GET: failpoint: failpoint is disabled\n",
            ),
            (
                "GET",
                "/nobody/count",
                "",
                404,
                "failed to GET: failpoint: failpoint does not exist\n",
            ),
            (
                "PUT",
                "/nobody",
                "off",
                400,
                "fail to set failpoint: failpoint: failpoint does not exist\n",
            ),
            (
                "PUT",
                "/afterCommit",
                "?",
                400,
                "fail to set failpoint: failpoint: could not parse terms\n",
            ),
            ("PUT", "/failpoints", "x", 400, "fail to parse failpoint: bad failpoint \"x\"\n"),
            ("POST", "/", "", 405, "Method not allowed\n"),
            ("GET", "x", "", 400, "malformed request URI\n"),
        ];
        for (method, target, body, status, text) in refused {
            assert_eq!(
                answer(method, target, body),
                Answer::new(status, text),
                "{method} {target}"
            );
        }
        assert_eq!(answer("PUT", "/failpoints", "beforeCommit=off;walAfterSync=off").status, 204);
        assert_eq!(answer("DELETE", "/walAfterSync", "").status, 204);
        assert_eq!(answer("DELETE", "/beforeCommit", "").status, 204);
    }

    #[test]
    fn a_request_is_read_with_its_body() {
        let text = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\npanicGET / HTTP/1.1\r\nConnection: close\r\n\r\n";
        let mut reader = &text[..];
        let first = read(&mut reader).unwrap().unwrap();
        assert_eq!((&*first.method, &*first.target, &*first.body), ("PUT", "/a", "panic"));
        let second = read(&mut reader).unwrap().unwrap();
        assert!(second.is_last && second.method == "GET" && second.body.is_empty());
        assert!(read(&mut reader).unwrap().is_none());
        assert!(read(&mut &b"GET\r\n\r\n"[..]).is_err());
        assert!(read(&mut &b"GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"[..]).is_err());
    }
}
