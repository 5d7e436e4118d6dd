//! `issuers`: intermediates that complete chains and sign CRLs, and are trusted by nobody.

use std::fs;

use postern_fixtures::TestPki;
use postern_tests::{DEVICE, DEVICES, Identity, Site, TestGateway, tls, verdict};
use rcgen::RevocationReason;
use rustls::version::TLS13;

/// A site that trusts a test PKI's root alone, with the CRLs of both its CAs.
fn site_with(pki: &TestPki, extra: &str) -> Site {
    let site = Site::with(&format!("crl = [\"theirs.crl\", \"root.crl\"]\n{extra}"));
    fs::write(site.path("theirs-root.crt"), pki.root().pem()).unwrap();
    fs::write(site.path("theirs.crt"), pki.intermediate().pem()).unwrap();
    fs::write(site.path("root.crl"), pki.root_crl(1, &[]).pem()).unwrap();
    fs::write(site.path("theirs.crl"), pki.crl(1, &[]).pem()).unwrap();
    site.edit_config(
        r#""root/root.crt"]"#,
        r#""root/root.crt", "theirs-root.crt"]"#,
    );
    site
}

async fn shown(site: &Site, gateway: &TestGateway, identity: &Identity) -> Result<(), String> {
    let config = tls(site, Some(identity), b"http/1.1", &[&TLS13]);
    verdict(gateway, config, DEVICES).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_that_is_given_completes_chains_and_signs_lists() {
    let pki = TestPki::new();
    let site = site_with(&pki, "");
    let refused = site.postern.run(&["gateway", "run"]).expect_code(9);
    assert!(refused.stderr.contains("theirs.crl"), "{}", refused.stderr);

    site.edit_config("when_stale ", "issuers = [\"theirs.crt\"]\nwhen_stale ");
    let revoked = pki.client("device-2.factory.corp");
    let entry = (revoked.serial(), RevocationReason::KeyCompromise);
    fs::write(site.path("theirs.crl"), pki.crl(2, &[entry]).pem()).unwrap();
    let gateway = TestGateway::run(&site);
    let alone = pki.client(DEVICE).presenting(Vec::new());
    let alone = site.keep(&alone, "alone");
    assert_eq!(shown(&site, &gateway, &alone).await, Ok(()));
    let revoked = site.keep(&revoked, "revoked");
    let refused = shown(&site, &gateway, &revoked).await;
    assert_eq!(refused, Err("CertificateRevoked".to_owned()));
}

#[test]
fn one_that_leads_nowhere_or_is_no_ca_is_a_mistake() {
    let pki = TestPki::new();
    let site = site_with(&pki, "issuers = [\"other.crt\"]\n");
    let stranger = TestPki::new();
    for (pem, why) in [
        (stranger.intermediate().pem(), "neither a trust anchor"),
        (stranger.root().pem(), "neither a trust anchor"),
        (pki.client(DEVICE).pem(), "no CA certificate"),
        (String::new(), "BEGIN CERTIFICATE"),
    ] {
        fs::write(site.path("other.crt"), pem).unwrap();
        let refused = site.postern.run(&["gateway", "check"]).expect_code(6);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
}
