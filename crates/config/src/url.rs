//! URLs as etcd takes them (client/pkg/types/urls.go): `http` and `https` with host and port and no
//! path, `unix` and `unixs` with the path of a socket.
//!
//! Invariant: a URL with scheme `http` or `https` has a host part that splits into host and port.

use crate::quote::quote;
use std::fmt;

/// How a URL is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scheme {
    /// TCP.
    Http,
    /// TLS over TCP.
    Https,
    /// A unix socket.
    Unix,
    /// TLS over a unix socket.
    Unixs,
}

/// A URL that etcd accepts. Ordered and printed by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Url {
    text: String,
    scheme: Scheme,
    host: String,
    path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scheme {
    /// Whether the socket is a file.
    #[must_use]
    pub const fn is_unix(self) -> bool {
        matches!(self, Self::Unix | Self::Unixs)
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Unixs)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Unix => "unix",
            Self::Unixs => "unixs",
        }
    }
}

impl Url {
    /// Reads one URL.
    ///
    /// # Errors
    /// etcd's and Go's own words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let parts = Parts::parse(text)?;
        let scheme = match parts.scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "unix" => Scheme::Unix,
            "unixs" => Scheme::Unixs,
            _ => return Err(format!("URL scheme must be http, https, unix, or unixs: {text}")),
        };
        if !scheme.is_unix() {
            if split_host_port(parts.host).is_none() {
                return Err(format!("URL address does not have the form \"host:port\": {text}"));
            }
            if !parts.path.is_empty() {
                return Err(format!("URL must not contain a path: {text}"));
            }
        }
        let (host, path) = (parts.host.to_owned(), parts.path.to_owned());
        let text = format!("{}{}", scheme.name(), &text[parts.scheme.len()..]);
        Ok(Self { text, scheme, host, path })
    }

    /// Reads a comma-separated list; sorted, as etcd keeps it.
    ///
    /// # Errors
    /// Of the first URL that has one.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        Self::parse_all(text.split(','))
    }

    /// Reads several; sorted.
    ///
    /// # Errors
    /// Of the first that has one.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, String> {
        let mut urls = texts.into_iter().map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        urls.sort();
        Ok(urls)
    }

    /// How it is reached.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `host:port`, or what stands in its place for a unix socket.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.host
    }

    /// The host without brackets; empty for a unix socket.
    #[must_use]
    pub fn hostname(&self) -> &str {
        split_host_port(&self.host).map_or("", |(host, _)| host)
    }

    /// The port's text; may be empty.
    #[must_use]
    pub fn port(&self) -> &str {
        split_host_port(&self.host).map_or("", |(_, port)| port)
    }

    /// The file of a unix socket; `None` for TCP.
    #[must_use]
    pub fn socket_path(&self) -> Option<String> {
        self.scheme.is_unix().then(|| format!("{}{}", self.host, self.path))
    }

    /// The same URL with another host and port.
    #[must_use]
    pub fn with_authority(&self, authority: &str) -> Self {
        let text = format!("{}://{authority}", self.scheme.name());
        Self { text, scheme: self.scheme, host: authority.to_owned(), path: String::new() }
    }
}

