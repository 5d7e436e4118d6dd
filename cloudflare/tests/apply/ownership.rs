//! What is not ours stays as it is.

use postern_cloudflare::{Consent, ObjectKind};
use serde_json::json;

use crate::support::{Site, TWO_POLICIES, chain, kinds, lines};

#[tokio::test]
async fn an_empty_account_gets_everything_once_and_the_second_plan_is_empty() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    assert_eq!(
        site.policies(),
        [
            (1, String::from("factory (mTLS)")),
            (2, String::from("probes (mTLS)")),
            (3, String::from("ci-deploy-prod (service token)")),
        ]
    );
    let groups = site.all("access/groups");
    assert_eq!(groups.len(), 1);
    assert_eq!(
        groups[0]["include"],
        json!([
            { "common_name": { "common_name": "device-1" } },
            { "common_name": { "common_name": "device-2" } },
        ])
    );
    let app = &site.all("access/apps")[0];
    assert_eq!(
        (&app["session_duration"], &app["skip_interstitial"]),
        (&json!("24h"), &json!(true))
    );
    let ca = &site.all("access/certificates")[0];
    assert_eq!(ca["associated_hostnames"], json!(["telemetry.example.com"]));
}

#[tokio::test]
async fn the_header_that_may_carry_a_whole_token_is_set_where_the_file_says() {
    let name = "name = \"telemetry\"\n";
    let file = TWO_POLICIES.replacen(
        name,
        &format!("{name}token_header = \"Authorization\"\n"),
        1,
    );
    assert_ne!(file, TWO_POLICIES);
    let mut site = Site::populated(&file);
    site.converge().await;
    let header =
        |site: &Site| site.all("access/apps")[0]["read_service_tokens_from_header"].clone();
    assert_eq!(header(&site), json!("authorization"));
    // What the file does not say is left alone.
    site.rewrite(TWO_POLICIES);
    site.converge().await;
    assert_eq!(header(&site), json!("authorization"));
}

#[tokio::test]
async fn no_pattern_is_ever_sent_as_a_common_name() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let sent = site.emulator.exchanges();
    let all: String = sent.iter().map(|call| call.request.to_string()).collect();
    assert!(!all.contains("[0-9]"), "{all}");
}

#[tokio::test]
async fn an_object_of_our_name_that_is_not_ours_stops_everything_before_any_write() {
    let site = Site::populated(TWO_POLICIES);
    let app = site.emulator.as_somebody_else(
        "POST",
        "access/apps",
        json!({ "type": "self_hosted", "name": "x", "domain": "telemetry.example.com" }),
    );
    let path = format!("access/apps/{}/policies", app["id"].as_str().unwrap());
    let theirs = json!({ "name": "factory (mTLS)", "decision": "non_identity", "precedence": 1,
        "include": [{ "common_name": { "common_name": "theirs" } }] });
    site.emulator.as_somebody_else("POST", &path, theirs);
    let plan = site.plan().await.unwrap();
    let conflict = &plan.conflicts[0];
    assert!(conflict.why.contains("adopt"), "{conflict:?}");
    assert!(
        conflict.remedy.contains("cloudflare adopt policy"),
        "{conflict:?}"
    );
}

#[tokio::test]
async fn an_application_found_by_its_domain_keeps_every_field_that_the_file_does_not_name() {
    let mut site = Site::populated(TWO_POLICIES);
    let app = json!({ "type": "self_hosted", "name": "Telemetry", "domain": "telemetry.example.com",
        "session_duration": "8h", "custom_deny_message": "go away", "tags": ["prod"] });
    site.emulator.as_somebody_else("POST", "access/apps", app);
    site.converge().await;
    let apps = site.all("access/apps");
    assert_eq!(apps.len(), 1);
    assert_eq!(apps[0]["name"], "Telemetry");
    assert_eq!(apps[0]["custom_deny_message"], "go away");
    assert_eq!(apps[0]["tags"], json!(["prod"]));
    assert_eq!(apps[0]["session_duration"], "24h");
    assert_eq!(site.policies().len(), 3);
}

#[tokio::test]
async fn what_a_list_hides_is_asked_for_by_its_id_and_not_made_again() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    for group in site.all("access/groups") {
        site.emulator.hide_from_lists(group["id"].as_str().unwrap());
    }
    site.assert_settled().await;
}

