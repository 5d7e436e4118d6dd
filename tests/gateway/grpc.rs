//! gRPC between a client and a server that are not ours.

use std::path::Path;
use std::process::Command;

use postern_tests::{DEVICE, DEVICES, Output, Peer, Site, TestGateway, config, python_with};

#[test]
fn grpc_calls_streams_statuses_and_trailers_pass() {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let Some(python) = python_with(&tmp.join("python-grpcio"), &["grpcio==1.85.3"]) else {
        return;
    };
    let script = |name| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("gateway/peers")
            .join(name)
    };
    let mut server = Peer::start(Command::new(&python).arg(script("grpc_server.py")));
    let site = Site::new();
    let authority = format!("127.0.0.1:{}", server.line());
    site.write_config(&config(&authority, ""));
    let http = format!("upstream = \"http://{authority}\"");
    site.edit_config(&http, &format!("{http}\nupstream_protocol = \"h2\""));
    let gateway = TestGateway::run(&site);
    let device = site.client(DEVICE);

    let mut client = Command::new(&python);
    client.arg(script("grpc_client.py"));
    client.args([DEVICES, &gateway.port().to_string()]);
    client.arg(site.path("root/root.crt"));
    client.args([&device.certificate, &device.key]);
    let said = Output::of(&mut client).expect_code(0).stdout;
    assert_eq!(
        said,
        "hello OK True False\nNOT_FOUND there is no such thing\n0 1 2\none\ntwo\nthree\n[] OK\n"
    );
    gateway.event(|_| {
        let events = gateway.events();
        let calls = events.iter().filter(|event| event["event"] == "request");
        calls.filter(|call| call["decision"] == "permit").count() == 4
    });
}