/// A URL cut where Go's `net/url` cuts it.
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let text = text.split('#').next().unwrap_or_default();
        let fault = |what: String| format!("parse {}: {what}", quote(text));
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(fault("net/url: invalid control character in URL".to_owned()));
        }
        let (scheme, rest) = split_scheme(text).map_err(|what| fault(what.to_owned()))?;
        let rest = rest.split('?').next().unwrap_or_default();
        let Some(after) = rest.strip_prefix("//") else {
            let first = rest.split('/').next().unwrap_or_default();
            if scheme.is_empty() && first.contains(':') {
                let what = "first path segment in URL cannot contain colon";
                return Err(fault(what.to_owned()));
            }
            return Ok(Self { scheme, host: "", path: rest });
        };
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        check_host(host).map_err(fault)?;
        Ok(Self { scheme, host, path })
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (position, character) in text.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if position > 0 => {}
            ':' if position == 0 => return Err("missing protocol scheme"),
            ':' => return Ok((&text[..position], &text[position + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

/// The rules of Go's `net/url` for the host part.
fn check_host(host: &str) -> Result<(), String> {
    let port = if host.starts_with('[') {
        let end = host.rfind(']').ok_or_else(|| "missing ']' in host".to_owned())?;
        &host[end + 1..]
    } else {
        host.rfind(':').map_or("", |position| &host[position..])
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let valid = port.is_empty() || port.starts_with(':');
    if !valid || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("invalid port {} after host", quote(port)));
    }
    let refused = host
        .chars()
        .find(|c| matches!(c, ' ' | '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}'));
    match refused {
        Some(character) => {
            Err(format!("invalid character {} in host name", quote(&character.to_string())))
        }
        None => Ok(()),
    }
}

/// Go's `net.SplitHostPort`: `host:port`, `[host]:port`; `None` where that fails.
pub fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        (host, rest.strip_prefix(':')?)
    } else {
        let (host, port) = text.rsplit_once(':')?;
        if host.contains(':') {
            return None;
        }
        (host, port)
    };
    let clean = |part: &str| !part.contains(['[', ']']);
    (clean(host) && clean(port) && !port.contains(':')).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = Url::parse(" HTTP://[::1]:2379 ").unwrap();
        assert_eq!(url.to_string(), "http://[::1]:2379");
        assert_eq!((url.hostname(), url.port(), url.scheme()), ("::1", "2379", Scheme::Http));
        assert_eq!(url.socket_path(), None);
        let unix = Url::parse("unix:///tmp/etcd.sock").unwrap();
        assert_eq!(unix.socket_path().as_deref(), Some("/tmp/etcd.sock"));
        let old = Url::parse("unixs://localhost:m1").unwrap_err();
        assert_eq!(old, "parse \"unixs://localhost:m1\": invalid port \":m1\" after host");
        let unix = Url::parse("unix://localhost:12").unwrap();
        assert_eq!(unix.socket_path().as_deref(), Some("localhost:12"));
    }

    #[test]
    fn lists_are_sorted() {
        let urls = Url::parse_list("http://b:1,http://a:1").unwrap();
        let texts: Vec<String> = urls.iter().map(Url::to_string).collect();
        assert_eq!(texts, ["http://a:1", "http://b:1"]);
    }

    #[test]
    fn what_etcd_refuses_is_refused_in_its_words() {
        let cases = [
            (
                "127.0.0.1:2379",
                "parse \"127.0.0.1:2379\": first path segment in URL cannot contain colon",
            ),
            ("localhost:2379", "URL scheme must be http, https, unix, or unixs: localhost:2379"),
            ("", "URL scheme must be http, https, unix, or unixs: "),
            (
                "mailto://127.0.0.1:2379",
                "URL scheme must be http, https, unix, or unixs: mailto://127.0.0.1:2379",
            ),
            (
                "http://127.0.0.1",
                "URL address does not have the form \"host:port\": http://127.0.0.1",
            ),
            (
                "http://::1:2379",
                "URL address does not have the form \"host:port\": http://::1:2379",
            ),
            ("http://127.0.0.1:2379/", "URL must not contain a path: http://127.0.0.1:2379/"),
            (
                "http://127.0.0.1:abc",
                "parse \"http://127.0.0.1:abc\": invalid port \":abc\" after host",
            ),
            ("http://a b:1", "parse \"http://a b:1\": invalid character \" \" in host name"),
            ("http://[::1:1", "parse \"http://[::1:1\": missing ']' in host"),
            ("://x:1", "parse \"://x:1\": missing protocol scheme"),
            (
                "http://a\u{1}:1",
                "parse \"http://a\\x01:1\": net/url: invalid control character in URL",
            ),
        ];
        for (text, error) in cases {
            assert_eq!(Url::parse(text), Err(error.to_owned()), "{text}");
        }
    }
}
