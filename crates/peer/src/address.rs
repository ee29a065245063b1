//! The URLs of peers, as etcd takes them: `http`, `https`, `unix` and `unixs`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

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
    /// A unix socket's path.
    Unix(PathBuf),
}

/// A URL where a peer listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerUrl {
    text: String,
    address: Address,
    host_header: String,
    is_secure: bool,
}

/// Why a text is no URL of a peer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UrlError {
    /// Another scheme.
    #[error("URL scheme must be http, https, unix, or unixs: {0}")]
    Scheme(String),
    /// No port, or none that is a number.
    #[error("URL address does not have the form \"host:port\": {0}")]
    HostPort(String),
    /// More behind the port.
    #[error("URL must not contain a path: {0}")]
    Path(String),
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

    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PeerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (is_secure, is_unix, usual_port) = match scheme {
            "http" => (false, false, 80),
            "https" => (true, false, 443),
            "unix" => (false, true, 0),
            "unixs" => (true, true, 0),
            _ => return Err(UrlError::Scheme(text.to_owned())),
        };
        if is_unix {
            let host = rest.split('/').next().unwrap_or_default();
            let host_header = if host.is_empty() { "localhost" } else { host }.to_owned();
            let address = Address::Unix(PathBuf::from(rest));
            return Ok(Self { text: text.to_owned(), address, host_header, is_secure });
        }
        let malformed = || UrlError::HostPort(text.to_owned());
        if let Some(at) = rest.find(['/', '?', '#']) {
            split_host_port(&rest[..at]).ok_or_else(malformed)?;
            return Err(UrlError::Path(text.to_owned()));
        }
        let (host, port) = split_host_port(rest).ok_or_else(malformed)?;
        let port = match port {
            "" => usual_port,
            port => port.parse().map_err(|_| malformed())?,
        };
        let host_header = host_header(host, port);
        let address = Address::Tcp { host: host.replacen("%25", "%", 1), port };
        Ok(Self { text: text.to_owned(), address, host_header, is_secure })
    }
}

/// Reads URLs; those that are none are left out with a line in the log.
pub(crate) fn parse_all(urls: &[impl AsRef<str>]) -> Vec<PeerUrl> {
    let parsed = urls.iter().filter_map(|url| match url.as_ref().parse::<PeerUrl>() {
        Ok(url) => Some(url),
        Err(error) => {
            tracing::warn!(%error, "ignored an invalid URL of a peer");
            None
        }
    });
    let mut urls: Vec<PeerUrl> = parsed.collect();
    urls.sort_by(|one, other| one.text.cmp(&other.text));
    urls
}

/// Takes `host:port` or `[host]:port` apart.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once("]:")?;
        return (!host.contains(['[', ']'])).then_some((host, port));
    }
    let (host, port) = text.split_once(':')?;
    let is_plain = !port.contains(':') && !host.contains(['[', ']', '@']);
    is_plain.then_some((host, port))
}

/// The authority without the zone of an IPv6 address, which means nothing elsewhere.
fn host_header(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{}]:{port}", host.split('%').next().unwrap_or_default()),
        false => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn urls_are_taken_as_etcd_takes_them() {
        let cases = [
            ("http://127.0.0.1:2380", tcp("127.0.0.1", 2380), "127.0.0.1:2380", false),
            (" https://m1.example:2380 ", tcp("m1.example", 2380), "m1.example:2380", true),
            ("http://[::1]:2380", tcp("::1", 2380), "[::1]:2380", false),
            ("http://[fe80::1%25eth0]:1", tcp("fe80::1%eth0", 1), "[fe80::1]:1", false),
            ("http://m1:", tcp("m1", 80), "m1:80", false),
            ("unix://m1:2380", Address::Unix("m1:2380".into()), "m1:2380", false),
            ("unixs:///run/m1", Address::Unix("/run/m1".into()), "localhost", true),
        ];
        for (text, address, host, is_secure) in cases {
            let url: PeerUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), text.trim());
            assert_eq!((url.address(), url.host_header()), (&address, host), "{text}");
            assert_eq!(url.is_secure(), is_secure, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_urls() {
        for text in ["", "m1:2380", "ftp://m1:1", "://m1:1"] {
            assert_eq!(text.parse::<PeerUrl>(), Err(UrlError::Scheme(text.to_owned())));
        }
        let without_port =
            ["http://m1", "http://", "http://::1:1", "http://m1:x", "http://m1/a", "http://[::1]"];
        for text in without_port {
            assert_eq!(text.parse::<PeerUrl>(), Err(UrlError::HostPort(text.to_owned())));
        }
        for text in ["http://m1:1/", "http://m1:1/a", "http://m1:1?a"] {
            assert_eq!(text.parse::<PeerUrl>(), Err(UrlError::Path(text.to_owned())));
        }
    }

    #[test]
    fn a_bad_url_leaves_the_good_ones() {
        let urls = parse_all(&["http://m2:1", "nonsense", "http://m1:1"]);
        let texts: Vec<&str> = urls.iter().map(PeerUrl::as_str).collect();
        assert_eq!(texts, ["http://m1:1", "http://m2:1"]);
    }
}
