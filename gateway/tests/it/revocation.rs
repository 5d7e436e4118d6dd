//! Revoked means refused: new connections, and live ones at once.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt as _;
use postern_fixtures::Issued;
use postern_fixtures::rcgen::RevocationReason;
use tokio::time::timeout;

use crate::support::{Client, DEVICES, PATIENCE, Protocol, World};

async fn open_stream(
    world: &World,
    device: &Issued,
    protocol: Protocol,
) -> (Client, hyper::body::Incoming) {
    let mut client = world
        .connect(DEVICES, Some(device), protocol)
        .await
        .unwrap();
    let request = client.request("GET", DEVICES, "/drip", &[], crate::support::empty_body());
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    (client, body)
}

/// Reads until the stream breaks off; an orderly end is not what a cut looks like.
async fn broken_off(mut body: hyper::body::Incoming) {
    let reading = async {
        loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                Some(Err(_)) => return,
                None => panic!("the stream ended as if all was well"),
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
}

#[tokio::test]
async fn a_revoked_client_is_cut_while_others_stay() {
    let world = World::start().await;
    let bad = world.pki.client("device-bad.factory.corp");
    let good = world.pki.client("device-good.factory.corp");
    let mut cut = Vec::new();
    let mut stay = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        cut.push(open_stream(&world, &bad, protocol).await);
        stay.push(open_stream(&world, &good, protocol).await);
    }

    world.publisher.revoke(&bad, "device-bad.factory.corp");

    for (_client, body) in cut {
        broken_off(body).await;
    }
    let event = world.event(|event| event["event"] == "revocation").await;
    assert_eq!(event["connections_cut"], 2);
    assert_eq!(event["common_name"], "device-bad.factory.corp");
    let event = world.event(|event| event["decision"] == "aborted").await;
    assert_eq!(event["reason"], "revoked");
    assert_eq!(event["policy"], "factory-devices");
    for (mut client, mut body) in stay {
        body.frame().await.unwrap().unwrap();
        if matches!(client, Client::Http2(_)) {
            assert_eq!(
                client.get(DEVICES, "/", &[]).await.unwrap().0,
                StatusCode::OK
            );
        }
    }
    // And nobody comes back with it.
    let again = world.connect(DEVICES, Some(&bad), Protocol::Http1).await;
    if let Ok(mut client) = again {
        assert!(client.get(DEVICES, "/", &[]).await.is_err());
    }
    let event = world.event(|event| event["event"] == "handshake").await;
    assert_eq!(event["reason"], "revoked");
}

#[tokio::test]
async fn a_connection_ends_when_its_certificate_expires() {
    let world = World::start().await;
    let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(6);
    let device = world
        .pki
        .client_with("device-1.factory.corp", |params| params.not_after = soon);
    let (_client, body) = open_stream(&world, &device, Protocol::Http2).await;
    broken_off(body).await;
    let event = world.event(|event| event["decision"] == "aborted").await;
    assert_eq!(event["reason"], "expired");
}

#[tokio::test]
async fn a_reload_that_takes_trust_away_cuts_who_relied_on_it() {
    let world = World::start().await;
    let device = world.pki.client("device-1.factory.corp");
    let (_client, body) = open_stream(&world, &device, Protocol::Http2).await;
    let other = postern_fixtures::TestPki::new();
    std::fs::write(world.folder.path().join("root.crt"), other.root().pem()).unwrap();
    world.rewrite_config(|text| text.replace("follow = [\"public\"]", ""));
    assert!(world.handle.reload().await.unwrap().ok);
    broken_off(body).await;
    let event = world.event(|event| event["decision"] == "aborted").await;
    assert_eq!(event["reason"], "no_longer_accepted");
}

#[tokio::test]
async fn many_others_stay_when_one_is_cut() {
    let world = World::start().await;
    let bad = world.pki.client("device-bad.factory.corp");
    let good = world.pki.client("device-good.factory.corp");
    let mut others = Vec::new();
    for _ in 0..100 {
        let mut client = world
            .connect(DEVICES, Some(&good), Protocol::Http2)
            .await
            .unwrap();
        assert_eq!(
            client.get(DEVICES, "/", &[]).await.unwrap().0,
            StatusCode::OK
        );
        others.push(client);
    }
    let (_client, body) = open_stream(&world, &bad, Protocol::Http2).await;
    world.publisher.revoke(&bad, "device-bad.factory.corp");
    broken_off(body).await;
    for client in &mut others {
        assert_eq!(
            client.get(DEVICES, "/", &[]).await.unwrap().0,
            StatusCode::OK
        );
    }
    let event = world.event(|event| event["event"] == "revocation").await;
    assert_eq!(event["connections_cut"], 1);
}

#[tokio::test]
async fn a_crl_file_cuts_live_connections_too() {
    let world = World::start_with("crl = [\"extra/*.crl\"]").await;
    let bad = world.pki.client("device-bad.factory.corp");
    let (_client, body) = open_stream(&world, &bad, Protocol::Http1).await;
    let crl = world
        .pki
        .crl(2, &[(bad.serial(), RevocationReason::KeyCompromise)]);
    let folder = world.folder.path().join("extra");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("new"), crl.der()).unwrap();
    std::fs::rename(folder.join("new"), folder.join("intermediate.crl")).unwrap();
    broken_off(body).await;
    let event = world.event(|event| event["decision"] == "aborted").await;
    assert_eq!(event["reason"], "revoked");
}
