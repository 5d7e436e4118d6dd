//! A revocation ends what the client does, never the connection it shares.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use postern_tests::{Client, DEVICE, DEVICES, PATIENCE, Protocol, TestGateway, full};
use tokio::time::timeout;

use super::certificates::rfc_9440;
use super::{ASSERTION, Behind, CLIENT, LOOPBACK};

const OTHER: &str = "device-2.factory.corp";

/// An answer without end, of which the first piece is there.
async fn endless(client: &mut Client, assertion: &str) -> Incoming {
    endless_with(client, assertion, "").await
}

/// The same with a forwarded certificate.
async fn endless_with(client: &mut Client, assertion: &str, shown: &str) -> Incoming {
    let headers = [
        (ASSERTION, assertion),
        ("Cf-Connecting-IP", CLIENT),
        ("client-cert", shown),
    ];
    let request = client.request("GET", "/endless", &headers, full(""));
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    body
}

/// Reads until the answer breaks off; an orderly end is not what a cut looks like.
async fn broken_off(mut body: Incoming) {
    let reading = async {
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return;
            }
        }
        panic!("the answer ended as if all was well");
    };
    timeout(PATIENCE, reading).await.expect("it is cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_resets_the_clients_streams_and_nobody_elses() {
    let behind = Behind::new(LOOPBACK, "");
    let site = &behind.site;
    site.client(DEVICE);
    site.client(OTHER);
    let gateway = TestGateway::run(site);
    let client = Client::connect(site, &gateway, DEVICES, None, Protocol::Http2).await;
    let mut shared = client.unwrap();
    let (bad, good) = (behind.assertion_of(DEVICE), behind.assertion_of(OTHER));
    let doomed = [
        endless(&mut shared, &bad).await,
        endless(&mut shared, &bad).await,
    ];
    let mut stays = endless(&mut shared, &good).await;

    tokio::task::block_in_place(|| site.revoke(DEVICE));

    for body in doomed {
        broken_off(body).await;
    }
    // The same connection, the same stream of the other client, and new ones.
    for _ in 0..3 {
        timeout(PATIENCE, stays.frame())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
    let with = |assertion| [(ASSERTION, assertion), ("Cf-Connecting-IP", CLIENT)];
    let other = shared.get_with("/other", &with(&good)).await.unwrap();
    assert_eq!(other.status, 200);
    let again = shared.get_with("/again", &with(&bad)).await.unwrap();
    assert_eq!((again.status, &*super::reason(&again)), (401, "revoked"));
    let event = gateway.event(|event| event["event"] == "revocation");
    assert_eq!(event["connections_cut"], 2, "{event}");
    let aborted = gateway.event(|event| event["decision"] == "aborted");
    assert_eq!(aborted["reason"], "revoked");
    assert_eq!(aborted["common_name"], DEVICE);
    let deadline = Instant::now() + PATIENCE;
    while site.upstream.streams_cut() < 2 {
        assert!(Instant::now() < deadline, "the upstream still sends");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_forwarded_certificates_the_revoked_ones_streams_end() {
    let behind = Behind::new(LOOPBACK, "client_certificate = \"client-cert\"");
    let site = &behind.site;
    let (old, new) = (
        site.issue(DEVICE, "service", "old"),
        site.issue(DEVICE, "service", "new"),
    );
    let gateway = TestGateway::run(site);
    let client = Client::connect(site, &gateway, DEVICES, None, Protocol::Http2).await;
    let mut shared = client.unwrap();
    let assertion = behind.assertion_of(DEVICE);
    let doomed = endless_with(&mut shared, &assertion, &rfc_9440(&old)).await;
    let mut stays = endless_with(&mut shared, &assertion, &rfc_9440(&new)).await;
    let revoke = ["cert", "revoke", "--cert", "old/device-1.factory.corp.crt"];
    tokio::task::block_in_place(|| drop(site.postern.run(&revoke).expect_code(0)));
    broken_off(doomed).await;
    for _ in 0..3 {
        timeout(PATIENCE, stays.frame())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_one_client_does_not_take_ends_alone() {
    let limits = "[gateway.limits]\nidle_timeout = \"2s\"";
    let behind = Behind::new(LOOPBACK, limits);
    let gateway = TestGateway::run(&behind.site);
    let client = Client::connect(&behind.site, &gateway, DEVICES, None, Protocol::Http2).await;
    let mut shared = client.unwrap();
    let mut stays = endless(&mut shared, &behind.assertion_of(OTHER)).await;
    let lazy = behind.assertion_of(DEVICE);
    let headers = [(ASSERTION, &*lazy), ("Cf-Connecting-IP", CLIENT)];
    let request = shared.request("GET", "/octets/100000000", &headers, full(""));
    let untaken = shared.send(request).await.unwrap();
    let reading = tokio::spawn(async move {
        loop {
            stays.frame().await.unwrap().unwrap();
        }
    });
    let event =
        tokio::task::block_in_place(|| gateway.event(|event| event["decision"] == "aborted"));
    assert_eq!(
        (&event["reason"], &event["common_name"]),
        (&"idle".into(), &DEVICE.into())
    );
    drop(untaken);
    let good = behind.assertion_of(OTHER);
    let headers = [(ASSERTION, &*good), ("Cf-Connecting-IP", CLIENT)];
    assert_eq!(
        shared.get_with("/other", &headers).await.unwrap().status,
        200
    );
    assert!(!reading.is_finished());
    reading.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_1_the_running_answer_ends_and_an_idle_connection_stays() {
    let behind = Behind::new(
        LOOPBACK,
        "client_certificate = \"cf-client-cert-der-base64\"",
    );
    let site = &behind.site;
    site.client(DEVICE);
    let gateway = TestGateway::run(site);
    let connect = async || {
        let client = Client::connect(site, &gateway, DEVICES, None, Protocol::Http1).await;
        client.unwrap()
    };
    let (mut busy, mut idle) = (connect().await, connect().await);
    let (bad, good) = (behind.assertion_of(DEVICE), behind.assertion_of(OTHER));
    let with = |assertion| [(ASSERTION, assertion), ("Cf-Connecting-IP", CLIENT)];
    let before = idle.get_with("/before", &with(&bad)).await.unwrap();
    assert_eq!(before.status, 200);
    let running = endless(&mut busy, &bad).await;

    tokio::task::block_in_place(|| site.revoke(DEVICE));

    broken_off(running).await;
    // It carried the revoked client a moment ago, and carries another one now.
    let after = idle.get_with("/after", &with(&good)).await.unwrap();
    assert_eq!(after.status, 200);
    let event = gateway.event(|event| event["event"] == "revocation");
    assert_eq!(event["connections_cut"], 1, "{event}");
}
