//! How many connections one address may have (A37).

use postern_tests::{Client, PLAIN, Protocol, Site, TestGateway};
use tokio::net::TcpStream;

use crate::balancers::{dial_from, version_1};

const THREE: &str = "metrics = \"127.0.0.1:0\"\nproxy_protocol = [\"127.0.0.3\"]\n\
                     [gateway.limits]\nmax_connections_per_address = 3";

fn refused(gateway: &TestGateway) -> Vec<serde_json::Value> {
    let mut events = gateway.events();
    events.retain(|event| event["event"] == "connections_refused");
    events
}

fn refused_connections(gateway: &TestGateway) -> u64 {
    let events = refused(gateway);
    let counts = events.iter().map(|event| &event["connections"]);
    counts.map(|count| count.as_u64().unwrap()).sum()
}

async fn status(site: &Site, socket: TcpStream) -> std::io::Result<u16> {
    let client = Client::over(socket, site, PLAIN, None, Protocol::Http1).await;
    Ok(client?.get("/").await?.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_too_many_connections_is_told_once_and_others_are_served() {
    let site = Site::with(THREE);
    let gateway = TestGateway::run(&site);
    let mut crowd = Vec::new();
    for _ in 0..203 {
        crowd.push(dial_from("127.0.0.2", &gateway, b"").await);
    }
    gateway.event(|_| refused_connections(&gateway) == 200);
    let events = refused(&gateway);
    assert!(events.len() < 20, "{events:#?}");
    for event in &events {
        assert_eq!(event["peer"], "127.0.0.2");
        assert_eq!(event["reason"], "too_many_of_address");
    }
    let started = gateway.event(|event| event["event"] == "started");
    let figures = site.shell(&format!(
        "curl -sS http://{}/metrics",
        started["metrics"].as_str().unwrap()
    ));
    let figure = "\npostern_connections_refused_total 200\n";
    assert!(figures.stdout.contains(figure), "{}", figures.stdout);

    let other = dial_from("127.0.0.4", &gateway, b"").await;
    assert_eq!(status(&site, other).await.unwrap(), 401);
    // As soon as some of them are gone, it may come again.
    drop(crowd);
    let mut attempts = 0;
    while status(&site, dial_from("127.0.0.2", &gateway, b"").await)
        .await
        .is_err()
    {
        attempts += 1;
        assert!(attempts < 1_000, "{:#?}", gateway.events());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_balancer_each_client_has_its_own_places() {
    let site = Site::with(THREE);
    let gateway = TestGateway::run(&site);
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(dial_from("127.0.0.3", &gateway, &version_1("198.51.100.1")).await);
    }
    let event = gateway.event(|event| event["event"] == "connections_refused");
    assert_eq!(event["peer"], "198.51.100.1");
    assert_eq!(event["connections"], 1);
    // The balancer itself has as many as it needs.
    for _ in 0..10 {
        crowd.push(dial_from("127.0.0.3", &gateway, b"PROXY UNKNOWN\r\n").await);
    }
    for last in 2..12 {
        let client = format!("198.51.100.{last}");
        let socket = dial_from("127.0.0.3", &gateway, &version_1(&client)).await;
        assert_eq!(status(&site, socket).await.unwrap(), 401, "{client}");
    }
    assert_eq!(refused_connections(&gateway), 1);
}
