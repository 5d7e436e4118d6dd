//! Devices: taken over from a list, listed, shown, and revoked with all that is theirs.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use postern_tests::{Output, Postern, skip_without};
use serde_json::{Value, json};

use crate::support::{certificates, entries, of_name, openssl_csr, text, under};

const FLEET: &str = "\
name,labels,owner,profile
press-1,site=plant-1;rack=3,\"Press shop, hall 1\",device
press-2,site=plant-2,plant-2,device

press-3,site=plant-2,,
";

fn fleet() -> Postern {
    let postern = Postern::with_ca();
    let done = import(&postern, FLEET, &[]).expect_code(0).json();
    assert_eq!(done["created"], 3, "{done}");
    postern
}

fn import(postern: &Postern, text: &str, more: &[&str]) -> Output {
    fs::write(postern.path("fleet.csv"), text).expect("a file");
    let args = ["device", "import", "fleet.csv", "-o", "json"];
    postern.run(&[&args, more].concat())
}

fn issue(postern: &Postern, name: &str) {
    let issue = ["cert", "issue", name, "--out", name];
    drop(postern.run(&issue).expect_code(0));
}

fn token_of(postern: &Postern, device: &str, name: &str) -> Output {
    let create = ["token", "create", name, "--device", device, "--out", name];
    postern.run(&create)
}

fn list(postern: &Postern, args: &[&str]) -> Vec<String> {
    let args = [&["device", "list", "-o", "json"], args].concat();
    let listing = postern.run(&args).expect_code(0).json();
    assert_eq!(listing["schema"], "postern.devices/1");
    let items = listing["items"].as_array().expect("items").iter();
    items.map(|item| text(item, "name").to_owned()).collect()
}

fn show(postern: &Postern, name: &str) -> Value {
    let shown = postern.run(&["device", "show", name, "-o", "json"]);
    let shown = shown.expect_code(0).json();
    assert_eq!(shown["schema"], "postern.device/1");
    shown
}

#[test]
fn what_a_list_says_is_recorded_and_handed_on_to_certificates() {
    let postern = fleet();
    let shown = show(&postern, "press-1");
    assert_eq!(shown["state"], "pending");
    assert_eq!(shown["owner"], "Press shop, hall 1");
    assert_eq!(shown["labels"], json!({ "rack": "3", "site": "plant-1" }));
    issue(&postern, "press-1");
    let row = of_name(&certificates(&postern), "press-1").remove(0);
    assert_eq!(
        (&row["owner"], &row["profile"], &row["labels"]),
        (&shown["owner"], &json!("device"), &shown["labels"])
    );
    openssl_csr(
        &postern,
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "/CN=press-2",
        "press-2.csr",
    );
    let sign = ["cert", "sign", "press-2.csr", "--out", "press-2.crt"];
    let told = ["--owner", "lab", "--profile", "high"];
    drop(postern.run(&[&sign[..], &told].concat()).expect_code(0));
    let row = of_name(&certificates(&postern), "press-2").remove(0);
    assert_eq!(
        (&row["owner"], &row["profile"]),
        (&json!("lab"), &json!("high"))
    );
    // One that was never imported has what it always had.
    issue(&postern, "ci-runner-1");
    let row = of_name(&certificates(&postern), "ci-runner-1").remove(0);
    assert_eq!(
        (&row["profile"], &row["owner"], &row["labels"]),
        (&json!("service"), &Value::Null, &json!({}))
    );
}

