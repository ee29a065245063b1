//! What a server makes of the limits and signals that its system has for processes.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use support::{Member, runtime, script, server_under_test};

/// By then a server that cannot go on has ended.
const END_MAX: Duration = Duration::from_secs(20);
/// So many files and sockets may be open in the tests below.
const DESCRIPTORS: usize = 250;

/// The server under test, with limits of `ulimit` options.
fn limited(member: &mut Member, options: &str) {
    let server = server_under_test();
    let text = format!("#!/bin/sh\nulimit {options}\nexec {} \"$@\"\n", server.display());
    member.options.program = script(&member.folder().join("limited"), &text);
}

/// A client that asks something and stays.
fn guest(port: u16) -> TcpStream {
    let mut guest = TcpStream::connect(("127.0.0.1", port)).unwrap();
    guest.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    guest
}

/// The log needs a new file every 64 MB; clients must not be able to take what it needs.
#[test]
fn clients_leave_descriptors_for_the_log() {
    let mut member = Member::new("guests", server_under_test(), &["--log-level=warn"]);
    limited(&mut member, &format!("-n {DESCRIPTORS}"));
    member.start();
    let port = member.client_port();
    runtime().block_on(async {
        let api = member.api().await;
        api.put(b"first", b"1").await.unwrap();
        let mut guests: Vec<TcpStream> = (0..2 * DESCRIPTORS).map(|_| guest(port)).collect();
        // One of the first was let in.
        let mut answer = [0; 12];
        guests[0].read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let value = vec![b'x'; 1 << 20];
        for number in 0..150 {
            api.put(format!("large-{}", number % 3).as_bytes(), &value).await.unwrap();
        }
        let open = std::fs::read_dir(format!("/proc/{}/fd", member.server().pid())).unwrap();
        let open = open.count();
        assert!(open < DESCRIPTORS - 100, "{open} are open");
        drop(guests);
    });
    assert_eq!(member.terminate(), 143);
}

/// A limit on how long files may be, as `ulimit -f` and systemd's `LimitFSIZE` set it: far below the
/// 64 MiB of the log's first segment.
#[test]
fn a_file_that_would_be_longer_than_it_may() {
    let mut member = Member::new("long-file", server_under_test(), &["--log-level=warn"]);
    limited(&mut member, "-f 1000");
    assert_eq!(member.start_and_fail(END_MAX), 1);
    let log = std::fs::read_to_string(&member.options.log).unwrap();
    assert!(log.contains("wal") && log.to_lowercase().contains("file too large"), "{log}");
    std::fs::remove_file(&member.options.log).unwrap();
    member.options.program = server_under_test();
    member.start();
    runtime().block_on(async { member.api().await.put(b"a", b"b").await.unwrap() });
    member.kill();
}

#[test]
fn a_limit_that_is_too_low_is_refused() {
    let mut member = Member::new("low", server_under_test(), &["--log-level=warn"]);
    limited(&mut member, "-n 100");
    assert_eq!(member.start_and_fail(END_MAX), 1);
    let log = std::fs::read_to_string(&member.options.log).unwrap();
    assert!(
        log.contains("file descriptor limit of etcd process is too low; please set higher"),
        "{log}"
    );
}

/// Go programs raise the soft limit, which is low by default for programs of another kind.
#[test]
fn the_lower_of_the_two_limits_does_not_count() {
    let mut member = Member::new("soft", server_under_test(), &["--log-level=warn"]);
    limited(&mut member, "-S -n 100");
    member.start();
    member.terminate();
}

#[test]
fn signals_that_mean_nothing_do_nothing() {
    let mut member = Member::started("signals", server_under_test(), &["--log-level=warn"]);
    let harmless =
        [Signal::USR1, Signal::USR2, Signal::ALARM, Signal::VTALARM, Signal::PROF, Signal::IO];
    for signal in harmless.into_iter().chain([Signal::POWER, Signal::XCPU, Signal::WINCH]) {
        member.server().signal(signal).unwrap();
        runtime().block_on(async { member.api().await.put(b"a", b"b").await.unwrap() });
    }
    assert_eq!(member.terminate(), 143);
}
