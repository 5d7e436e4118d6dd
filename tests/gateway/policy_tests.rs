//! `policy test`: expected answers, held against the policies.

use std::fs;

use postern_tests::{DEVICE, DEVICES, MIXED, Output, PLAIN, Site};

fn test(site: &Site, text: &str, args: &[&str]) -> Output {
    fs::write(site.path("expected.toml"), text).unwrap();
    let mut all = vec!["policy", "test", "expected.toml"];
    all.extend(args);
    site.postern.run(&all)
}

fn asked(host: &str, client: &str, expect: &str) -> String {
    format!(
        "[[test]]\nname = \"somebody at {host}\"\nhost = \"{host}\"\n{client}\nexpect = \"{expect}\"\n"
    )
}

#[test]
fn answers_as_expected_pass_and_others_are_told() {
    let site = Site::new();
    let device = format!("cn = \"{DEVICE}\"");
    let good = asked(DEVICES, &device, "admitted")
        + "reason = \"permitted\"\n"
        + &asked(DEVICES, "cn = \"stranger\"", "denied")
        + "reason = \"no_policy_matched\"\n"
        + &asked(PLAIN, "", "denied")
        + "reason = \"no_credentials\"\n";
    let passed = test(&site, &good, &["-o", "json"]).expect_code(0).json();
    let passed = passed["items"].as_array().unwrap().clone();
    assert_eq!(passed.len(), 3);
    assert!(passed.iter().all(|it| it["passed"] == true), "{passed:#?}");

    let bad = good + &asked(MIXED, &device, "denied") + "policy = \"nobody\"\n";
    let failed = test(&site, &bad, &[]).expect_code(6);
    assert!(failed.stdout.contains("FAIL"), "{}", failed.stdout);
    assert!(
        failed.stdout.contains("denied, policy nobody"),
        "{}",
        failed.stdout
    );
    assert!(
        failed.stderr.contains("1 of 4 answers"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_certificate_is_looked_at_as_in_a_handshake() {
    let site = Site::new();
    let device = site.client(DEVICE);
    let file = format!("cert = \"{}\"", device.certificate.display());
    drop(test(&site, &asked(DEVICES, &file, "admitted"), &[]).expect_code(0));
    site.revoke(DEVICE);
    let revoked = asked(DEVICES, &file, "denied") + "reason = \"revoked\"\n";
    drop(test(&site, &revoked, &[]).expect_code(0));
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_place() {
    let site = Site::new();
    let device = format!("cn = \"{DEVICE}\"");
    for (text, told) in [
        (
            asked(DEVICES, &device, "maybe"),
            "expected.toml:5:10: unknown variant `maybe`",
        ),
        (
            asked(DEVICES, "cnn = 5", "denied"),
            "expected.toml:4:1: unknown field `cnn`",
        ),
        (
            String::from("test = []\n"),
            "expected.toml:1:8: there is no test in it",
        ),
        (
            asked(DEVICES, "cn = \"a\"\ncert = \"a.crt\"", "denied"),
            "expected.toml:4:6: test \"somebody at devices.example.com\" has both",
        ),
    ] {
        let refused = test(&site, &text, &[]).expect_code(6);
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let missing = site.postern.run(&["policy", "test", "nowhere.toml"]);
    assert!(missing.expect_code(3).stderr.contains("nowhere.toml"));
    let unread = asked(DEVICES, "cert = \"nowhere.crt\"", "denied");
    let unread = test(&site, &unread, &[]).expect_code(3);
    assert!(
        unread.stderr.contains("test \"somebody"),
        "{}",
        unread.stderr
    );
}
