//! URLs: what is taken, what is printed, and what is refused in which words.

use env::{Rng, SeededRng};

use super::*;

fn printed(text: &str) -> String {
    text.parse::<Url>().map_or_else(|error| format!("refused: {error}"), |url| url.to_string())
}

#[test]
fn urls_are_taken_printed_and_refused_as_in_go() {
    let table = include_str!("../testdata/urls.txt");
    let text = |json: &str| serde_json::from_str::<String>(json).unwrap();
    let mut count = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (given, expected) = line.split_once('\t').unwrap();
        let (given, expected) = (text(given), text(expected));
        assert_eq!(printed(&given), expected, "{given}");
        if !expected.starts_with("refused") {
            assert_eq!(printed(&expected), expected, "what is printed is read again");
        }
        count += 1;
    }
    assert_eq!(count, 96);
    assert_eq!(Url::parse_all::<&str>(&[]).unwrap_err().to_string(), "no valid URLs given");
    // Go takes what is no text; here it is refused.
    assert!("unix:///%ff".parse::<Url>().is_err());
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
    assert_eq!((url.hostname(), url.port(), url.is_tls()), ("::1", "2380", true));
    assert_eq!(url.socket_path(), None);
    let url: Url = "unix://localhost:12".parse().unwrap();
    assert_eq!(url.socket_path().as_deref(), Some("localhost:12"));
    let url: Url = "unix:///tmp/a%20b".parse().unwrap();
    assert_eq!(url.socket_path().as_deref(), Some("/tmp/a b"));
    assert_eq!((url.scheme(), url.host(), url.path()), ("unix", "", "/tmp/a b"));
}

#[test]
fn no_text_breaks_the_parser() {
    let pieces = [
        "http", "unix", ":", "//", "[", "]", "%", "%2", "%25", "@", "?", "#", "::1", "\u{e4}", "1",
        "a b",
    ];
    for seed in 0..20_000 {
        let mut rng = SeededRng::new(seed);
        let text: String =
            (0..rng.below(10)).map(|_| pieces[rng.below(pieces.len() as u64) as usize]).collect();
        if let Ok(url) = text.parse::<Url>() {
            assert_eq!(printed(&url.to_string()), url.to_string(), "seed {seed}: {text:?}");
        }
    }
}
