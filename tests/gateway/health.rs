//! Upstreams that are asked whether they are well.

use std::fs;
use std::time::{Duration, Instant};

use postern_tests::{
    Client, DEVICE, DEVICES, Identity, Nginx, PATIENCE, Protocol, Site, TestGateway, skip_without,
};

/// Who answers ten requests, one after the other: nginx, or the upstream that writes down.
async fn answering(site: &Site, gateway: &TestGateway, device: &Identity) -> (usize, usize) {
    let client = Client::connect(site, gateway, DEVICES, Some(device), Protocol::Http2).await;
    let mut client = client.unwrap();
    let mut nginx = 0;
    for _ in 0..10 {
        let answer = client.get("/static.txt").await.unwrap();
        assert_eq!(answer.status, 200);
        nginx += usize::from(&answer.body[..] == b"served by nginx\n");
    }
    (nginx, 10 - nginx)
}

/// Waits until each of the site's five applications has found it out.
async fn until_told(gateway: &TestGateway, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    while gateway.log().matches(what).count() < 5 {
        assert!(Instant::now() < deadline, "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_it_is_unwell_is_left_out_until_it_is_well() {
    if skip_without("nginx") {
        return;
    }
    let site = Site::new();
    let nginx = Nginx::start(&site);
    let upstream = format!("upstream = \"http://{}\"", site.upstream.authority());
    let both = format!(
        "upstream = [\"http://{}\", \"http://{}\"]\n\
         upstream_health = {{ path = \"/static.txt\", every = \"1s\" }}",
        site.upstream.authority(),
        nginx.authority()
    );
    site.edit_config(&upstream, &both);
    let device = site.client(DEVICE);
    let page = site.path("nginx/www/static.txt");
    let text = fs::read(&page).unwrap();
    fs::remove_file(&page).unwrap();
    let gateway = TestGateway::run(&site);
    until_told(&gateway, "answers /static.txt with 404").await;
    assert_eq!(answering(&site, &gateway, &device).await, (0, 10));
    fs::write(&page, text).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while answering(&site, &gateway, &device).await != (5, 5) {
        assert!(Instant::now() < deadline, "it stays out: {}", gateway.log());
    }
}

#[test]
fn what_is_no_question_is_told_with_its_place() {
    let site = Site::new();
    let upstream = format!("upstream = \"http://{}\"", site.upstream.authority());
    for (health, told) in [
        ("{ path = \"healthz\" }", "`path` is a path such as"),
        ("{ path = \"/a b\" }", "`path` is a path such as"),
        ("{ path = \"/\", every = \"10ms\" }", "postern.toml:"),
        (
            "{ path = \"/\", every = \"2h\" }",
            "between \"1s\" and \"1h\"",
        ),
        ("{ every = \"2s\" }", "missing field `path`"),
    ] {
        let with = format!("{upstream}\nupstream_health = {health}");
        site.edit_config(&upstream, &with);
        let refused = site.postern.run(&["gateway", "check"]).expect_code(6);
        assert!(
            refused.stderr.contains(told),
            "{health}: {}",
            refused.stderr
        );
        site.edit_config(&with, &upstream);
    }
}
