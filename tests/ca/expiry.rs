//! `expiry`: what ends, and the exit code that timers look at.

use postern_tests::{Output, Postern, skip_without};

use crate::support::under;

fn due(postern: &Postern, within: &str, offset: &str) -> (Option<i32>, Vec<String>) {
    let args = ["expiry", "check", "--within", within, "-o", "json"];
    let output = Output::of(&mut under(postern, &["faketime", "-f", offset], &args));
    let items = output.json()["items"].as_array().expect("items").clone();
    let name =
        |item: &serde_json::Value| format!("{} {}", item["kind"], item["name"]).replace('"', "");
    (output.code, items.iter().map(name).collect())
}

#[test]
fn expiry_check_is_10_when_something_is_due_and_0_otherwise() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    for args in [
        &["cert", "issue", "a", "--out", "."][..],
        &["cert", "issue", "b", "--profile", "high", "--out", "."],
        &[
            "token",
            "create",
            "ci-a-test",
            "--class",
            "ci",
            "--out",
            "token",
        ],
    ] {
        postern.run(args).expect_code(0);
    }
    assert_eq!(due(&postern, "30d", "+0"), (Some(0), Vec::new()));
    let (code, names) = due(&postern, "100d", "+0");
    assert_eq!(code, Some(10));
    let publisher = "publisher Postern journal publisher";
    for name in ["certificate b", "token ci-a-test", publisher] {
        assert!(names.iter().any(|is| is == name), "{name} in {names:?}");
    }
    assert!(!names.iter().any(|is| is == "certificate a"), "{names:?}");
    // A CRL is due when half of its life is over.
    let (code, names) = due(&postern, "1d", "+4d");
    assert_eq!(code, Some(10));
    assert!(
        names.iter().all(|name| name.starts_with("crl ")),
        "{names:?}"
    );
    assert_eq!(names.len(), 2, "{names:?}");
    postern.run(&["cert", "revoke", "b"]).expect_code(0);
    let (_, names) = due(&postern, "100d", "+0");
    assert!(
        !names.iter().any(|is| is == "certificate b"),
        "revoked is not due: {names:?}"
    );
}

#[test]
fn expiry_list_is_soonest_first_and_holds_crls_and_issuers() {
    let postern = Postern::with_ca();
    let listing = postern
        .run(&["expiry", "list", "-o", "json"])
        .expect_code(0)
        .json();
    let items = listing["items"].as_array().expect("items");
    let ends: Vec<_> = items
        .iter()
        .map(|item| item["not_after"].as_str())
        .collect();
    assert!(ends.is_sorted(), "{ends:?}");
    for kind in ["crl", "issuer", "publisher"] {
        assert!(items.iter().any(|item| item["kind"] == kind), "{kind}");
    }
    let narrow = postern
        .run(&["expiry", "list", "--within", "1d", "-o", "json"])
        .expect_code(0);
    assert_eq!(narrow.json()["items"], serde_json::json!([]));
}

#[test]
fn cert_list_filters_by_name_state_and_end() {
    let postern = Postern::with_ca();
    for args in [
        &["cert", "issue", "a", "--out", "."][..],
        &["cert", "issue", "b", "--profile", "high", "--out", "."],
        &["cert", "revoke", "b"],
    ] {
        postern.run(args).expect_code(0);
    }
    let names = |filter: &[&str]| {
        let args = [&["cert", "list", "-o", "json"], filter].concat();
        let listing = postern.run(&args).expect_code(0).json();
        let items = listing["items"].as_array().expect("items").clone();
        let names = items.iter().filter_map(|item| item["common_name"].as_str());
        names.filter(|name| name.len() == 1).collect::<String>()
    };
    assert_eq!(names(&[]), "ab");
    assert_eq!(names(&["--name", "a"]), "a");
    assert_eq!(names(&["--name", "A"]), "");
    assert_eq!(names(&["--state", "revoked"]), "b");
    assert_eq!(names(&["--state", "valid"]), "a");
    assert_eq!(names(&["--within", "91d"]), "b");
}
