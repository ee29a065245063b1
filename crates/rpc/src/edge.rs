//! What gRPC's own Go server does around a method and tonic leaves to others: metadata that it
//! refuses, a caller's deadline, and its words where tonic has its own.
//!
//! Knows no service and no method.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tonic::{Code, Status};

use crate::unary::GrpcBody;

const TIMEOUT: &str = "grpc-timeout";
const ENCODING: &str = "grpc-encoding";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// The most digits that a deadline may have, its unit not counted.
const TIMEOUT_DIGITS_MAX: usize = 8;
/// How names of binary metadata end.
const BINARY: &str = "-bin";

/// Looks at a request's metadata; how long the caller waits, if that is bounded.
///
/// # Errors
/// The status that the request is refused with.
pub(crate) fn admit(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    for (name, value) in headers {
        if name.as_str().ends_with(BINARY) && !is_base64(value.as_bytes()) {
            let shown = String::from_utf8_lossy(value.as_bytes());
            return Err(Status::internal(format!(
                "malformed binary metadata {shown:?} in header \"{name}\": illegal base64 data"
            )));
        }
    }
    if let Some(encoding) = headers.get(ENCODING).filter(|encoding| !is_known(encoding)) {
        let shown = String::from_utf8_lossy(encoding.as_bytes());
        return Err(Status::unimplemented(format!(
            "grpc: Decompressor is not installed for grpc-encoding {shown:?}"
        )));
    }
    headers.get(TIMEOUT).map(timeout).transpose()
}

/// Whether messages of this encoding can be read.
fn is_known(encoding: &HeaderValue) -> bool {
    matches!(encoding.as_bytes(), b"" | b"identity" | b"gzip")
}

/// Base64 of the usual alphabet, with or without padding; several values are parted by commas.
fn is_base64(text: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).all(|value| {
        let digits = value.iter().take_while(|byte| is_digit(byte)).count();
        let padding = value.len() - digits;
        let is_padded = padding > 0;
        value[digits..].iter().all(|byte| *byte == b'=')
            && digits % 4 != 1
            && (!is_padded || (padding <= 2 && value.len() % 4 == 0))
    })
}

/// Reads `<digits><unit>`. One below zero is over before it begins.
fn timeout(value: &HeaderValue) -> Result<Duration, Status> {
    let text = value.to_str().unwrap_or_default();
    let malformed = |reason: String| Status::internal(format!("malformed grpc-timeout: {reason}"));
    let Some((unit_at, unit)) = text.char_indices().next_back().filter(|(at, _)| *at > 0) else {
        return Err(malformed(format!("transport: timeout string is too short: {text:?}")));
    };
    if unit_at > TIMEOUT_DIGITS_MAX {
        return Err(malformed(format!("transport: timeout string is too long: {text:?}")));
    }
    let unit = match unit {
        'H' => Duration::from_secs(3600),
        'M' => Duration::from_secs(60),
        'S' => Duration::from_secs(1),
        'm' => Duration::from_millis(1),
        'u' => Duration::from_micros(1),
        'n' => Duration::from_nanos(1),
        _ => {
            return Err(malformed(format!("transport: timeout unit is not recognized: {text:?}")));
        }
    };
    let digits = &text[..unit_at];
    let number: i32 = digits
        .parse()
        .map_err(|_| malformed(format!("strconv.ParseInt: parsing {digits:?}: invalid syntax")))?;
    Ok(unit.saturating_mul(number.try_into().unwrap_or(0)))
}

/// The answer to a caller whose time is over.
pub(crate) fn too_late() -> Response<GrpcBody> {
    Status::deadline_exceeded("context deadline exceeded").into_http()
}

/// The answer to a method that a service has not.
pub(crate) fn unknown_method(service: &str, method: &str) -> Status {
    Status::unimplemented(format!("unknown method {method} for service {service}"))
}

/// Puts grpc-go's words in the place of tonic's, where an answer is nothing but a status.
pub(crate) fn reword(response: &mut Response<GrpcBody>, service: &str, method: &str) {
    let headers = response.headers();
    let Some(code) = headers.get(&STATUS) else { return };
    let is_unknown_method =
        Code::from_bytes(code.as_bytes()) == Code::Unimplemented && !headers.contains_key(&MESSAGE);
    let status = if is_unknown_method {
        unknown_method(service, method)
    } else {
        match response.extensions().get::<Status>().and_then(too_large) {
            Some(status) => status,
            None => return,
        }
    };
    *response = status.into_http();
}

/// As [`reword`], for the status that ended a stream of requests.
pub(crate) fn reworded(status: Status) -> Status {
    too_large(&status).unwrap_or(status)
}

/// What grpc-go says in the place of tonic's "message length too large".
fn too_large(status: &Status) -> Option<Status> {
    let is_length = status.message().starts_with("Error, decoded message length too large");
    if status.code() != Code::OutOfRange || !is_length {
        return None;
    }
    let mut numbers = status.message().split(' ').filter_map(|word| word.parse::<u64>().ok());
    let (found, limit) = (numbers.next()?, numbers.next()?);
    Some(Status::resource_exhausted(format!(
        "grpc: received message larger than max ({found} vs. {limit})"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout_of(text: &str) -> Result<Duration, String> {
        let value = HeaderValue::from_str(text).expect("a header value");
        timeout(&value).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn deadlines() {
        for (text, expected) in [
            ("5S", Duration::from_secs(5)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
            ("20m", Duration::from_millis(20)),
            ("0n", Duration::ZERO),
            ("-1S", Duration::ZERO),
        ] {
            assert_eq!(timeout_of(text), Ok(expected), "{text}");
        }
        for (text, reason) in [
            ("", "transport: timeout string is too short: \"\""),
            ("S", "transport: timeout string is too short: \"S\""),
            ("123456789S", "transport: timeout string is too long: \"123456789S\""),
            ("5s", "transport: timeout unit is not recognized: \"5s\""),
            ("xS", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ] {
            let expected = format!("malformed grpc-timeout: {reason}");
            assert_eq!(timeout_of(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_compression_is_refused_in_grpc_gos_words() {
        let admitted = |encoding: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ENCODING, HeaderValue::from_static(encoding));
            admit(&headers).map_err(|status| (status.code(), status.message().to_owned()))
        };
        for known in ["", "identity", "gzip"] {
            assert_eq!(admitted(known), Ok(None), "{known}");
        }
        let text = "grpc: Decompressor is not installed for grpc-encoding \"snappy\"".to_owned();
        assert_eq!(admitted("snappy"), Err((Code::Unimplemented, text)));
    }

    #[test]
    fn binary_metadata() {
        for good in ["", "QQ==", "QQ", "QUJD", "QUI=", "QUI", "QQ==, QUJD"] {
            assert!(is_base64(good.as_bytes()), "{good}");
        }
        for bad in ["!!!!", "Q", "QQ=", "QQ===", "Q=Q=", "QUJD,%"] {
            assert!(!is_base64(bad.as_bytes()), "{bad}");
        }
    }
}
