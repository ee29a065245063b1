//! The fail points of a running server: each is listed, is reached by ordinary traffic, and does
//! what it is told.
//!
//! Only in a build that has them: `cargo test -p etcd --features failpoints --test failpoints`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod cluster;
mod control;
mod traffic;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use control::Control;
use env::fail::POINTS;
use harness::{Folder, Port, Server, ServerOptions};
use traffic::Traffic;

/// How long a point may take to be reached.
const REACHED_MAX: Duration = Duration::from_secs(60);

/// What only several members reach.
const OF_CLUSTERS: [&str; 11] = [
    "applyAfterOpenSnapshot",
    "applyBeforeOpenSnapshot",
    "beforeLookupWhenForwardLeaseTimeToLive",
    "beforeServeHTTPLeaseRenew",
    "raftAfterApplySnap",
    "raftAfterSaveSnap",
    "raftAfterWALRelease",
    "raftBeforeApplySnap",
    "raftBeforeFollowerSend",
    "raftBeforeSaveSnap",
    "raftDropHeartbeat",
];

fn of_one_member() -> impl Iterator<Item = &'static str> {
    POINTS.iter().map(|(name, _)| *name).filter(|name| !OF_CLUSTERS.contains(name))
}

/// A member of one with its fail points.
struct Member {
    server: Option<Server>,
    options: ServerOptions,
    client: Port,
    peer: Port,
    control: Control,
    _folder: Folder,
}

impl Member {
    fn start(name: &str, failpoints: &str) -> Self {
        let folder = Folder::new(name).unwrap();
        let port = Port::take().unwrap();
        let variables = [
            ("GOFAIL_HTTP", format!("127.0.0.1:{}", port.number())),
            ("GOFAIL_FAILPOINTS", failpoints.to_owned()),
        ];
        let options = ServerOptions {
            program: PathBuf::from(env!("CARGO_BIN_EXE_etcd")),
            name: name.to_owned(),
            data_dir: folder.path().join("data"),
            log: folder.path().join("log"),
            arguments: vec!["--snapshot-count=50".to_owned()],
            variables: variables.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        };
        let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
        let control = Control::new(port);
        let mut member = Self { server: None, options, client, peer, control, _folder: folder };
        member.go();
        member
    }

    fn go(&mut self) {
        self.server = Some(Server::start(&self.options, &self.client, &self.peer).unwrap());
    }

    fn server(&mut self) -> &mut Server {
        self.server.as_mut().unwrap()
    }

    fn traffic(&mut self) -> Traffic {
        Traffic::start(&self.server().endpoint(), &traffic::ALL)
    }
}

#[test]
fn every_point_is_listed_and_reached_and_goes_on() {
    let mut member = Member::start("reached", "beforePublishing=sleep(1)");
    let listed = member.control.list();
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, POINTS.map(|(name, _)| name));
    assert_eq!(member.control.get("/beforePublishing/count"), (200, "1".to_owned()));
    let armed: Vec<String> = of_one_member()
        .filter(|name| *name != "beforePublishing")
        .map(|n| format!("{n}=sleep(1)"))
        .collect();
    assert_eq!(member.control.put("/failpoints", &armed.join(";")).0, 204);
    let _traffic = member.traffic();
    let started = Instant::now();
    loop {
        let reached = |name: &str| member.control.count(name) > 0;
        let missing: Vec<&str> = of_one_member().filter(|name| !reached(name)).collect();
        if missing.is_empty() {
            break;
        }
        assert!(started.elapsed() < REACHED_MAX, "not reached: {missing:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(member.server.unwrap().terminate().unwrap().code, 143);
}

#[test]
fn a_panic_at_any_point_ends_the_process_and_it_starts_again() {
    let mut member = Member::start("panics", "");
    for name in of_one_member().filter(|name| *name != "beforePublishing") {
        let traffic = member.traffic();
        assert_eq!(member.control.put(&format!("/{name}"), "panic").0, 204, "{name}");
        let exit = member.server().wait(REACHED_MAX).unwrap();
        drop(traffic);
        let exit = exit.unwrap_or_else(|| panic!("{name}: the process lives"));
        assert_eq!(exit.code, 2, "{name}");
        let said = format!("panic: failpoint panic: {name}\n");
        assert!(member.server().log().contains(&said), "{name}");
        member.go();
    }
    member.options.variables[1].1 = "beforePublishing=panic".to_owned();
    assert_eq!(member.server.take().unwrap().terminate().unwrap().code, 143);
    let mut server = Server::spawn(&member.options, &member.client, &member.peer).unwrap();
    assert_eq!(server.wait(REACHED_MAX).unwrap().unwrap().code, 2);
}

#[test]
fn a_sleeping_point_holds_what_passes_it() {
    let mut member = Member::start("sleeps", "");
    let traffic = member.traffic();
    let time = |traffic: &Traffic| {
        let started = Instant::now();
        traffic.put("sleeping").unwrap();
        started.elapsed()
    };
    time(&traffic);
    member.control.put("/beforeApplyOneEntryNormal", r#"1*sleep("700ms")->off"#);
    let mut held = Duration::ZERO;
    while member.control.count("beforeApplyOneEntryNormal") < 2 {
        held = held.max(time(&traffic));
    }
    assert!(held >= Duration::from_millis(650), "{held:?}");
    assert_eq!(member.control.delete("/beforeApplyOneEntryNormal").0, 204);
}

#[test]
fn a_text_to_return_is_the_error() {
    let mut member = Member::start("returns", "");
    let traffic = Traffic::quiet(&member.server().endpoint());
    for name in ["defragOpenFileError", "defragdbFail"] {
        member.control.put(&format!("/{name}"), r#"1*return("some random error")"#);
        let error = loop {
            if let Err(error) = traffic.defragment() {
                break error;
            }
        };
        assert!(error.contains("some random error"), "{name}: {error}");
        member.control.delete(&format!("/{name}"));
        traffic.defragment().unwrap();
    }
}

#[test]
fn what_cannot_be_read_is_told_before_the_start() {
    let run = |name: &str, value: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_etcd"));
        command.arg("--version").env(name, value);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = run("GOFAIL_FAILPOINTS", "beforeCommit");
    assert_eq!((code, &*said), (1, "fail to parse failpoint: bad failpoint \"beforeCommit\"\n"));
    let (code, said) = run("GOFAIL_FAILPOINTS", "beforeCommit=x;nobody=panic");
    let refused = "failed to enable \"beforeCommit=x\" (failpoint: could not parse terms)\n";
    assert!(code == 0 && said.starts_with(refused), "{said}");
    assert_eq!(run("GOFAIL_HTTP", "nowhere").0, 1);
}
