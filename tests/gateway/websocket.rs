//! WebSockets between a client and a server that are not ours.

use std::path::Path;
use std::process::Command;

use postern_tests::{DEVICES, Identity, Peer, Site, TestGateway, config, python_with};
use serde_json::Value;

/// A server that echoes, and a site in front of it; none where Python or its package is missing.
struct World {
    python: std::path::PathBuf,
    site: Site,
    gateway: TestGateway,
    _server: Peer,
}

fn script(name: &str) -> std::path::PathBuf {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway/peers");
    peers.join(name)
}

impl World {
    fn start() -> Option<Self> {
        let python = python_with(
            &Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-websockets"),
            &["websockets==16.0"],
        )?;
        let mut server = Peer::start(Command::new(&python).arg(script("ws_server.py")));
        let site = Site::new();
        site.write_config(&config(&format!("127.0.0.1:{}", server.line()), ""));
        Some(Self {
            python,
            gateway: TestGateway::run(&site),
            site,
            _server: server,
        })
    }

    fn client(&self, identity: &Identity) -> Peer {
        let mut command = Command::new(&self.python);
        command.arg(script("ws_client.py"));
        command.args([DEVICES, &self.gateway.port().to_string()]);
        command.arg(self.site.path("root/root.crt"));
        command.args([&identity.certificate, &identity.key]);
        let mut client = Peer::start(&mut command);
        assert_eq!(client.line(), "open");
        client
    }

    fn requests(&self) -> Vec<Value> {
        let mut events = self.gateway.events();
        events.retain(|event| event["event"] == "request");
        events
    }
}

fn echoes(client: &mut Peer, message: &str) {
    client.tell(message);
    assert_eq!(client.line(), message);
}

#[test]
fn a_websocket_of_a_revoked_client_is_cut_and_others_stay() {
    let Some(world) = World::start() else { return };
    let [bad, good] = ["device-bad.factory.corp", "device-good.factory.corp"];
    let mut cut = world.client(&world.site.client(bad));
    let mut stays = world.client(&world.site.client(good));
    echoes(&mut cut, "hello");
    echoes(&mut stays, "long ".repeat(20_000).trim_end());
    assert_eq!(world.requests().len(), 0);

    world.site.revoke(bad);

    // 1006: the connection ended, and nobody said goodbye.
    assert_eq!(cut.line(), "closed 1006");
    let revocation = world.gateway.event(|event| event["event"] == "revocation");
    assert_eq!(revocation["connections_cut"], 1);
    let event = world.gateway.event(|event| event["event"] == "request");
    assert_eq!(event["decision"], "aborted");
    assert_eq!(event["reason"], "revoked");
    assert_eq!(event["status"], 101);
    assert_eq!(event["common_name"], bad);
    echoes(&mut stays, "still here");
    assert_eq!(world.requests().len(), 1);
}

#[test]
fn a_websocket_that_its_client_closes_ends_as_it_should() {
    let Some(world) = World::start() else { return };
    let mut client = world.client(&world.site.client("device-1.factory.corp"));
    echoes(&mut client, "hello");
    client.hang_up();
    assert_eq!(client.line(), "closed 1000");
    let event = world.gateway.event(|event| event["event"] == "request");
    assert_eq!(event["decision"], "permit");
    assert_eq!(event["status"], 101);
    assert_eq!(world.requests().len(), 1);
}
