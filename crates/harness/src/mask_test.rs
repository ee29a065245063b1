//! What is masked, and what is not.

use super::*;

fn masked(text: &str, asked: &[Mask]) -> String {
    Masks::default().apply(text, asked)
}

#[test]
fn ids_keep_their_identity() {
    let text = "82039f3eee02bfb3, 9368506742490709939 and 3fb3a20b760e3216; 4294967295 deadbeef";
    assert_eq!(masked(text, &[]), "<id 1>, <id 1> and <id 2>; 4294967295 deadbeef");
    let mut masks = Masks::default();
    masks.apply("3fb3a20b760e3216", &[]);
    assert_eq!(masks.apply("82039f3eee02bfb3 3fb3a20b760e3216", &[]), "<id 2> <id 1>");
    assert_eq!(masked("endpoints://0xc00038c1e0/127", &[]), "endpoints://<pointer>/127");
}

#[test]
fn keys_of_locks_are_seen_through_base64() {
    let text = "{\"key\":\"bDEvM2ZiM2EyMGI3NjBlMzIxNg==\",\"lease\":4590190615329649174}";
    assert_eq!(masked(text, &[]), "{\"key\":\"base64(l1/<id 1>)\",\"lease\":<id 1>}");
}

#[test]
fn tables_lose_their_widths() {
    let text =
        "+----+------------+\n|    ENDPOINT     |   TOOK    |\n+-+-+\n| a |  2ms |\n+--+--+\nx";
    assert_eq!(masked(text, &[]), "+\n| ENDPOINT | TOOK |\n+\n| a | <masked> |\n+\nx");
    let text = "| HASH |\n| 123 |";
    assert_eq!(masked(text, &[]), text);
    assert_eq!(masked(text, &[Mask::Hash]), "| HASH |\n| <masked> |");
}

#[test]
fn fields_are_masked_by_name() {
    let text = "{\"version\":\"3.5.16\",\"dbSize\":20480,\"raftTerm\":2,\"kv\":{\"version\":3}}";
    let expected =
        "{\"version\":<masked>,\"dbSize\":<masked>,\"raftTerm\":2,\"kv\":{\"version\":3}}";
    assert_eq!(masked(text, &[]), expected);
    let text = "\"Version\" : \"3.5.16\"\n\"DBSize\" : 20480\n\"Version\" : 2\n\"Key\" : \"a\"\n";
    let expected =
        "\"Version\" : <masked>\n\"DBSize\" : <masked>\n\"Version\" : 2\n\"Key\" : \"a\"\n";
    assert_eq!(masked(text, &[]), expected);
    let leased = "{\"key\":\"YQ==\",\"version\":1,\"lease\":7587862094283475000}";
    assert_eq!(masked(leased, &[Mask::Lease]), "{\"key\":\"YQ==\",\"version\":1}");
    let leased = "\"Lease\" : 75\n";
    assert_eq!(masked(leased, &[Mask::Lease]), "\"Lease\" : <masked>\n");
}

#[test]
fn sentences_and_lists() {
    assert_eq!(masked("took = 1.2ms\n", &[]), "took = <masked>\n");
    assert_eq!(
        masked("lease x granted with TTL(60s), remaining(59s)", &[Mask::Ttl]),
        "lease x granted with TTL(60s), remaining(<masked>)"
    );
    let status = "a:1, 8, 3.5.16, 20 kB, true, false, 2, 6, 6, ";
    let expected = "a:1, 8, <masked>, <masked>, true, false, 2, <masked>, <masked>, ";
    assert_eq!(masked(status, &[Mask::Status]), expected);
    assert_eq!(masked("a, 535221974", &[Mask::Hash]), "a, <masked>");
    let line = "{\"ts\":\"2026-11-24T02:50:18.779112Z\"} 2026-11-24T02:50:18Z\tinfo";
    assert_eq!(masked(line, &[]), "{\"ts\":<masked>} <time>\tinfo");
}

#[test]
fn members_and_lines_have_no_order() {
    let masked = |text: &str| masked(text, &[Mask::Members]);
    assert_eq!(masked("b, started\na, unstarted"), "a, unstarted\nb, started");
    let text = "{\"members\":[{\"ID\":2},{\"ID\":1}],\"x\":[{\"b\":1},{\"a\":1}]}";
    let expected = "{\"members\":[{\"ID\":1},{\"ID\":2}],\"x\":[{\"b\":1},{\"a\":1}]}";
    assert_eq!(masked(text), expected);
    let advice = "ETCD_INITIAL_CLUSTER=\"m2=b,m1=a\"";
    assert_eq!(masked(advice), "ETCD_INITIAL_CLUSTER=\"m1=a,m2=b\"");
    assert_eq!(Masks::default().apply("b\na\n", &[Mask::Unordered]), "\na\nb");
}
