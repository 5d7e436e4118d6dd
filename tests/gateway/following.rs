//! A gateway that follows a copy: it arrives in pieces, late, or under another name.

use postern_tests::{DEVICE, PATIENCE, Site, TestGateway};

use crate::journal::{becomes_revoked, handshake};

/// A site whose gateway follows `copy`, which somebody else keeps up to date.
fn copied() -> Site {
    let site = Site::new();
    site.client(DEVICE);
    site.edit_config("postern-home/public", "copy");
    drop(site.shell("cp -a postern-home/public copy").expect_code(0));
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_arrives_in_pieces_is_believed_when_it_is_complete() {
    let site = copied();
    let gateway = TestGateway::run(&site);
    handshake(&site, &gateway, DEVICE).await.unwrap();
    // A publisher that the gateway does not know yet signs the revocation.
    let publisher = "serial=$(openssl x509 -in postern-home/public/publishers.pem -noout -serial) \
                     && \"$0\" cert revoke --serial \"${serial#serial=}\"";
    let binary = site.postern.command(&[]).get_program().to_owned();
    let script = publisher.replace("\"$0\"", &binary.to_string_lossy());
    drop(site.shell(&script).expect_code(0));
    drop(site.postern.run(&["ca", "crl", "publish"]).expect_code(0));
    site.revoke(DEVICE);

    drop(
        site.shell("cp -a postern-home/public/journal copy/")
            .expect_code(0),
    );
    gateway.event(|event| event["event"] == "source_alarm");
    drop(
        site.shell("cp -a postern-home/public/. copy/")
            .expect_code(0),
    );
    becomes_revoked(&site, &gateway, DEVICE).await;
    gateway.event(|event| event["event"] == "source_recovered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_crl_does_not_hold_a_revocation_back() {
    let site = copied();
    let gateway = TestGateway::run(&site);
    handshake(&site, &gateway, DEVICE).await.unwrap();
    site.revoke(DEVICE);
    let script = "rm -r copy && cp -a postern-home/public copy.new \
                  && rm copy.new/crl/intermediate.crl && mv copy.new copy";
    drop(site.shell(script).expect_code(0));
    becomes_revoked(&site, &gateway, DEVICE).await;
    gateway.event(|event| event["event"] == "source_alarm");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_is_refused_wherever_it_lies() {
    let site = copied();
    drop(site.shell("cp -a copy old").expect_code(0));
    let gateway = TestGateway::run(&site);
    site.revoke(DEVICE);
    drop(
        site.shell("cp -a postern-home/public/. copy/")
            .expect_code(0),
    );
    becomes_revoked(&site, &gateway, DEVICE).await;
    // What was seen is kept with the next look at the source.
    tokio::time::sleep(PATIENCE / 20).await;
    gateway.stop();
    site.edit_config("\"copy\"", "\"./old\"");
    let refused = site.postern.run(&["gateway", "run"]).expect_code(9);
    assert!(
        refused.stderr.contains("an old copy was put back"),
        "{}",
        refused.stderr
    );
}
