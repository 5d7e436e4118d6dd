use super::*;
use crate::access::{AccessGroup, ServiceToken};

#[test]
fn every_resource_has_an_import_block_and_no_secret() {
    let group: AccessGroup = serde_json::from_value(json!({
        "id": "aaaaaaaa-1", "name": "postern admitted a/b #1",
        "include": [{ "common_name": { "common_name": "x${y}" } }], "exclude": [],
    }))
    .unwrap();
    let token: ServiceToken = serde_json::from_value(json!({
        "id": "bbbbbbbb-2", "name": "ci-deploy-prod", "duration": "2160h", "client_id": "c.access",
    }))
    .unwrap();
    let owned = |kind, key: &str, id: &str| Owned {
        kind,
        key: key.to_owned(),
        id: Some(id.to_owned()),
        name: key.to_owned(),
        parent: None,
        intended_at: 0,
    };
    let ledger = Ledger::new(vec![
        owned(ObjectKind::Group, "postern admitted a/b #1", "aaaaaaaa-1"),
        owned(ObjectKind::ServiceToken, "ci-deploy-prod", "bbbbbbbb-2"),
    ]);
    let remote = Remote {
        groups: vec![group],
        tokens: vec![token],
        ..Remote::default()
    };
    let text = export("acc", &Desired::default(), &remote, &ledger);
    let expected = r#"
import {
  to = cloudflare_zero_trust_access_group.postern_admitted_a_b__1_aaaaaaaa
  id = "accounts/acc/aaaaaaaa-1"
}

resource "cloudflare_zero_trust_access_group" "postern_admitted_a_b__1_aaaaaaaa" {
  account_id = "acc"
  include = [
    {
      common_name = {
        common_name = "x$${y}"
      }
    },
  ]
  name = "postern admitted a/b #1"
}
"#;
    assert!(text.contains(expected), "{text}");
    assert_eq!(text.matches("import {").count(), 2);
    assert!(!text.contains("secret ="), "{text}");
}
