//! URLs: what is taken, what is printed, and what is refused in which words.

use super::*;

fn printed(text: &str) -> String {
    text.parse::<Url>().map_or_else(|error| format!("refused: {error}"), |url| url.to_string())
}

#[test]
fn what_is_printed_is_go_s() {
    for (text, expected) in [
        ("http://127.0.0.1:2380", "http://127.0.0.1:2380"),
        (" HTTPS://Example.com:2380 ", "https://Example.com:2380"),
        ("http://[::1]:2380", "http://[::1]:2380"),
        ("http://[fe80::1%25en0]:2380", "http://[fe80::1%25en0]:2380"),
        ("http://localhost:", "http://localhost:"),
        ("http://a:1?x=y&z", "http://a:1?x=y&z"),
        ("http://a:1?", "http://a:1?"),
        ("http://a:1#", "http://a:1"),
        ("http://a:1#x y", "http://a:1#x%20y"),
        ("http://user:p%40ss@a:1", "http://user:p%40ss@a:1"),
        ("http://%7Euser@a:1", "http://~user@a:1"),
        ("http://\u{e4}:1", "http://%C3%A4:1"),
        ("unix:///tmp/etcd.sock", "unix:///tmp/etcd.sock"),
        ("unix:/tmp/etcd.sock", "unix:/tmp/etcd.sock"),
        ("unix:etcd.sock", "unix:etcd.sock"),
        ("unixs://localhost:12", "unixs://localhost:12"),
        ("unix:///tmp/a b", "unix:///tmp/a%20b"),
        ("unix:///tmp/a%2Fb", "unix:///tmp/a%2Fb"),
        ("unix:///tmp/a%20b!", "unix:///tmp/a%20b!"),
    ] {
        assert_eq!(printed(text), expected, "{text}");
        assert_eq!(printed(expected), expected);
    }
}

#[test]
fn what_is_refused() {
    for (text, expected) in [
        ("", "URL scheme must be http, https, unix, or unixs: "),
        ("localhost:2380", "URL scheme must be http, https, unix, or unixs: localhost:2380"),
        ("ftp://a:1", "URL scheme must be http, https, unix, or unixs: ftp://a:1"),
        ("http://a", "URL address does not have the form \"host:port\": http://a"),
        ("http:a:1", "URL address does not have the form \"host:port\": http:a:1"),
        ("http://::1:2380", "URL address does not have the form \"host:port\": http://::1:2380"),
        ("http://a:1/", "URL must not contain a path: http://a:1/"),
        (
            "127.0.0.1:2380",
            "parse \"127.0.0.1:2380\": first path segment in URL cannot contain colon",
        ),
        ("://a:1", "parse \"://a:1\": missing protocol scheme"),
        ("http://a:x", "parse \"http://a:x\": invalid port \":x\" after host"),
        ("http://[::1]1", "parse \"http://[::1]1\": invalid port \"1\" after host"),
        ("http://[::1:1", "parse \"http://[::1:1\": missing ']' in host"),
        ("http://a b:1", "parse \"http://a b:1\": invalid character \" \" in host name"),
        ("http://a%41:1", "parse \"http://a%41:1\": invalid URL escape \"%41\""),
        ("http://a%:1", "parse \"http://a%:1\": invalid URL escape \"%:1\""),
        ("http://a:1#%zz", "parse \"http://a:1#%zz\": invalid URL escape \"%zz\""),
        ("http://a\u{1}:1", "parse \"http://a\\x01:1\": net/url: invalid control character in URL"),
        ("http://a b@c:1", "parse \"http://a b@c:1\": net/url: invalid userinfo"),
    ] {
        assert_eq!(printed(text), format!("refused: {expected}"), "{text}");
    }
    assert_eq!(Url::parse_all::<&str>(&[]).unwrap_err().to_string(), "no valid URLs given");
}

#[test]
fn several_are_sorted() {
    let urls = Url::parse_all(&["http://b:1", "http://a:2", "http://a:1"]).unwrap();
    let texts: Vec<String> = urls.iter().map(Url::to_string).collect();
    assert_eq!(texts, ["http://a:1", "http://a:2", "http://b:1"]);
}

#[test]
fn addresses_are_the_same_in_any_notation() {
    let same =
        |one: &str, other: &str| one.parse::<Url>().unwrap().is_same_place(&other.parse().unwrap());
    assert!(same("http://[::1]:1", "http://[0:0:0:0:0:0:0:1]:1"));
    assert!(same("http://[::ffff:1.2.3.4]:1", "http://1.2.3.4:1"));
    assert!(!same("http://1.2.3.4:1", "http://1.2.3.4:2"));
    assert!(!same("http://1.2.3.4:1", "https://1.2.3.4:1"));
    assert!(!same("http://localhost:1", "http://127.0.0.1:1"));
    assert!(same("unix:///a", "unix:///a"));
    assert!(!same("unix:///a", "unix:///b"));
}

#[test]
fn parts() {
    let url: Url = "HTTPS://[::1]:2380".parse().unwrap();
    assert_eq!((url.scheme(), url.host(), url.path()), ("https", "[::1]:2380", ""));
    assert_eq!(url.with_host("10.0.0.1:9").unwrap().to_string(), "https://10.0.0.1:9");
    let url: Url = "unix:///tmp/a%20b".parse().unwrap();
    assert_eq!((url.scheme(), url.host(), url.path()), ("unix", "", "/tmp/a b"));
}
