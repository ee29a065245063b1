//! Command lines, and what is said about those that make no sense.

use super::*;
use crate::cli::{bool_flag, int_flag, text_flag};

fn root() -> Spec {
    let get = Spec {
        name: "get",
        arguments: "<key>",
        flags: vec![bool_flag("prefix", ""), int_flag("rev", ""), text_flag("lease", "0", "")],
        ..Spec::default()
    };
    let group = Spec {
        name: "member",
        inherited: vec![bool_flag("cluster", "")],
        commands: vec![
            Spec { name: "list", ..Spec::default() },
            Spec { name: "add", ..Spec::default() },
        ],
        ..Spec::default()
    };
    let short = Flag { short: Some('w'), ..text_flag("write-out", "simple", "") };
    let texts = Flag { kind: Kind::Texts, ..text_flag("endpoints", "a", "") };
    Spec {
        name: "etcdctl",
        inherited: vec![short, texts],
        commands: vec![get, group],
        ..Spec::default()
    }
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn parsed(line: &str) -> (Vec<&'static str>, Arguments) {
    let root = root();
    let parsed = parse(&root, words(line)).unwrap();
    (parsed.path, parsed.arguments)
}

fn refused(line: &str) -> String {
    parse(&root(), words(line)).unwrap_err().message().to_owned()
}

#[test]
fn flags_stand_anywhere_and_the_last_one_counts() {
    let (path, arguments) = parsed("-w json get --rev -3 a --prefix b --write-out=fields --lease=");
    assert_eq!(path, ["get"]);
    assert_eq!(arguments.positional, [&b"a"[..], b"b"]);
    assert_eq!(arguments.int("rev"), -3);
    assert!(arguments.is_set("prefix") && arguments.changed("prefix"));
    assert_eq!(arguments.text("write-out"), "fields");
    assert_eq!((arguments.text("lease").as_str(), arguments.changed("lease")), ("", true));
    let (_, arguments) = parsed("get --prefix=false --rev=0x10 --rev 7 a");
    assert!(!arguments.is_set("prefix") && arguments.int("rev") == 7);
    let (_, arguments) = parsed("get a");
    assert_eq!(
        (arguments.text("write-out").as_str(), arguments.changed("write-out")),
        ("simple", false)
    );
}

#[test]
fn help_is_asked_for_in_front_of_a_command_as_well_as_behind_it() {
    for line in ["--help member list", "member -h list", "member list -h", "-h member list"] {
        let root = root();
        let parsed = parse(&root, words(line)).unwrap();
        assert!(parsed.help && parsed.path == ["member", "list"], "{line}");
    }
    assert!(!parse(&root(), words("member list -- -h")).unwrap().help);
}

#[test]
fn nothing_behind_the_separator_is_a_flag() {
    let (_, arguments) = parsed("get a -- -x --prefix -- b");
    assert_eq!(arguments.positional, [&b"a"[..], b"-x", b"--prefix", b"--", b"b"]);
    assert!(!arguments.is_set("prefix"));
}

#[test]
fn commands_may_be_cut_short_as_long_as_it_is_clear() {
    assert_eq!(parsed("m l").0, ["member", "list"]);
    assert_eq!(parsed("mem nope").0, ["member"]);
    assert!(parsed("member list --cluster").1.is_set("cluster"));
}

#[test]
fn lists_add_up() {
    let (_, arguments) = parsed("get a --endpoints=b,c --endpoints d");
    assert_eq!(arguments.texts("endpoints"), ["b", "c", "d"]);
    assert_eq!(parsed("get a").1.texts("endpoints"), ["a"]);
}

#[test]
fn mistakes_are_named_as_pflag_names_them() {
    let syntax = |function| format!("strconv.{function}: parsing \"x\": invalid syntax");
    let cases = [
        ("get a --nope", "unknown flag: --nope".to_owned()),
        ("get a --nope=1", "unknown flag: --nope".to_owned()),
        ("get a -1", "unknown shorthand flag: '1' in -1".to_owned()),
        ("get a --lease", "flag needs an argument: --lease".to_owned()),
        ("-w", "flag needs an argument: 'w' in -w".to_owned()),
        (
            "get --rev=x",
            format!("invalid argument \"x\" for \"--rev\" flag: {}", syntax("ParseInt")),
        ),
        (
            "get --prefix=x",
            format!("invalid argument \"x\" for \"--prefix\" flag: {}", syntax("ParseBool")),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(refused(line), expected, "{line}");
    }
}