#[test]
fn importing_again_changes_nothing_and_a_cell_that_says_nothing_keeps_what_is_recorded() {
    let postern = fleet();
    let again = import(&postern, FLEET, &[]).expect_code(0).json();
    assert_eq!(
        (&again["created"], &again["changed"], &again["unchanged"]),
        (&json!(0), &json!(0), &json!(3))
    );
    // A device made by its first certificate can be labelled later.
    issue(&postern, "press-9");
    let more = "name,labels\npress-1,\npress-9,site=plant-9\n";
    let done = import(&postern, more, &[]).expect_code(0).json();
    assert_eq!(
        (&done["changed"], &done["unchanged"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(show(&postern, "press-1")["labels"]["rack"], "3");
    assert_eq!(list(&postern, &["--label", "site=plant-9"]), ["press-9"]);
}

#[test]
fn bad_rows_are_named_by_their_line_and_nothing_is_taken_over_unless_asked_for() {
    let postern = Postern::with_ca();
    let bad = "\
name,owner,labels,profile
press-1,plant-1,,
\"press,2\",plant-1,,
press-3,plant-1,site,
press-4,plant-1,,none
press-5,plant-1,,server
press-6,plant-1

press-7,,,
press-8,,,
press-7,,,
";
    let refused = import(&postern, bad, &[]).expect_code(2);
    let lines = |output: &Output| {
        let refused = output.json()["refused"].as_array().expect("rows").clone();
        let lines = refused.iter().map(|row| row["line"].as_u64().expect("one"));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(lines(&refused), [3, 4, 5, 6, 7, 9, 11]);
    for told in [
        "line 3: \"press,2\"",
        "line 4: \"press-3\": \"site\" is no label",
        "line 5: \"press-4\": there is no profile \"none\"",
        "line 6: \"press-5\": profile \"server\" is for servers",
        "line 7: it has 2 cells, and the first row 4",
        "line 9: \"press-7\" stands in line 11 too",
        "nothing was taken over",
    ] {
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
    assert_eq!(list(&postern, &[]), Vec::<String>::new());
    let partly = import(&postern, bad, &["--skip-bad"]).expect_code(7);
    assert_eq!(partly.json()["created"], 2);
    assert_eq!(lines(&partly), lines(&refused));
    assert_eq!(list(&postern, &[]), ["press-1", "press-8"]);
}

#[test]
fn a_list_without_names_or_with_unknown_columns_is_refused() {
    let postern = Postern::with_ca();
    for text in [
        "",
        "owner\nplant-1\n",
        "name,site\npress-1,x\n",
        "name,name\na,b\n",
    ] {
        let refused = import(&postern, text, &[]).expect_code(2);
        assert!(
            refused.stderr.contains("name, labels, owner, profile"),
            "{}",
            refused.stderr
        );
    }
    drop(
        postern
            .run(&["device", "import", "missing.csv"])
            .expect_code(3),
    );
}

#[test]
fn ten_thousand_devices_come_from_standard_input_and_are_found_page_by_page() {
    let postern = Postern::with_ca();
    let mut command = postern.command(&["device", "import", "-", "-o", "json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().expect("it starts");
    let rows = (0..10_000).map(|number| format!("press-{number},site=plant-{}\n", number % 10));
    // As spreadsheets write it.
    let text = format!("\u{feff}name,labels\n{}", rows.collect::<String>());
    let mut input = running.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = running.wait_with_output().expect("it ends");
    let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(done["created"], 10_000, "{done}");
    let found = list(&postern, &["--label", "site=plant-3"]);
    assert_eq!(found.len(), 1000);
    assert_eq!(
        (found[0].as_str(), found[999].as_str()),
        ("press-3", "press-9993")
    );
}

#[test]
fn the_list_tells_states_and_what_ends_soon() {
    if skip_without("faketime") {
        return;
    }
    let postern = fleet();
    issue(&postern, "press-1");
    issue(&postern, "press-2");
    drop(postern.run(&["device", "revoke", "press-2"]).expect_code(0));
    assert_eq!(list(&postern, &["--state", "active"]), ["press-1"]);
    assert_eq!(list(&postern, &["--state", "revoked"]), ["press-2"]);
    assert_eq!(list(&postern, &["--state", "pending"]), ["press-3"]);
    assert_eq!(list(&postern, &["--expiring", "30d"]), Vec::<String>::new());
    assert_eq!(list(&postern, &["--expiring", "366d"]), ["press-1"]);
    let later = |args: &[&str]| {
        let args = [&["device", "list", "-o", "json"], args].concat();
        let list = Output::of(&mut under(&postern, &["faketime", "-f", "+366d"], &args));
        list.expect_code(0).json()["items"].clone()
    };
    assert_eq!(later(&["--state", "expired"])[0]["name"], "press-1");
    assert_eq!(later(&["--expiring", "30d"]), json!([]));
}

#[test]
fn a_device_shows_its_lineage_and_its_tokens() {
    let postern = equipped();
    let shown = show(&postern, "press-1");
    let (old, new) = (&shown["certificates"][0], &shown["certificates"][1]);
    assert_eq!(old["successors"], json!([new["serial"]]));
    assert_eq!(new["predecessor"], old["serial"]);
    assert_eq!(shown["renewals"][0]["serial"], new["serial"]);
    assert_eq!(shown["tokens"][0]["name"], "press-upload-prod");
    assert_eq!(shown["state"], "active");
    assert_eq!(new["labels"], old["labels"]);
    let table = postern.run(&["device", "show", "press-1"]).expect_code(0);
    let takes = format!("takes the place of {}", text(old, "serial"));
    assert!(table.stdout.contains(&takes), "{}", table.stdout);
    let missing = postern.run(&["device", "show", "press-4"]).expect_code(3);
    assert!(missing.stderr.contains("press-4"), "{}", missing.stderr);
}

/// A fleet of which `press-1` has a certificate, its successor, and a token.
fn equipped() -> Postern {
    let postern = fleet();
    issue(&postern, "press-1");
    let renew = ["cert", "renew", "press-1", "--out", "renewed"];
    drop(postern.run(&renew).expect_code(0));
    drop(token_of(&postern, "press-1", "press-upload-prod").expect_code(0));
    postern
}

const REVOKE: [&str; 5] = ["device", "revoke", "press-1", "-o", "json"];

#[test]
fn a_revoked_device_loses_every_certificate_and_token() {
    let postern = equipped();
    let would = postern.run(&[&REVOKE[..], &["--dry-run"]].concat());
    let would = would.expect_code(0).json();
    assert_eq!(show(&postern, "press-1")["state"], "active");
    let why = ["--reason", "key-compromise", "--note", "stolen"];
    let revoked = postern.run(&[&REVOKE[..], &why].concat()).expect_code(0);
    assert!(revoked.stderr.contains("lists it"), "{}", revoked.stderr);
    let revoked = revoked.json();
    assert_eq!(revoked, would, "what was announced was done");
    let one = &revoked["items"][0];
    assert_eq!(one["certificates"].as_array().expect("some").len(), 2);
    assert_eq!(one["tokens"], json!(["press-upload-prod"]));
    let shown = show(&postern, "press-1");
    assert_eq!(
        (&shown["state"], &shown["note"], &shown["revocation_reason"]),
        (
            &json!("revoked"),
            &json!("stolen"),
            &json!("key-compromise")
        )
    );
    for certificate in shown["certificates"].as_array().expect("some") {
        assert_eq!(
            (&certificate["state"], &certificate["note"]),
            (&json!("revoked"), &json!("stolen"))
        );
    }
    assert_eq!(shown["tokens"][0]["state"], "disabled");
    // Again it is no error, and says when it was.
    let again = postern.run(&REVOKE).expect_code(0);
    assert_eq!(again.json()["items"][0]["certificates"], json!([]));
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    assert_eq!(show(&postern, "press-1"), shown, "the first record stands");
}

#[test]
fn a_revoked_devices_name_is_spent_and_each_way_to_get_something_for_it_says_so() {
    let postern = equipped();
    drop(postern.run(&REVOKE).expect_code(0));
    let shown = show(&postern, "press-1");
    let key = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    openssl_csr(&postern, &key, "/CN=press-1", "new.csr");
    for way in [
        "cert issue press-1 --out again",
        "cert sign new.csr --out again.crt",
        "cert renew press-1 --out again",
        "cert renew --cert renewed/press-1.crt --out again",
        "token enable press-upload-prod",
        "token create press-more-prod --device press-1 --out more",
    ] {
        let args: Vec<_> = way.split(' ').collect();
        let refused = postern.run(&args).expect_code(5);
        assert!(
            refused.stderr.contains("\"press-1\" was revoked on")
                && refused.stderr.contains("a name of its own"),
            "{way}: {}",
            refused.stderr
        );
    }
    assert_eq!(show(&postern, "press-1"), shown);
    let listed = import(&postern, FLEET, &[]).expect_code(2);
    let told = "line 2: \"press-1\": the device of that name is revoked";
    assert!(listed.stderr.contains(told), "{}", listed.stderr);
}

#[test]
fn devices_are_revoked_by_label_and_those_without_it_are_not() {
    let postern = fleet();
    for name in ["press-1", "press-2", "press-3"] {
        issue(&postern, name);
    }
    let revoke = ["device", "revoke", "--label", "site=plant-2"];
    drop(postern.run(&revoke).expect_code(0));
    assert_eq!(
        list(&postern, &["--state", "revoked"]),
        ["press-2", "press-3"]
    );
    assert_eq!(list(&postern, &["--state", "active"]), ["press-1"]);
    let told = entries(&postern);
    let told = told.iter().filter(|entry| entry["kind"] == "revoked");
    assert_eq!(told.count(), 2);
    let none = ["device", "revoke", "--label", "site=plant-4"];
    drop(postern.run(&none).expect_code(3));
    drop(postern.run(&["device", "revoke"]).expect_code(2));
    let both = ["device", "revoke", "press-1", "--label", "site=plant-2"];
    drop(postern.run(&both).expect_code(2));
    // One unknown name, and nothing is revoked.
    let one_unknown = ["device", "revoke", "press-1", "press-4"];
    drop(postern.run(&one_unknown).expect_code(3));
    assert_eq!(list(&postern, &["--state", "active"]), ["press-1"]);
}