#[tokio::test]
async fn what_somebody_deleted_is_made_again() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let app = site.app_id();
    let policies = site.all(&format!("access/apps/{app}/policies"));
    let path = format!(
        "access/apps/{app}/policies/{}",
        policies[0]["id"].as_str().unwrap()
    );
    site.emulator
        .as_somebody_else("DELETE", &path, serde_json::Value::Null);
    let plan = site.plan().await.unwrap();
    assert_eq!(kinds(&plan), ["create_policy"]);
    site.converge().await;
}

#[tokio::test]
async fn a_policy_of_ours_that_says_allow_is_repaired_only_with_consent() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let app = site.app_id();
    let mut policy = site.all(&format!("access/apps/{app}/policies"))[0].clone();
    let path = format!(
        "access/apps/{app}/policies/{}",
        policy["id"].as_str().unwrap()
    );
    policy["decision"] = json!("allow");
    site.emulator.as_somebody_else("PUT", &path, policy);
    let plan = site.plan().await.unwrap();
    assert!(plan.changes.is_empty(), "{:?}", lines(&plan));
    assert!(
        lines(&plan)[0].contains("decision allow -> non_identity"),
        "{:?}",
        lines(&plan)
    );
    site.consents.decision_change = Consent::Given;
    site.converge().await;
}

#[tokio::test]
async fn an_application_that_terraform_manages_is_reported_and_never_written() {
    let file = TWO_POLICIES.replace("skip_interstitial = true", "managed_by = \"terraform\"");
    let mut site = Site::populated(&file);
    let app = json!({ "type": "self_hosted", "name": "x", "domain": "telemetry.example.com" });
    site.emulator.as_somebody_else("POST", "access/apps", app);
    let plan = site.plan().await.unwrap();
    let reported: Vec<&str> = plan.reported.iter().map(|it| it.action.kind()).collect();
    assert!(reported.contains(&"create_policy"), "{reported:?}");
    let applied = site.apply(&plan).await;
    assert!(applied.failure.is_none());
    assert_eq!(site.policies(), []);
}

#[tokio::test]
async fn a_new_intermediate_is_a_new_object_and_the_old_one_goes_when_nobody_is_left() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let old = site.chains.clone();
    let new = chain(&postern_fixtures::TestPki::new());
    site.chains = vec![new.clone(), old[0].clone()];
    // The name that the old one has is the new one's now: told, not guessed.
    let plan = site.plan().await.unwrap();
    assert_eq!(plan.conflicts, []);
    site.converge().await;
    assert_eq!(site.all("access/certificates").len(), 2);
    site.chains = vec![new];
    let plan = site.plan().await.unwrap();
    assert_eq!(
        kinds(&plan),
        Vec::<&str>::new(),
        "not before somebody says that they have moved"
    );
    site.consents.retire_authority = Consent::Given;
    let plan = site.plan().await.unwrap();
    assert_eq!(kinds(&plan), ["delete_certificate"]);
    site.converge().await;
    assert_eq!(site.all("access/certificates").len(), 1);
    let recorded = site
        .record
        .0
        .iter()
        .filter(|it| it.kind == ObjectKind::Certificate);
    assert_eq!(recorded.count(), 1);
}

#[tokio::test]
async fn without_mtls_in_the_account_the_plan_says_so_and_names_what_works() {
    let options = postern_fixtures::access::Options {
        plan: postern_fixtures::access::Plan::Free,
        ..postern_fixtures::access::Options::default()
    };
    let site = Site::with(TWO_POLICIES, options);
    let plan = site.plan().await.unwrap();
    let conflict = &plan.conflicts[0];
    assert!(
        conflict.remedy.contains("service tokens at the edge"),
        "{conflict:?}"
    );
    assert!(conflict.remedy.contains("DNS-only"), "{conflict:?}");
}

#[tokio::test]
async fn an_application_handed_to_terraform_is_ours_no_more_whatever_becomes_of_the_file() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let before = site.policies();
    site.rewrite(&TWO_POLICIES.replace("skip_interstitial = true", "managed_by = \"terraform\""));
    let plan = site.plan().await.unwrap();
    assert!(
        kinds(&plan).iter().all(|kind| *kind == "forget"),
        "{:?}",
        kinds(&plan)
    );
    site.converge().await;
    assert_eq!(site.close(&["device-1", "probe-1"]).await.changes.len(), 0);
    let second = TWO_POLICIES.rfind("[[application.policy]]").unwrap();
    let elsewhere = TWO_POLICIES[..second].replace("telemetry", "other");
    site.rewrite(&elsewhere);
    site.converge().await;
    assert_eq!(site.all("access/groups").len(), 2);
    let app = site
        .all("access/apps")
        .into_iter()
        .find(|app| app["name"] == "telemetry")
        .unwrap();
    let path = format!("access/apps/{}/policies", app["id"].as_str().unwrap());
    assert_eq!(site.all(&path).len(), before.len());
}

