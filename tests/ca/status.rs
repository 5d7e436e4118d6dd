//! `status`: one screen, and 10 when somebody should do something.

use std::fs;

use postern_ca::{EdgeChange, Store};
use postern_tests::{Output, Postern, skip_without};
use serde_json::{Value, json};

use crate::support::under;

fn status(postern: &Postern, code: i32) -> Value {
    let told = postern
        .run(&["status", "-o", "json"])
        .expect_code(code)
        .json();
    assert_eq!(told["schema"], "postern.status/1");
    assert_eq!(told["is_due"], code == 10);
    told
}

fn store(postern: &Postern) -> Store {
    Store::open(&postern.path("postern-home/postern.db")).expect("the home's database")
}

#[test]
fn a_new_home_has_nothing_due_and_three_issuers_with_their_crls() {
    let postern = Postern::with_ca();
    let told = status(&postern, 0);
    let roles = told["issuers"].as_array().expect("issuers").iter();
    let roles: Vec<_> = roles
        .map(|one| (&one["role"], &one["crl_number"]))
        .collect();
    let one = json!(1);
    let expected = [json!("root"), json!("client"), json!("server")];
    assert_eq!(
        roles,
        expected.iter().map(|role| (role, &one)).collect::<Vec<_>>()
    );
    for empty in ["due", "edge_pending", "rotations"] {
        assert_eq!(told[empty], json!([]), "{empty}");
    }
    let table = postern.run(&["status"]).expect_code(0).stdout;
    for line in [
        "home      postern-home",
        "due       nothing",
        "edge      nothing is waiting to reach it",
        "rotation  none is under way",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }
}

#[test]
fn the_roots_key_is_warned_about_while_it_can_be_read_here_and_never_named_otherwise() {
    let postern = Postern::with_ca();
    let found = status(&postern, 0);
    assert_eq!(found["root_key"]["readable"], json!(["root/root.key"]));
    let warning = found["warnings"][0].as_str().expect("a warning");
    assert!(
        warning.starts_with("root/root.key can be read on this machine"),
        "{warning}"
    );
    fs::rename(postern.path("root"), postern.path("usb-stick")).expect("moved");
    let gone = status(&postern, 0);
    assert_eq!(
        (&gone["root_key"]["readable"], &gone["warnings"]),
        (&json!([]), &json!([]))
    );
    assert!(
        !gone["root_key"]["looked_at"]
            .as_array()
            .expect("paths")
            .is_empty()
    );
    // Beside the certificate that the gateway trusts it is found again.
    let config = "[gateway]\nlisten = \"127.0.0.1:0\"\ncertificate = \"c\"\nkey = \"k\"\nstate = \"s\"\n\
                  trust = [\"usb-stick/root.crt\"]\nwhen_stale = \"refuse\"\n";
    fs::write(postern.path("postern.toml"), config).expect("a file");
    let found = status(&postern, 0);
    assert_eq!(found["root_key"]["readable"], json!(["usb-stick/root.key"]));
    // A configuration with mistakes hides nothing else.
    fs::write(postern.path("postern.toml"), "nonsense").expect("a file");
    let output = postern.run(&["status"]).expect_code(0);
    assert!(
        output
            .stderr
            .contains("the configuration was not looked at"),
        "{}",
        output.stderr
    );
    assert!(output.stdout.contains("issuer"), "{}", output.stdout);
}

#[test]
fn changes_that_wait_for_the_edge_are_due_until_they_are_cleared() {
    let postern = Postern::with_ca();
    let change = EdgeChange {
        what: String::from("take it out of group `devices`"),
        cause: String::from("revoked"),
        names: vec![String::from("device-7.factory.corp")],
        since: 1_700_000_000,
        by: String::from("ann@build"),
    };
    let id = store(&postern).add_edge_pending(change).expect("recorded");
    let pending = status(&postern, 10)["edge_pending"][0].clone();
    assert_eq!(pending["names"], json!(["device-7.factory.corp"]));
    assert_eq!(pending["since"], "2023-11-14T22:13:20Z");
    let table = postern.run(&["status"]).expect_code(10).stdout;
    let line = table.lines().find(|line| line.starts_with("edge "));
    let told = "take it out of group `devices` (revoked: device-7.factory.corp), since ";
    assert!(line.is_some_and(|line| line.contains(told)), "{table}");
    store(&postern)
        .clear_edge_pending(vec![id])
        .expect("cleared");
    status(&postern, 0);
}

#[test]
fn a_rotation_is_due_until_it_is_finished() {
    let postern = Postern::with_ca();
    let create = ["token", "create", "ci-deploy-prod", "--out", "token"];
    drop(postern.run(&create).expect_code(0));
    let token = store(&postern).tokens().expect("tokens")[0].name.clone();
    let (state, by) = (String::from("{}"), String::from("ann@build"));
    let rotation = store(&postern).start_rotation(token, state, by, 1_700_000_000);
    let mut rotation = rotation.expect("started");
    let told = status(&postern, 10)["rotations"][0].clone();
    assert_eq!(
        (&told["token"], &told["started_by"]),
        (&json!("ci-deploy-prod"), &json!("ann@build"))
    );
    rotation.finished_at = Some(1_700_000_100);
    store(&postern).save_rotation(&rotation).expect("saved");
    assert_eq!(status(&postern, 0)["rotations"], json!([]));
}

#[test]
fn what_ends_soon_is_due() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    let args = [
        "cert",
        "issue",
        "a",
        "--profile",
        "high",
        "--owner",
        "ops",
        "--out",
        ".",
    ];
    drop(postern.run(&args).expect_code(0));
    let args = ["status", "--within", "100d", "-o", "json"];
    let due = postern.run(&args).expect_code(10).json()["due"].clone();
    assert!(
        due.as_array()
            .expect("items")
            .iter()
            .any(|one| one["name"] == "a"),
        "{due}"
    );
    // CRLs nobody made anew.
    let later = ["faketime", "-f", "+4d"];
    let late = Output::of(&mut under(&postern, &later, &["status", "-o", "json"]));
    let due = late.expect_code(10).json()["due"].clone();
    assert_eq!(due.as_array().expect("items").len(), 2, "{due}");
    assert!(
        due.as_array()
            .expect("items")
            .iter()
            .all(|one| one["kind"] == "crl"),
        "{due}"
    );
}

#[test]
fn there_is_no_status_of_a_home_that_is_not_there() {
    drop(Postern::new().run(&["status"]).expect_code(3));
}
