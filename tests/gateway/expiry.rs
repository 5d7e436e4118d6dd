//! A connection ends with its client's certificate.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt as _;
use postern_tests::{Client, DEVICE, DEVICES, PATIENCE, Protocol, Site, TestGateway, tls, verdict};
use rustls::version::TLS13;
use tokio::time::timeout;

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_when_its_certificate_ends() {
    let site = Site::new();
    let base = fs_text(&site);
    site.write_config(&format!("[ca.profile.brief]\nlifetime = \"6s\"\n{base}"));
    let gateway = TestGateway::run(&site);
    let brief = site.issue(DEVICE, "brief", "clients");
    let issued = now();
    let start = |protocol| Client::connect(&site, &gateway, DEVICES, Some(&brief), protocol);
    let mut http1 = start(Protocol::Http1).await.unwrap();
    let mut http2 = start(Protocol::Http2).await.unwrap();
    assert_eq!(http1.get("/").await.unwrap().status, 200);
    let request = http2.request("GET", "/endless", &[], postern_tests::full(""));
    let mut stream = http2.send(request).await.unwrap().into_body();
    let ended = async {
        while let Some(Ok(_)) = stream.frame().await {}
        now()
    };
    let ended = timeout(PATIENCE, ended)
        .await
        .expect("the stream ends with the certificate");
    let after = ended.saturating_sub(issued);
    assert!(after > Duration::from_secs(3), "too early: {after:?}");
    assert!(http1.get("/").await.is_err());
    println!(
        "a 6 s certificate's open stream ended {} ms after it was issued",
        after.as_millis()
    );
    let event = gateway.event(|event| event["decision"] == "aborted");
    assert_eq!(event["reason"], "expired", "{event}");
    // Its last second is a whole one (RFC 5280 section 4.1.2.5); what still gets in then is cut.
    let refused = Err("CertificateExpired".to_owned());
    let ask = async || {
        let config = tls(&site, Some(&brief), b"http/1.1", &[&TLS13]);
        verdict(&gateway, config, DEVICES).await
    };
    let deadline = Instant::now() + PATIENCE;
    while ask().await != refused {
        assert!(Instant::now() < deadline, "it is never refused");
    }
}

fn fs_text(site: &Site) -> String {
    std::fs::read_to_string(site.path("postern.toml")).unwrap()
}
