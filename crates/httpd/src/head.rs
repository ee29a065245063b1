//! What is looked at before any path, as Go's `net/http` does: heads that no server should act on,
//! and paths that have a plainer form.
//!
//! Knows no endpoint.

use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HOST, LOCATION, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};

use crate::query::decode;
use crate::reply::{self, Reply};

const CLOSE: HeaderValue = HeaderValue::from_static("close");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The decoded path of a request for an endpoint.
///
/// # Errors
/// The answer to a request for none.
pub fn path(request: &Parts) -> Result<String, Box<Reply>> {
    if let Some((status, text)) = fault(request) {
        let mut reply = reply::bare(status, text);
        reply.headers_mut().insert(CONNECTION, CLOSE);
        if text.is_empty() {
            reply.headers_mut().remove(CONTENT_TYPE);
        }
        return Err(Box::new(reply));
    }
    let path = request.uri.path();
    if request.method != Method::CONNECT
        && let Some(plain) = plainer(path)
    {
        return Err(Box::new(moved(request, &plain)));
    }
    let segments: Vec<Vec<u8>> = path.split('/').map(decode).collect();
    // A slash that was encoded separates nothing: no path here has one.
    if segments.iter().any(|segment| segment.contains(&b'/')) {
        return Err(Box::new(reply::not_found()));
    }
    Ok(String::from_utf8_lossy(&segments.join(&b'/')).into_owned())
}

/// What is wrong with a head.
fn fault(request: &Parts) -> Option<(StatusCode, &'static str)> {
    let bad = |text| Some((StatusCode::BAD_REQUEST, text));
    let is_old = request.version < Version::HTTP_11;
    if request.version < Version::HTTP_2 {
        let mut hosts = request.headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (None, _) if is_old || request.method == Method::CONNECT => {}
            (None, _) => return bad("400 Bad Request: missing required Host header"),
            (Some(_), Some(_)) => return bad("400 Bad Request: too many Host headers"),
            (Some(host), None) if host.as_bytes().iter().all(|byte| is_of_host(*byte)) => {}
            (Some(_), None) => return bad("400 Bad Request: malformed Host header"),
        }
        let mut encodings = request.headers.get_all(TRANSFER_ENCODING).iter();
        let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
        if encodings.next().is_some_and(|first| !is_chunked(first) || encodings.next().is_some()) {
            return Some((StatusCode::NOT_IMPLEMENTED, "Unsupported transfer encoding"));
        }
        let expected = request.headers.get(EXPECT).map(HeaderValue::as_bytes);
        if expected.is_some_and(|text| !text.eq_ignore_ascii_case(b"100-continue")) {
            return Some((StatusCode::EXPECTATION_FAILED, ""));
        }
    }
    let path = request.uri.path();
    let is_path = path.starts_with('/') || request.method == Method::CONNECT;
    (!is_path || !is_encoded_well(path)).then_some((StatusCode::BAD_REQUEST, "400 Bad Request"))
}

/// What the name of a host may be written with.
const fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'$'..=b'.' | b':' | b';' | b'=')
        || matches!(byte, b'@' | b'[' | b']' | b'_' | b'~')
}

/// Whether two hexadecimal digits follow each percent sign.
fn is_encoded_well(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The path without empty segments, `.` and `..`, if it has some.
fn plainer(path: &str) -> Option<String> {
    let mut plain: Vec<&str> = Vec::new();
    let segments = path.split('/').skip(1);
    for segment in segments.clone() {
        match segment {
            "" | "." => {}
            ".." => drop(plain.pop()),
            segment => plain.push(segment),
        }
    }
    let ends_open = path.ends_with('/') && !plain.is_empty();
    let plain = format!("/{}{}", plain.join("/"), if ends_open { "/" } else { "" });
    (plain != path && !path.is_empty()).then_some(plain)
}

/// Sends the client to another path.
fn moved(request: &Parts, path: &str) -> Reply {
    let place = match request.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let Ok(location) = HeaderValue::from_str(&place) else { return reply::not_found() };
    let is_shown = [Method::GET, Method::HEAD].contains(&request.method);
    let shown = place.replace('&', "&amp;").replace('\'', "&#39;");
    let link = format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n");
    let body = if is_shown { link.as_str() } else { "" };
    let mut reply = reply::bare(StatusCode::TEMPORARY_REDIRECT, body);
    reply.headers_mut().insert(LOCATION, location);
    if is_shown {
        reply.headers_mut().insert(CONTENT_TYPE, HTML);
    } else {
        reply.headers_mut().remove(CONTENT_TYPE);
    }
    reply
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn status(uri: &str, headers: &[(&str, &str)]) -> u16 {
        path(&parts(uri, headers)).expect_err("an answer").status().as_u16()
    }

    #[test]
    fn a_path_is_decoded_and_a_plainer_one_is_pointed_to() {
        let host = [("host", "a")];
        for (uri, expected) in [("/a", "/a"), ("/%68%20", "/h "), ("/a/", "/a/"), ("/", "/")] {
            assert_eq!(path(&parts(uri, &host)).expect("a path"), expected);
        }
        for (uri, place) in [
            ("//a", "/a"),
            ("/./a?b=1&c", "/a?b=1&c"),
            ("/x/../a/", "/a/"),
            ("/a/..", "/"),
            ("/..", "/"),
            ("//", "/"),
        ] {
            let reply = path(&parts(uri, &host)).expect_err("an answer");
            assert_eq!(reply.status(), StatusCode::TEMPORARY_REDIRECT, "{uri}");
            assert_eq!(reply.headers()[LOCATION], place);
        }
        assert_eq!(status("/a%2Fb", &host), 404);
        assert_eq!(status("/%zz", &host), 400);
        assert_eq!(status("/%a", &host), 400);
        assert_eq!(status("*", &host), 400);
    }

    #[test]
    fn heads_that_are_not_to_be_acted_on_are_refused() {
        assert_eq!(status("/", &[]), 400);
        assert_eq!(status("/", &[("host", "a"), ("host", "a")]), 400);
        for host in ["a b", "a/b", "a\"", "a^b"] {
            assert_eq!(status("/", &[("host", host)]), 400, "{host}");
        }
        for host in ["", "a:1", "[::1]:2", "a'b"] {
            assert!(path(&parts("/", &[("host", host)])).is_ok(), "{host}");
        }
        let chunked = ("transfer-encoding", "chunked");
        assert_eq!(status("/", &[("host", "a"), chunked, chunked]), 501);
        assert_eq!(status("/", &[("host", "a"), ("transfer-encoding", "gzip, chunked")]), 501);
        assert!(path(&parts("/", &[("host", "a"), chunked])).is_ok());
        assert_eq!(status("/", &[("host", "a"), ("expect", "x")]), 417);
    }
}
