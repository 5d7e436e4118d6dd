//! The policy of a token in an application: one for each of both.

use serde_json::{Value, json};

use crate::access::{AccessPolicy, AccessRule, RuleList};

/// Where the policy of a token stands among those of an application.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PolicyPlace {
    /// It is there.
    Present {
        /// Its id.
        id: String,
    },
    /// A policy of its name is there that does something else.
    Taken {
        /// Its id.
        id: String,
    },
    /// It is not there; this place is free.
    Free {
        /// After every policy that is there.
        precedence: u64,
    },
}

/// The name of the policy that admits a token: one for each token and application.
pub fn token_policy_name(token: &str) -> String {
    format!("{token} (service token)")
}

/// The policy that admits a token, and nobody else.
#[derive(Clone, Copy, Debug)]
pub struct TokenPolicy<'a> {
    /// The token's name.
    pub token: &'a str,
    /// Its id there.
    pub token_id: &'a str,
    /// What is asked beside the token.
    pub conditions: &'a Conditions,
}

/// What a policy asks beside a token.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conditions {
    require: Vec<AccessRule>,
    exclude: Vec<AccessRule>,
}

impl Conditions {
    /// Those of a policy, for another one like it; none where a rule group has part in them, which is
    /// that policy's own and may go with it.
    pub fn of(policy: &AccessPolicy) -> Option<Self> {
        let (require, exclude) = (
            policy.rules(RuleList::Require),
            policy.rules(RuleList::Exclude),
        );
        let is_group = |rule: &AccessRule| matches!(rule, AccessRule::Group(_));
        let has_groups = require.iter().chain(&exclude).any(is_group);
        (!has_groups).then_some(Self { require, exclude })
    }
}

impl TokenPolicy<'_> {
    /// The policy at this place.
    pub fn at(&self, precedence: u64) -> AccessPolicy {
        let mut policy = AccessPolicy::default();
        policy.set("name", json!(token_policy_name(self.token)));
        policy.set("decision", json!("non_identity"));
        let include = [AccessRule::ServiceToken(self.token_id.to_owned())];
        let Conditions { require, exclude } = self.conditions;
        for (list, rules) in [
            ("include", &include[..]),
            ("require", require),
            ("exclude", exclude),
        ] {
            let rules: Vec<Value> = rules.iter().map(AccessRule::to_json).collect();
            if !rules.is_empty() {
                policy.set(list, json!(rules));
            }
        }
        policy.set("precedence", json!(precedence));
        policy
    }

    /// Where it stands, or could stand, among the policies of an application.
    pub fn place(&self, policies: &[AccessPolicy]) -> PolicyPlace {
        let name = token_policy_name(self.token);
        let wanted = self.at(0);
        let same = |policy: &AccessPolicy| {
            policy.decision() == wanted.decision()
                && RuleList::ALL
                    .iter()
                    .all(|&list| policy.rules(list) == wanted.rules(list))
        };
        if let Some(policy) = policies.iter().find(|policy| policy.name() == name) {
            let id = policy.id().to_owned();
            return if same(policy) {
                PolicyPlace::Present { id }
            } else {
                PolicyPlace::Taken { id }
            };
        }
        // Service Auth is asked before Allow and Block wherever it stands, so the end will do:
        // nobody's policy has to move.
        let last = policies.iter().filter_map(AccessPolicy::precedence).max();
        PolicyPlace::Free {
            precedence: last.unwrap_or_default().saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_the_name_that_admits_somebody_else_is_taken_not_present() {
        let conditions = Conditions::default();
        let wanted = |token_id| TokenPolicy {
            token: "ci-deploy-prod",
            token_id,
            conditions: &conditions,
        };
        let mut ours = wanted("t1").at(3);
        ours.set("id", json!("p1"));
        let mut allow: AccessPolicy = AccessPolicy::default();
        allow.set("name", json!("people"));
        allow.set("precedence", json!(7));
        let place = |policies: &[AccessPolicy], id: &'static str| wanted(id).place(policies);
        let id = || String::from("p1");
        assert_eq!(
            place(&[ours.clone()], "t1"),
            PolicyPlace::Present { id: id() }
        );
        assert_eq!(
            place(&[ours.clone()], "t2"),
            PolicyPlace::Taken { id: id() }
        );
        let mut wider = ours.clone();
        wider.set("decision", json!("allow"));
        assert_eq!(place(&[wider], "t1"), PolicyPlace::Taken { id: id() });
        assert_eq!(place(&[allow], "t1"), PolicyPlace::Free { precedence: 8 });
        assert_eq!(place(&[], "t1"), PolicyPlace::Free { precedence: 1 });
    }
    #[test]
    fn the_conditions_of_a_policy_go_with_it_unless_a_rule_group_has_part_in_them() {
        let mut old = AccessPolicy::default();
        old.set("require", json!([{ "ip": { "ip": "192.0.2.0/24" } }]));
        old.set("exclude", json!([{ "geo": { "country_code": "XX" } }]));
        let conditions = Conditions::of(&old).unwrap();
        let policy = TokenPolicy {
            token: "ci-deploy-prod-v2",
            token_id: "t2",
            conditions: &conditions,
        };
        let new = policy.at(4);
        for list in [RuleList::Require, RuleList::Exclude] {
            assert_eq!(new.rules(list), old.rules(list));
        }
        let id = String::from("p");
        let mut there = new.clone();
        there.set("id", json!(id));
        assert_eq!(
            policy.place(&[there.clone()]),
            PolicyPlace::Present { id: id.clone() }
        );
        there.set("require", json!([]));
        assert_eq!(
            policy.place(&[there]),
            PolicyPlace::Taken { id },
            "it admits more"
        );
        old.set("exclude", json!([{ "group": { "id": "g" } }]));
        assert_eq!(Conditions::of(&old), None);
    }
}
