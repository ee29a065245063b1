//! The URLs of peers as places to connect to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use membership::{Url, UrlError};

/// Where a connection goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// A name or IP address (IPv6 without brackets, maybe with a zone), and a port.
    Tcp {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket's path: host and path of the URL.
    Unix(PathBuf),
}

/// A URL where a peer listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerUrl {
    url: Url,
    address: Address,
    host_header: String,
    is_secure: bool,
}

impl PeerUrl {
    /// Where to connect to.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Whether the connection is TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// What a request's `Host` header says.
    #[must_use]
    pub fn host_header(&self) -> &str {
        &self.host_header
    }
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl From<Url> for PeerUrl {
    fn from(url: Url) -> Self {
        let is_secure = matches!(url.scheme(), "https" | "unixs");
        let (address, host_header) = match url.scheme() {
            "unix" | "unixs" => {
                let host = if url.host().is_empty() { "localhost" } else { url.host() };
                let path = format!("{}{}", url.host(), url.path());
                (Address::Unix(PathBuf::from(path)), host.to_owned())
            }
            _ => {
                // A URL of these schemes has a port, maybe an empty one.
                let (host, port) = url.host().rsplit_once(':').unwrap_or((url.host(), ""));
                let usual_port = if is_secure { 443 } else { 80 };
                let port = if port.is_empty() { usual_port } else { port.parse().unwrap_or(0) };
                (tcp(host, port), host_header(host, port))
            }
        };
        Self { url, address, host_header, is_secure }
    }
}

fn tcp(host: &str, port: u16) -> Address {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Address::Tcp { host: bare.unwrap_or(host).to_owned(), port }
}

/// The authority without the zone of an IPv6 address, which means nothing elsewhere.
fn host_header(host: &str, port: u16) -> String {
    match host.split_once('%') {
        Some((address, _)) => format!("{address}]:{port}"),
        None => format!("{host}:{port}"),
    }
}

impl FromStr for PeerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Ok(text.parse::<Url>()?.into())
    }
}

/// Reads URLs, sorted; those that are none are left out with a line in the log.
pub(crate) fn parse_all(urls: &[String]) -> Vec<PeerUrl> {
    let parsed = urls.iter().filter_map(|url| match url.parse::<Url>() {
        Ok(url) => Some(url),
        Err(error) => {
            tracing::warn!(%error, "ignored an invalid URL of a peer");
            None
        }
    });
    let mut urls: Vec<Url> = parsed.collect();
    urls.sort();
    urls.into_iter().map(PeerUrl::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn urls_lead_to_addresses() {
        let cases = [
            ("http://127.0.0.1:2380", tcp("127.0.0.1", 2380), "127.0.0.1:2380", false),
            (" https://m1.example:2380 ", tcp("m1.example", 2380), "m1.example:2380", true),
            ("http://[::1]:2380", tcp("::1", 2380), "[::1]:2380", false),
            ("http://[fe80::1%25eth0]:1", tcp("fe80::1%eth0", 1), "[fe80::1]:1", false),
            ("http://m1:", tcp("m1", 80), "m1:80", false),
            ("https://m1:", tcp("m1", 443), "m1:443", true),
            // No such port; connecting says so.
            ("http://m1:99999", tcp("m1", 0), "m1:0", false),
            ("unix://m1:2380", Address::Unix("m1:2380".into()), "m1:2380", false),
            ("unixs:///run/m1", Address::Unix("/run/m1".into()), "localhost", true),
        ];
        for (text, address, host, is_secure) in cases {
            let url: PeerUrl = text.parse().unwrap();
            assert_eq!((url.address(), url.host_header()), (&address, host), "{text}");
            assert_eq!(url.is_secure(), is_secure, "{text}");
        }
    }

    #[test]
    fn a_bad_url_leaves_the_good_ones() {
        let urls = ["http://m2:1", "nonsense", "http://m1:1"].map(str::to_owned);
        let texts: Vec<String> = parse_all(&urls).iter().map(PeerUrl::to_string).collect();
        assert_eq!(texts, ["http://m1:1", "http://m2:1"]);
    }
}