#[tokio::test]
async fn a_policy_that_came_with_its_token_is_made_again_as_the_tokens() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let token = "ci-deploy-prod (service token)";
    for owned in site.record.0.iter_mut().filter(|owned| owned.name == token) {
        owned.kind = ObjectKind::TokenPolicy;
    }
    let app = site.app_id();
    let path = format!("access/apps/{app}/policies");
    let policy = site
        .all(&path)
        .into_iter()
        .find(|it| it["name"] == token)
        .unwrap();
    let path = format!("{path}/{}", policy["id"].as_str().unwrap());
    site.emulator
        .as_somebody_else("DELETE", &path, serde_json::Value::Null);
    site.converge().await;
    let kinds: Vec<ObjectKind> = site
        .record
        .0
        .iter()
        .filter(|it| it.name == token)
        .map(|it| it.kind)
        .collect();
    assert_eq!(kinds, [ObjectKind::TokenPolicy]);
}

#[tokio::test]
async fn two_applications_of_the_file_never_share_one_of_access() {
    let (head, policies) =
        TWO_POLICIES.split_at(TWO_POLICIES.find("[[application.policy]]").unwrap());
    let admin = head[head.find("[[application]]").unwrap()..]
        .replace("name = \"telemetry\"", "name = \"admin\"")
        .replace("upstream", "paths = [\"/admin\"]\nupstream");
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    site.rewrite(&format!("{head}{policies}{admin}{policies}"));
    let plan = site.plan().await.unwrap();
    assert!(
        plan.conflicts[0].why.contains("would admit to both"),
        "{:?}",
        plan.conflicts
    );
}

#[tokio::test]
async fn an_application_that_moved_to_another_domain_is_not_taken_for_the_old_one() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    site.rewrite(&TWO_POLICIES.replace("telemetry.example.com", "moved.example.com"));
    let plan = site.plan().await.unwrap();
    assert!(
        plan.conflicts[0]
            .why
            .contains("the file names moved.example.com"),
        "{:?}",
        plan.conflicts
    );
}

#[tokio::test]
async fn what_somebody_excludes_from_a_group_of_ours_stays_excluded() {
    let mut site = Site::populated(TWO_POLICIES);
    site.converge().await;
    let mut group = site.all("access/groups")[0].clone();
    let path = format!("access/groups/{}", group["id"].as_str().unwrap());
    group["exclude"] = json!([{ "common_name": { "common_name": "device-1" } }]);
    site.emulator.as_somebody_else("PUT", &path, group);
    site.clients
        .insert(String::from("device-3"), postern_cloudflare::Standing::Live);
    site.converge().await;
    let group = &site.all("access/groups")[0];
    assert_eq!(group["include"].as_array().unwrap().len(), 3);
    assert_eq!(group["exclude"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn hosts_that_access_does_not_know_are_named() {
    let file = TWO_POLICIES.replace(
        "hosts = [\"telemetry.example.com\"]",
        "hosts = [\"telemetry.example.com\", \"second.example.com\"]",
    );
    let site = Site::populated(&file);
    let app = json!({ "type": "self_hosted", "name": "x", "domain": "telemetry.example.com" });
    site.emulator.as_somebody_else("POST", "access/apps", app);
    let plan = site.plan().await.unwrap();
    assert!(
        plan.remarks
            .iter()
            .any(|it| it.contains("does not answer for second.example.com"))
    );
}

#[tokio::test]
async fn a_dedicated_ca_is_not_shared_with_a_ca_of_somebody_else() {
    let file = TWO_POLICIES.replace("edge = \"expand\"", "edge = \"dedicated-ca\"");
    let site = Site::populated(&file);
    let pem = postern_fixtures::TestPki::new().root().pem();
    let theirs = json!({ "name": "theirs", "certificate": pem, "associated_hostnames": ["telemetry.example.com"] });
    site.emulator
        .as_somebody_else("POST", "access/certificates", theirs);
    let plan = site.plan().await.unwrap();
    assert!(
        plan.conflicts[0].why.contains("dedicated-ca"),
        "{:?}",
        plan.conflicts
    );
}
