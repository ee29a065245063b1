//! What a log line looks like.

use super::*;
use crate::{Timestamp, json_strings};
use tracing::subscriber::with_default;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What `log` prints, with line numbers in this file replaced by `N`.
fn printed(format: Format, level: Level, log: impl FnOnce(LevelHandle)) -> String {
    let sink = Sink::default();
    let time = || Timestamp { unix_nanos: 1_795_486_674_123_456_789, offset_seconds: 0 };
    let logger = Logger::new(LoggerOptions {
        format,
        level,
        time: Box::new(time),
        sinks: vec![Box::new(sink.clone())],
        quiet: vec!["h2"],
    });
    let handle = logger.level();
    with_default(tracing_subscriber::registry().with(logger), || log(handle));
    let text = sink.text();
    let mut parts = text.split("layer_test.rs:");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push_str("layer_test.rs:N");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

#[test]
fn a_json_line_has_zaps_fields_in_zaps_order() {
    let text = printed(Format::Json, Level::Info, |_| {
        let error = std::io::Error::other("no \"space\"");
        tracing::info!(
            "local-member-id" = %"8e9e05c52164694d",
            count = 3_u64,
            below = -1,
            ready = true,
            share = 0.5,
            "urls[]" = json_strings(["http://a:1", "b\n"]),
            error = &error as &dyn std::error::Error,
            "tab\there"
        );
    });
    let expected = "{\"level\":\"info\",\"ts\":\"2026-11-24T02:17:54.123456Z\",\
        \"caller\":\"telemetry/layer_test.rs:N\",\"msg\":\"tab\\there\",\
        \"local-member-id\":\"8e9e05c52164694d\",\"count\":3,\"below\":-1,\"ready\":true,\
        \"share\":0.5,\"urls\":[\"http://a:1\",\"b\\n\"],\"error\":\"no \\\"space\\\"\"}\n";
    assert_eq!(text, expected);
}

#[test]
fn a_console_line_has_tabs_and_spaces() {
    let text = printed(Format::Console, Level::Info, |_| {
        tracing::warn!(a = 1, b = "x", "slow");
        tracing::info!("plain");
    });
    let expected = "2026-11-24T02:17:54.123456Z\twarn\ttelemetry/layer_test.rs:N\tslow\t\
        {\"a\": 1, \"b\": \"x\"}\n\
        2026-11-24T02:17:54.123456Z\tinfo\ttelemetry/layer_test.rs:N\tplain\n";
    assert_eq!(text, expected);
}

#[test]
fn levels_below_the_least_are_not_printed_and_it_can_change() {
    let text = printed(Format::Console, Level::Warn, |handle| {
        for round in 0..3 {
            tracing::debug!("debug {round}");
            tracing::error!("error {round}");
            tracing::error!("zap-level" = "fatal", "fatal {round}");
            handle.set([Level::Debug, Level::Fatal, Level::Info][round]);
        }
    });
    let messages: Vec<&str> = text.lines().map(|line| line.split('\t').nth(3).unwrap()).collect();
    let expected = ["error 0", "fatal 0", "debug 1", "error 1", "fatal 1", "fatal 2"];
    assert_eq!(messages, expected);
    assert_eq!(text.lines().nth(1).unwrap().split('\t').nth(1), Some("fatal"));
}

#[test]
fn who_asks_whether_a_level_is_wanted_is_told() {
    printed(Format::Json, Level::Info, |handle| {
        assert!(tracing::enabled!(tracing::Level::INFO));
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        handle.set(Level::Error);
        assert!(!tracing::enabled!(tracing::Level::INFO));
    });
}

#[test]
fn quiet_crates_are_heard_from_warn_on() {
    let text = printed(Format::Console, Level::Debug, |_| {
        tracing::info!(target: "h2::codec", "frame");
        tracing::warn!(target: "h2::codec", "bad frame");
    });
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("bad frame"));
}

#[test]
fn control_characters_cannot_break_a_line() {
    let text = printed(Format::Json, Level::Info, |_| {
        tracing::info!(key = "\u{1}\r\n\u{2028}\"}", "m");
    });
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("\"key\":\"\\u0001\\r\\n\\u2028\\\"}\""), "{text}");
}

#[test]
fn level_names_are_zaps() {
    let parse = |name: &str| name.parse::<Level>();
    assert_eq!(parse("WARN"), Ok(Level::Warn));
    assert_eq!(parse(""), Ok(Level::Info));
    assert_eq!(parse("dpanic"), Ok(Level::DPanic));
    assert_eq!(parse("loud").unwrap_err().to_string(), "unrecognized level: \"loud\"");
}
