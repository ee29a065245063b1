//! URLs as etcd takes and prints them: Go's `net/url`, and etcd's rules on top
//! (client/pkg/types/urls.go).
//!
//! What is printed matters: a member's identity is a hash of it, and it is stored. Does not resolve
//! names.
//!
//! Invariants: a URL of scheme `http` or `https` has a host and a port and no path; `parse` of what
//! is printed prints the same.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::quote::quote;

/// A URL of a scheme that etcd knows: `http`, `https`, `unix` or `unixs`. Ordered by what is
/// printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Url {
    text: String,
    scheme: String,
    host: String,
    path: String,
}

/// Why a text is no URL, in Go's words or etcd's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let parts = Parts::parse(text)?;
        match parts.scheme.as_str() {
            "http" | "https" => {
                if split_host_port(&parts.host).is_none() {
                    let what = "URL address does not have the form \"host:port\"";
                    return Err(UrlError(format!("{what}: {text}")));
                }
                if !parts.path.is_empty() {
                    return Err(UrlError(format!("URL must not contain a path: {text}")));
                }
            }
            "unix" | "unixs" => {}
            _ => {
                let what = "URL scheme must be http, https, unix, or unixs";
                return Err(UrlError(format!("{what}: {text}")));
            }
        }
        Ok(Self { text: parts.print(), scheme: parts.scheme, host: parts.host, path: parts.path })
    }
}

impl Url {
    /// Reads several; sorted, as etcd keeps them.
    ///
    /// # Errors
    /// Of the first that has one, or that there is none.
    pub fn parse_all<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Self>, UrlError> {
        if texts.is_empty() {
            return Err(UrlError("no valid URLs given".to_owned()));
        }
        let urls = texts.iter().map(|text| text.as_ref().parse());
        let mut urls = urls.collect::<Result<Vec<Self>, UrlError>>()?;
        urls.sort();
        Ok(urls)
    }

    /// Reads a comma-separated list; sorted.
    ///
    /// # Errors
    /// Of the first that has one.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UrlError> {
        Self::parse_all(&text.split(',').collect::<Vec<_>>())
    }

    /// Whether it leads to a unix socket.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        matches!(self.scheme.as_str(), "unix" | "unixs")
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "unixs")
    }

    /// The host without brackets and port; empty for a unix socket without one.
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
        self.is_unix().then(|| format!("{}{}", self.host, self.path))
    }

    /// The scheme, in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Host and port, as given; empty for a socket's path.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path without escapes; of `unix` and `unixs` only.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether both lead to the same place without resolving names: equal but for the way an
    /// address is written.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.path == other.path
            && normal_host(&self.host) == normal_host(&other.host)
    }

    /// The same URL with another host and port.
    ///
    /// # Errors
    /// When there cannot be such a host.
    pub fn with_host(&self, host: &str) -> Result<Self, UrlError> {
        format!("{}://{host}{}", self.scheme, self.path).parse()
    }
}

/// Go's `net.SplitHostPort`: `host:port` or `[host]:port`.
pub(crate) fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, rest.strip_prefix(':')?)
        }
        None => text.rsplit_once(':').filter(|(host, _)| !host.contains(':'))?,
    };
    let clean = |part: &str| !part.contains(['[', ']']);
    (clean(host) && clean(port) && !port.contains(':')).then_some((host, port))
}

/// Host and port with an address written in its usual form (pkg/netutil/host_normalize.go).
fn normal_host(host: &str) -> String {
    let (name, port) = match split_host_port(host) {
        Some((name, port)) if !port.is_empty() => (name, format!(":{port}")),
        Some((name, _)) => (name, String::new()),
        None => (host, String::new()),
    };
    let address =
        name.trim_matches(['[', ']']).parse().map(|address: IpAddr| address.to_canonical());
    match address {
        Ok(IpAddr::V4(address)) => format!("{address}{port}"),
        Ok(IpAddr::V6(address)) => format!("[{address}]{port}"),
        Err(_) => host.to_owned(),
    }
}

