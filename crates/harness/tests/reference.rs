//! The reference can be had, serves, and ends.

use harness::{Folder, Port, Server, ServerOptions, http_get, reference};

#[test]
fn the_reference_serves_and_dies_by_the_signal() {
    let reference = reference().unwrap();
    let folder = Folder::new("reference").unwrap();
    let (client, peer) = (Port::take().unwrap(), Port::take().unwrap());
    let options = ServerOptions {
        program: reference.program("etcd"),
        name: "one".to_owned(),
        data_dir: folder.path().join("data"),
        log: folder.path().join("log"),
        arguments: Vec::new(),
        variables: Vec::new(),
    };
    let server = Server::start(&options, &client, &peer).unwrap();
    let version = http_get(client.number(), "/version").unwrap();
    assert!(version.body.contains(&format!("\"etcdserver\":\"{}\"", reference.version)));
    assert!(server.log().contains("ready to serve client requests"));
    assert_eq!(server.terminate().unwrap().code, 143);
}
