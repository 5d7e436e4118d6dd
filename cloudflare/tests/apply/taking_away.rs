//! Revocations: first, and never by an empty list.

use postern_cloudflare::Standing;
use postern_fixtures::access::{At, Effect, Fault};
use serde_json::json;

use crate::support::{Site, TWO_POLICIES, kinds};

#[tokio::test]
async fn a_revoked_name_leaves_its_group_and_one_that_is_named_is_excluded() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    for name in ["device-1", "probe-1"] {
        site.clients.insert(name.to_owned(), Standing::Revoked);
    }
    let plan = site.close(&["device-1", "probe-1"]).await;
    assert_eq!(kinds(&plan), ["update_group", "exclude_names"]);
    site.assert_settled().await;
    let groups = site.all("access/groups");
    assert_eq!(
        groups[0]["include"],
        json!([{ "common_name": { "common_name": "device-2" } }])
    );
    let policies = site.all(&format!("access/apps/{}/policies", site.app_id()));
    let probes = policies
        .iter()
        .find(|policy| policy["name"] == "probes (mTLS)")
        .unwrap();
    assert_eq!(
        probes["exclude"],
        json!([{ "common_name": { "common_name": "probe-1" } }])
    );
}

#[tokio::test]
async fn when_the_last_name_goes_so_does_the_policy() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    for name in ["device-1", "device-2"] {
        site.clients.insert(name.to_owned(), Standing::Revoked);
    }
    let plan = site.close(&["device-1", "device-2"]).await;
    assert_eq!(
        kinds(&plan),
        ["exclude_names"],
        "a group of nobody cannot be"
    );
    let plan = site.plan().await.unwrap();
    assert_eq!(
        (kinds(&plan)[0], *kinds(&plan).last().unwrap()),
        ("delete_policy", "delete_group")
    );
    site.converge().await;
    assert_eq!(site.all("access/groups"), Vec::<serde_json::Value>::new());
    assert!(
        site.policies()
            .iter()
            .all(|(_, name)| name != "factory (mTLS)")
    );
}

#[tokio::test]
async fn a_revocation_comes_before_everything_else_in_a_plan() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    site.clients
        .insert(String::from("probe-1"), Standing::Revoked);
    site.chains = vec![
        crate::support::chain(&postern_fixtures::TestPki::new()),
        site.chains[0].clone(),
    ];
    let plan = site.plan().await.unwrap();
    assert_eq!(kinds(&plan)[0], "update_policy", "{:?}", kinds(&plan));
}

#[tokio::test]
async fn a_policy_that_left_the_file_is_deleted_and_the_others_close_up() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let only = &TWO_POLICIES[..TWO_POLICIES.rfind("[[application.policy]]").unwrap()];
    site.rewrite(only);
    site.converge().await;
    assert_eq!(site.policies(), [(1, String::from("factory (mTLS)"))]);
}

#[tokio::test]
async fn closing_waits_for_nothing_else_not_for_the_hundredth_name_nor_for_one_that_ended() {
    let mut site = Site::populated(&TWO_POLICIES.replace(
        "include = [{ common_name = \"probe-1\" }, { service_token = \"ci-deploy-prod\" }]",
        "include = [{ certificate = {} }]",
    ));
    for number in 0..100 {
        site.clients
            .insert(format!("old-{number}"), Standing::Revoked);
    }
    site.converge().await;
    site.clients.insert(String::from("old-7"), Standing::Ended);
    site.clients
        .insert(String::from("probe-1"), Standing::Revoked);
    site.clients
        .insert(String::from("device-1"), Standing::Revoked);
    let plan = site.close(&["probe-1", "device-1"]).await;
    assert_eq!(kinds(&plan), ["update_group", "exclude_names"]);
    assert_eq!(
        kinds(&site.close(&["probe-1", "device-1"]).await),
        Vec::<&str>::new()
    );
    // The policy has 102 exclusions now: the next plan brings them into a group.
    site.converge().await;
}

#[tokio::test]
async fn a_certificate_that_is_only_required_is_closed_too() {
    let mut site = Site::populated(&TWO_POLICIES.replace(
        "include = [{ common_name = \"probe-1\" }, { service_token = \"ci-deploy-prod\" }]",
        "include = [{ service_token = \"ci-deploy-prod\" }]\nrequire = [{ certificate = {} }]",
    ));
    site.converge().await;
    site.clients
        .insert(String::from("probe-1"), Standing::Revoked);
    assert_eq!(kinds(&site.close(&["probe-1"]).await), ["exclude_names"]);
    site.assert_settled().await;
}

#[tokio::test]
async fn what_a_lost_call_made_and_nobody_wants_any_more_is_found_and_deleted() {
    let mut site = Site::populated(TWO_POLICIES);
    let cut = Effect::Cut { at: At::After };
    site.emulator
        .inject(Fault::on("POST", "*/access/groups", cut));
    let plan = site.plan().await.unwrap();
    assert!(site.apply(&plan).await.failure.is_some());
    let first = TWO_POLICIES.find("[[application.policy]]").unwrap();
    let second = TWO_POLICIES.rfind("[[application.policy]]").unwrap();
    site.rewrite(&format!(
        "{}{}",
        &TWO_POLICIES[..first],
        &TWO_POLICIES[second..]
    ));
    let plan = site.plan().await.unwrap();
    assert!(kinds(&plan).contains(&"recover"), "{:?}", kinds(&plan));
    assert!(site.apply(&plan).await.failure.is_none());
    site.converge().await;
    assert_eq!(site.all("access/groups"), Vec::<serde_json::Value>::new());
}
