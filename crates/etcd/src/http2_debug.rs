//! `GODEBUG=http2debug=2`: the header fields of each HTTP/2 request of a client on the standard
//! error, in the lines of Go's `net/http2`, which tools read to see what a client sends.
//!
//! Knows no service. Frames are not shown, as they are behind the library that reads them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use env::{Clock, RealClock};
use http::{Request, Version};
use telemetry::Timestamp;

/// The variable of Go's runtime, and what asks for fields in it.
const VARIABLE: &str = "GODEBUG";
const SETTING: &str = "http2debug=2";

/// Shows the fields of requests.
#[derive(Clone)]
pub struct Fields {
    clock: Arc<dyn Clock>,
}

impl Fields {
    /// Where the environment asks for it.
    pub fn of_environment() -> Option<Self> {
        let value = std::env::var(VARIABLE).unwrap_or_default();
        asks(&value).then(|| Self { clock: Arc::new(RealClock::new()) })
    }

    /// Prints those of a request. Who cannot write to the standard error has nobody to tell.
    pub fn show<B>(&self, request: &Request<B>) {
        if request.version() == Version::HTTP_2 {
            let now = Timestamp { unix_nanos: self.clock.wall().0, offset_seconds: 0 };
            let text = lines(request, &now.to_the_second());
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
}

/// Go's `http2` looks for its setting anywhere in the variable.
fn asks(value: &str) -> bool {
    value.contains(SETTING)
}

/// One line for each field, those of the request line first.
fn lines<B>(request: &Request<B>, time: &str) -> String {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let line = [
        (":method", request.method().as_str()),
        (":scheme", uri.scheme_str().unwrap_or_default()),
        (":path", path),
        (":authority", uri.authority().map_or("", |authority| authority.as_str())),
    ];
    let line = line.map(|(name, value)| (name, value.as_bytes()));
    let fields = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let mut text = String::new();
    for (name, value) in line.into_iter().filter(|(_, value)| !value.is_empty()).chain(fields) {
        let value = String::from_utf8_lossy(value);
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{time} http2: decoded hpack field header field {name:?} = {value:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_among_other_settings() {
        assert!(asks("http2debug=2") && asks("gctrace=1,http2debug=2"));
        assert!(!asks("") && !asks("http2debug=1"));
    }

    #[test]
    fn each_field_has_a_line() {
        let request = Request::post("http://localhost:2379/etcdserverpb.KV/Put")
            .header("te", "trailers")
            .header("odd", "a\"b")
            .body(())
            .expect("request");
        let expected = "\
            T http2: decoded hpack field header field \":method\" = \"POST\"\n\
            T http2: decoded hpack field header field \":scheme\" = \"http\"\n\
            T http2: decoded hpack field header field \":path\" = \"/etcdserverpb.KV/Put\"\n\
            T http2: decoded hpack field header field \":authority\" = \"localhost:2379\"\n\
            T http2: decoded hpack field header field \"te\" = \"trailers\"\n\
            T http2: decoded hpack field header field \"odd\" = \"a\\\"b\"\n";
        assert_eq!(lines(&request, "T"), expected);
    }
}
