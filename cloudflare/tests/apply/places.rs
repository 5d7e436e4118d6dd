//! Places: ours in file order, before the others only with consent.

use postern_cloudflare::Consent;
use serde_json::{Value, json};

use crate::support::{Site, TWO_POLICIES, kinds};

fn with_people(site: &Site, places: &[u64]) -> Value {
    let app = json!({ "type": "self_hosted", "name": "x", "domain": "telemetry.example.com" });
    let app = site.emulator.as_somebody_else("POST", "access/apps", app);
    let path = format!("access/apps/{}/policies", app["id"].as_str().unwrap());
    for place in places {
        let people = json!({ "name": format!("people {place}"), "decision": "allow",
            "precedence": place, "include": [{ "email_domain": { "domain": "example.com" } }],
            "purpose_justification_required": true });
        site.emulator.as_somebody_else("POST", &path, people);
    }
    app
}

#[tokio::test]
async fn ours_take_the_next_free_numbers_and_the_people_keep_theirs() {
    let mut site = Site::populated(TWO_POLICIES);
    with_people(&site, &[1, 3]);
    let plan = site.plan().await.unwrap();
    assert_eq!(plan.withheld.len(), 2, "{:?}", plan.withheld);
    let applied = site.apply(&plan).await;
    assert!(applied.failure.is_none(), "{:?}", applied.failure);
    let places = site.policies();
    assert_eq!(places[0], (1, String::from("people 1")));
    assert_eq!(places[1], (2, String::from("factory (mTLS)")));
    assert_eq!(places[2], (3, String::from("people 3")));
    assert_eq!(places[4].0, 5);
}

#[tokio::test]
async fn with_consent_ours_come_first_and_the_people_are_moved_not_edited() {
    let mut site = Site::populated(TWO_POLICIES);
    let app = with_people(&site, &[1, 2]);
    site.consents.reorder = Consent::Given;
    site.converge().await;
    let names: Vec<String> = site.policies().into_iter().map(|(_, name)| name).collect();
    assert_eq!(names[0], "factory (mTLS)");
    assert_eq!(names[3..], ["people 1", "people 2"]);
    let path = format!("access/apps/{}/policies", app["id"].as_str().unwrap());
    for policy in site.all(&path) {
        if policy["name"].as_str().unwrap().starts_with("people") {
            assert_eq!(policy["decision"], "allow");
            assert_eq!(policy["purpose_justification_required"], true);
            assert_eq!(
                policy["include"],
                json!([{ "email_domain": { "domain": "example.com" } }])
            );
        }
    }
}

#[tokio::test]
async fn ours_change_places_when_the_file_does() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let (head, policies) =
        TWO_POLICIES.split_at(TWO_POLICIES.find("[[application.policy]]").unwrap());
    let second = policies.rfind("[[application.policy]]").unwrap();
    let (first, second) = policies.split_at(second);
    site.rewrite(&format!("{head}{second}{first}"));
    let plan = site.plan().await.unwrap();
    assert!(
        kinds(&plan).iter().all(|kind| *kind == "place_policy"),
        "{:?}",
        kinds(&plan)
    );
    site.converge().await;
    assert_eq!(site.policies()[2].1, "factory (mTLS)");
}
