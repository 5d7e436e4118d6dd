//! Revocations: first, and never by an empty list.

use postern_cloudflare::Standing;
use serde_json::json;

use crate::support::{Site, TWO_POLICIES, kinds};

#[tokio::test]
async fn a_revoked_name_leaves_its_group_and_one_that_is_named_is_excluded() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    for name in ["device-1", "probe-1"] {
        site.clients.insert(name.to_owned(), Standing::Revoked);
    }
    let plan = site.plan().await.unwrap().taking_away();
    assert_eq!(kinds(&plan), ["update_group", "update_policy"]);
    site.converge().await;
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
    let plan = site.plan().await.unwrap().taking_away();
    assert_eq!(kinds(&plan), ["delete_policy", "delete_group"]);
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