/// A URL cut where Go's `net/url` cuts it, without escapes.
#[derive(Default)]
struct Parts {
    scheme: String,
    /// Instead of all behind: what stands behind a scheme without a slash.
    opaque: String,
    user: Option<(String, Option<String>)>,
    host: String,
    path: String,
    /// The path as given, where printing would not give it back.
    raw_path: Option<String>,
    /// Whether the path stood behind the scheme without `//` between.
    without_host: bool,
    query: Option<String>,
    fragment: String,
    raw_fragment: Option<String>,
}

type Fault = String;

impl Parts {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let fault = |shown: &str, what| UrlError(format!("parse {}: {what}", quote(shown)));
        let (front, fragment) = match text.split_once('#') {
            Some((front, fragment)) => (front, Some(fragment)),
            None => (text, None),
        };
        let mut parts = Self::parse_front(front).map_err(|what| fault(front, what))?;
        if let Some(fragment) = fragment {
            (parts.fragment, parts.raw_fragment) =
                unescape_keeping(fragment, Place::Fragment).map_err(|what| fault(text, what))?;
        }
        Ok(parts)
    }

    fn parse_front(text: &str) -> Result<Self, Fault> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (scheme, rest) = split_scheme(text)?;
        let mut parts = Self { scheme: scheme.to_ascii_lowercase(), ..Self::default() };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        parts.query = query;
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                parts.opaque = rest.to_owned();
                return Ok(parts);
            }
            if rest.split('/').next().unwrap_or_default().contains(':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let path = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                parts.parse_authority(authority)?;
                path
            }
            None => {
                parts.without_host = !scheme.is_empty() && rest.starts_with('/');
                rest
            }
        };
        (parts.path, parts.raw_path) = unescape_keeping(path, Place::Path)?;
        Ok(parts)
    }

    fn parse_authority(&mut self, authority: &str) -> Result<(), Fault> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = parse_host(&self.scheme, host)?;
        let Some(user) = user else { return Ok(()) };
        let valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
        if !user.chars().all(valid) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        let (name, password) = match user.split_once(':') {
            Some((name, password)) => (name, Some(unescape(password, Place::User)?)),
            None => (user, None),
        };
        self.user = Some((unescape(name, Place::User)?, password));
        Ok(())
    }

    fn print(&self) -> String {
        let mut text = String::new();
        if !self.scheme.is_empty() {
            text = format!("{}:", self.scheme);
        }
        if self.opaque.is_empty() {
            self.print_authority(&mut text);
            if !self.path.is_empty() && !self.path.starts_with('/') && !self.host.is_empty() {
                text.push('/');
            }
            text.push_str(&escape_unless_kept(&self.path, self.raw_path.as_ref(), Place::Path));
        } else {
            text.push_str(&self.opaque);
        }
        if let Some(query) = &self.query {
            text.push('?');
            text.push_str(query);
        }
        if !self.fragment.is_empty() {
            text.push('#');
            let kept = self.raw_fragment.as_ref();
            text.push_str(&escape_unless_kept(&self.fragment, kept, Place::Fragment));
        }
        text
    }

    fn print_authority(&self, text: &mut String) {
        let nothing = self.host.is_empty() && self.user.is_none();
        if nothing && (self.without_host || self.path.is_empty() || self.scheme.is_empty()) {
            return;
        }
        text.push_str("//");
        if let Some((name, password)) = &self.user {
            text.push_str(&escape(name, Place::User));
            if let Some(password) = password {
                text.push(':');
                text.push_str(&escape(password, Place::User));
            }
            text.push('@');
        }
        text.push_str(&escape(&self.host, Place::Host));
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), Fault> {
    for (position, character) in text.char_indices() {
        match character {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if position > 0 => {}
            ':' if position == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..position], &text[position + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn parse_host(scheme: &str, host: &str) -> Result<String, Fault> {
    let port = match host.rfind('[') {
        Some(0) => return parse_literal(host),
        Some(_) => return Err("invalid IP-literal".to_owned()),
        // Only URLs of other schemes may have colons before the one of the port.
        None if matches!(scheme, "http" | "https") => host.find(':'),
        None => host.rfind(':'),
    };
    check_port(port.map_or("", |position| &host[position..]))?;
    unescape(host, Place::Host)
}

/// A host in brackets: an IPv6 address, possibly with a zone, and what stands behind it.
fn parse_literal(host: &str) -> Result<String, Fault> {
    let end = host.rfind(']').ok_or_else(|| "missing ']' in host".to_owned())?;
    let port = &host[end + 1..];
    check_port(port)?;
    let literal = &host[1..end];
    let (address, zone) = literal.split_at(literal.find("%25").unwrap_or(literal.len()));
    let (address, zone) = (unescape(address, Place::Host)?, unescape(zone, Place::Zone)?);
    match address.parse() {
        Ok(IpAddr::V6(_)) if zone != "%" => Ok(format!("[{address}{zone}]{port}")),
        Ok(IpAddr::V4(_)) if zone.is_empty() => Err("invalid IP-literal".to_owned()),
        _ => {
            let shown = quote(&(address + &zone));
            Err(format!("invalid host: ParseAddr({shown}): unable to parse IP"))
        }
    }
}

/// What may stand behind a host: nothing, or a colon and digits, possibly none.
fn check_port(text: &str) -> Result<(), Fault> {
    let digits = text.strip_prefix(':');
    let valid = text.is_empty()
        || digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if valid { Ok(()) } else { Err(format!("invalid port {} after host", quote(text))) }
}

/// Where in a URL a text stands: what has to be escaped depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    User,
    Host,
    Zone,
    Path,
    Fragment,
}

impl Place {
    /// Whether a byte is escaped when it is printed here.
    fn escapes(self, byte: u8) -> bool {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let allowed: &[u8] = match self {
            Self::User => b"$&+,;=",
            Self::Host | Self::Zone => b"!$&'()*+,;=:[]<>\"",
            Self::Path => b"$&+,/:;=@",
            Self::Fragment => b"$&+,/:;=?@!()*",
        };
        !plain && !allowed.contains(&byte)
    }
}

/// Replaces `%xx` by its byte. Hosts may hold hardly any.
fn unescape(text: &str, place: Place) -> Result<String, Fault> {
    let in_host = matches!(place, Place::Host | Place::Zone);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first != '%' {
            let refused = in_host && first.is_ascii() && place.escapes(first as u8);
            if refused {
                let shown = quote(&first.to_string());
                return Err(format!("invalid character {shown} in host name"));
            }
            let (character, behind) = rest.split_at(first.len_utf8());
            bytes.extend_from_slice(character.as_bytes());
            rest = behind;
            continue;
        }
        let shown: String = rest.chars().take(3).collect();
        let fault = || format!("invalid URL escape {}", quote(&shown));
        let digits = rest.get(1..3).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok()).ok_or_else(fault)?;
        let refused = match place {
            Place::Host => byte < 0x80 && byte != b'%',
            Place::Zone => byte != b'%' && byte != b' ' && Place::Host.escapes(byte),
            Place::User | Place::Path | Place::Fragment => false,
        };
        if refused {
            return Err(fault());
        }
        bytes.push(byte);
        rest = &rest[3..];
    }
    // Go's strings hold any bytes. Where an escape stands for what is no text, it is refused here.
    String::from_utf8(bytes).map_err(|_| format!("invalid URL escape {}", quote(text)))
}

/// Also gives the text itself, where printing what is read would not give it back.
fn unescape_keeping(text: &str, place: Place) -> Result<(String, Option<String>), Fault> {
    let read = unescape(text, place)?;
    let kept = (escape(&read, place) != text).then(|| text.to_owned());
    Ok((read, kept))
}

fn escape(text: &str, place: Place) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if place.escapes(byte) {
            escaped.push_str(&format!("%{byte:02X}"));
        } else {
            escaped.push(byte as char);
        }
    }
    escaped
}

/// Prints what was given if it is a valid way to write the text, else the usual way.
fn escape_unless_kept(text: &str, kept: Option<&String>, place: Place) -> String {
    let valid = |kept: &&String| {
        let allowed = |byte: u8| b"!$&'()*+,;=:@[]%".contains(&byte) || !place.escapes(byte);
        kept.bytes().all(allowed)
    };
    kept.filter(valid).cloned().unwrap_or_else(|| escape(text, place))
}

#[cfg(test)]
#[path = "url_test.rs"]
mod tests;
