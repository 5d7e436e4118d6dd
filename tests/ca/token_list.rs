//! `token list`: which tokens nobody uses, and which are due for rotation.

use std::fs;

use postern_tests::{Output, Postern, skip_without};
use serde_json::{Value, json};

use crate::support::{text, under};

fn create(postern: &Postern, name: &str) -> String {
    let args = [
        "token", "create", name, "--class", "ci", "--out", name, "-o", "json",
    ];
    let made = postern.run(&args).expect_code(0).json();
    text(&made, "client_id").to_owned()
}

/// `token list` as it will be in so many days.
fn list(postern: &Postern, days: u32, args: &[&str]) -> (Vec<Value>, String) {
    let offset = format!("+{days}d");
    let args = [&["token", "list", "-o", "json"], args].concat();
    let output = Output::of(&mut under(postern, &["faketime", "-f", &offset], &args));
    let output = output.expect_code(0);
    let items = output.json()["items"].as_array().expect("items").clone();
    (items, output.stderr)
}

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| text(item, "name")).collect()
}

/// An event of a permitted request as long after now as coreutils' `date` says.
fn event(postern: &Postern, client_id: &str, when: &str) -> String {
    let date = postern.tool("date", &["-u", "-d", when, "+%Y-%m-%dT%H:%M:%SZ"]);
    let time = date.expect_code(0).stdout.trim().to_owned();
    let event = json!({
        "time": time, "event": "request", "decision": "permit", "client_id": client_id,
    });
    format!("{event}\n")
}

#[test]
fn unused_is_what_is_old_enough_and_was_let_in_nowhere_in_that_time() {
    if skip_without("faketime") || skip_without("date") {
        return;
    }
    let postern = Postern::with_ca();
    let (used, quiet) = (
        create(&postern, "ci-used-prod"),
        create(&postern, "ci-quiet-prod"),
    );
    create(&postern, "ci-never-prod");
    let lines = [
        event(&postern, &quiet, "now + 1 day"),
        event(&postern, &used, "now + 35 days"),
    ];
    fs::write(postern.path("events"), lines.concat()).expect("a file");
    let unused = ["--unused", "30d", "--events", "events"];
    let (items, told) = list(&postern, 40, &unused);
    assert_eq!(names(&items), ["ci-never-prod", "ci-quiet-prod"]);
    assert_eq!(items[0]["last_seen_at"], Value::Null);
    assert!(text(&items[1], "last_seen_at").ends_with('Z'));
    assert_eq!(told, "");
    // A token of yesterday is not unused for a month.
    assert_eq!(list(&postern, 1, &unused).0, Vec::<Value>::new());
    // Events that begin later prove less, and that is said.
    fs::write(postern.path("events"), &lines[1]).expect("a file");
    let (items, told) = list(&postern, 40, &unused);
    assert_eq!(names(&items), ["ci-never-prod", "ci-quiet-prod"]);
    assert!(told.starts_with("The events begin at "), "{told}");
}

#[test]
fn a_token_is_due_for_rotation_at_two_thirds_of_its_classs_life() {
    if skip_without("faketime") {
        return;
    }
    let postern = Postern::with_ca();
    create(&postern, "ci-deploy-prod");
    let due = |days: u32| {
        let offset = format!("+{days}d");
        let args = ["expiry", "check", "--within", "1d", "-o", "json"];
        let output = Output::of(&mut under(&postern, &["faketime", "-f", &offset], &args));
        let items = output.json()["items"].as_array().expect("items").clone();
        let is_rotation = |item: &&Value| item["kind"] == "rotation";
        let rotations: Vec<_> = items.iter().filter(is_rotation).cloned().collect();
        rotations
    };
    assert_eq!(due(59), Vec::<Value>::new());
    let overdue = due(61);
    assert_eq!(names(&overdue), ["ci-deploy-prod"]);
    assert_eq!(
        (&overdue[0]["class"], &overdue[0]["due"]),
        (&json!("ci"), &json!(true))
    );
    let (items, _) = list(&postern, 0, &[]);
    assert_eq!(items[0]["rotation_due_at"], overdue[0]["not_after"]);
    assert_eq!(items[0]["at"], "gateway");
    drop(
        postern
            .run(&["token", "disable", "ci-deploy-prod"])
            .expect_code(0),
    );
    assert_eq!(
        due(61),
        Vec::<Value>::new(),
        "nobody rotates what is refused"
    );
}
