//! The HTTP interface to a server's fail points.

use std::io::{Read, Write};
use std::net::TcpStream;

use harness::Port;

pub struct Control(Port);

impl Control {
    pub const fn new(port: Port) -> Self {
        Self(port)
    }

    /// Whether anybody listens.
    pub fn is_there(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.0.number())).is_ok()
    }

    /// Status and body of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.0.number())).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "")
    }

    pub fn put(&self, path: &str, terms: &str) -> (u16, String) {
        self.ask("PUT", path, terms)
    }

    pub fn delete(&self, path: &str) -> (u16, String) {
        self.ask("DELETE", path, "")
    }

    /// Name and terms of each point.
    pub fn list(&self) -> Vec<(String, String)> {
        let (status, body) = self.get("/");
        assert_eq!(status, 200);
        let pair = |line: &str| {
            let (name, terms) = line.split_once('=').unwrap();
            (name.to_owned(), terms.to_owned())
        };
        body.lines().map(pair).collect()
    }

    /// How often a point has obeyed.
    pub fn count(&self, name: &str) -> u64 {
        match self.get(&format!("/{name}/count")) {
            (200, count) => count.parse().unwrap(),
            (status, text) => panic!("{name}: {status} {text}"),
        }
    }
}
