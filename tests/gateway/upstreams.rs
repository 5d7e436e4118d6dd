//! Several upstreams for one application: asked in turn, and those that are not there left out.

use postern_tests::{Client, DEVICE, DEVICES, Protocol, Site, TestGateway, Upstream, free_port};

/// A site whose applications have these upstreams.
fn site(authorities: &[String]) -> Site {
    let site = Site::new();
    let one = format!("\"http://{}\"", site.upstream.authority());
    let urls = authorities
        .iter()
        .map(|authority| format!("\"http://{authority}\""));
    let list = urls.collect::<Vec<_>>().join(", ");
    site.edit_config(&one, &format!("[{list}]"));
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_every_upstream_in_turn() {
    let upstreams = [Upstream::start(), Upstream::start(), Upstream::start()];
    let site = site(&upstreams.each_ref().map(Upstream::authority));
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http2)
        .await
        .unwrap();
    for _ in 0..9 {
        assert_eq!(client.get("/turn").await.unwrap().status, 200);
    }
    assert_eq!(upstreams.each_ref().map(Upstream::count), [3, 3, 3]);
    let checked = site.postern.run(&["gateway", "check"]).expect_code(0);
    for upstream in &upstreams {
        assert!(checked.stdout.contains(&upstream.authority()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_not_there_costs_no_idempotent_request_and_then_no_other() {
    let there = Upstream::start();
    let gone = format!("127.0.0.1:{}", free_port());
    let site = site(&[gone.clone(), there.authority()]);
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    // Every other one meets the missing server first, until three in a row have.
    for _ in 0..6 {
        assert_eq!(client.get("/idempotent").await.unwrap().status, 200);
    }
    for _ in 0..6 {
        let request = client.request("POST", "/once", &[], postern_tests::full("body"));
        assert_eq!(client.send(request).await.unwrap().status(), 200);
    }
    assert_eq!(there.count(), 12);
    assert!(
        gateway
            .log()
            .contains(&format!("cannot connect to the upstream {gone}"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_may_not_be_repeated_is_not() {
    let there = Upstream::start();
    let gone = format!("127.0.0.1:{}", free_port());
    let site = site(&[gone, there.authority()]);
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let mut client = Client::connect(&site, &gateway, DEVICES, Some(&device), Protocol::Http1)
        .await
        .unwrap();
    // The first request is the missing server's turn.
    let request = client.request("POST", "/once", &[], postern_tests::full("body"));
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status(), 502);
    drop(response);
    assert_eq!(there.count(), 0);
    let event = gateway.event(|event| event["status"] == 502);
    assert_eq!(event["reason"], "upstream_unreachable");
}
