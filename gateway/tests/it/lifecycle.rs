//! Start, reload, drain.

use http::StatusCode;
use http_body_util::BodyExt as _;
use postern_gateway::{check, last_reload, running_pid};

use crate::support::{DEVICES, MIXED, Protocol, World, empty_body, load};

#[tokio::test]
async fn a_reload_swaps_the_policy_under_a_live_connection() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let mut client = world
        .connect(DEVICES, Some(&device), Protocol::Http2)
        .await
        .unwrap();
    assert_eq!(
        client.get(DEVICES, "/", &[]).await.unwrap().0,
        StatusCode::OK
    );
    world.rewrite_config(|text| text.replace("device-stolen", "device-1"));
    let outcome = world.handle.reload().await.unwrap();
    assert!(outcome.ok);
    assert_eq!(outcome.generation, 2);
    assert_eq!(
        last_reload(&world.folder.path().join("state")),
        Some(outcome)
    );
    assert_eq!(
        client.get(DEVICES, "/", &[]).await.unwrap().0,
        StatusCode::FORBIDDEN
    );
    world.event(|event| event["event"] == "reloaded").await;
}

#[tokio::test]
async fn a_bad_reload_is_refused_and_the_old_configuration_stays() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    world.rewrite_config(|text| text.replace("[gateway]", "[gateway]\nlissen = 1"));
    let outcome = world.handle.reload().await.unwrap();
    assert!(!outcome.ok);
    assert_eq!(outcome.generation, 1);
    assert!(outcome.error.unwrap().contains("lissen"));
    world
        .event(|event| event["event"] == "reload_refused")
        .await;
    let mut client = world
        .connect(DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    assert_eq!(
        client.get(DEVICES, "/", &[]).await.unwrap().0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_needs_a_restart_is_said() {
    let world = World::start().await;
    world.rewrite_config(|text| text.replace("127.0.0.1:0", "127.0.0.1:9"));
    let outcome = world.handle.reload().await.unwrap();
    assert!(outcome.ok);
    assert_eq!(outcome.needs_restart, ["listen"]);
}

#[tokio::test]
async fn the_event_file_is_opened_again_after_rotation() {
    let world = World::start().await;
    world.event(|event| event["event"] == "started").await;
    let file = world.folder.path().join("events.jsonl");
    std::fs::rename(&file, world.folder.path().join("events.jsonl.1")).unwrap();
    world.handle.reload().await.unwrap();
    while !file.exists() {
        tokio::task::yield_now().await;
    }
    world.event(|event| event["event"] == "reloaded").await;
}

#[tokio::test]
async fn draining_finishes_what_runs_and_begins_nothing_new() {
    let mut world = World::start_with("drain = \"2s\"").await;
    let device = world.pki.client("device-1.factory.corp");
    let mut streaming = world
        .connect(MIXED, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    let request = streaming.request("GET", MIXED, "/drip", &[], empty_body());
    let mut body = streaming.send(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(
        running_pid(&world.folder.path().join("state")),
        Some(std::process::id())
    );

    world.begin_stop();
    world.event(|event| event["event"] == "stopping").await;
    while tokio::net::TcpStream::connect(world.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    body.frame().await.unwrap().unwrap();
    world.stop().await;
    let aborted = world.event(|event| event["decision"] == "aborted").await;
    assert_eq!(aborted["reason"], "drain_deadline");
    world.event(|event| event["event"] == "stopped").await;
    assert_eq!(running_pid(&world.folder.path().join("state")), None);
}

#[tokio::test]
async fn stopping_an_idle_gateway_tells_its_clients_and_is_quick() {
    let mut world = World::start_with("drain = \"10m\"").await;
    let device = world.pki.client("device-1.factory.corp");
    let mut clients = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut client = world.connect(MIXED, Some(&device), protocol).await.unwrap();
        assert_eq!(client.get(MIXED, "/", &[]).await.unwrap().0, StatusCode::OK);
        clients.push(client);
    }
    world.stop().await;
    for mut client in clients {
        assert!(client.get(MIXED, "/", &[]).await.is_err());
    }
}

#[tokio::test]
async fn a_check_says_what_would_be_served() {
    let world = World::start().await;
    let report = check(&load(world.folder.path()).unwrap()).unwrap();
    assert_eq!(report.applications.len(), 3);
    assert_eq!(report.applications[0].client_certificate, "required");
    assert_eq!(report.applications[1].client_certificate, "requested");
    assert_eq!(report.sources.len(), 1);
    assert_eq!(report.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_check_warns_of_a_root_that_has_expired() {
    let world = World::start().await;
    let past = postern_fixtures::TestPki::new().date_time()
        - std::time::Duration::from_secs(40 * 365 * 86_400);
    let expired = postern_fixtures::TestPki::at(past);
    std::fs::write(world.folder.path().join("old.crt"), expired.root().pem()).unwrap();
    world.rewrite_config(|text| text.replace("[\"root.crt\"]", "[\"root.crt\", \"old.crt\"]"));
    let report = check(&load(world.folder.path()).unwrap()).unwrap();
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
}

#[tokio::test]
async fn every_mistake_in_the_file_is_told() {
    let world = World::start().await;
    let folder = world.folder.path();
    for (from, to, told) in [
        ("when_stale = \"refuse\"", "", "when_stale"),
        ("\"public\"", "\"https://ca.example.com/\"", "ca serve"),
        ("\"public\"", "\"nowhere\"", "no folder"),
        ("127.0.0.1:0", "localhost", "not an address"),
        ("\"root.crt\"", "\"server.key\"", "trust file"),
        ("\"server.key\"", "\"server.crt\"", "can be read by others"),
        (
            "when_stale",
            "ticket_keys = \"server.crt\"\nwhen_stale",
            "the file of ticket keys",
        ),
        (
            "when_stale",
            "ticket_keys = \"server.key\"\nwhen_stale",
            "line 1 is not the base64 of 32 octets",
        ),
        (
            "when_stale",
            "resumption = false\nticket_keys = \"server.key\"\nwhen_stale",
            "would be used by nobody",
        ),
        (
            "when_stale",
            "default_host = \"x.example\"\nwhen_stale",
            "no application has",
        ),
    ] {
        let text = std::fs::read_to_string(folder.join("postern.toml")).unwrap();
        world.rewrite_config(|text| text.replace(from, to));
        let error = load(folder).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
        std::fs::write(folder.join("postern.toml"), text).unwrap();
    }
}
