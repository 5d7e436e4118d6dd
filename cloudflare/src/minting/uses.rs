//! Who names a service token: what must let go of it before it can be deleted (12139).

use crate::access::{AccessGroup, AccessPolicy, AccessRule, RuleList};
use crate::{ApiError, Client, Scope};

/// What names a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UseKind {
    /// A policy of an application.
    Policy,
    /// A policy that applications share.
    ReusablePolicy,
    /// A rule group.
    Group,
}

/// One thing that names a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenUse {
    /// What it is.
    pub kind: UseKind,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The application it belongs to: its id.
    pub app: Option<String>,
}

/// Everything that names a token, as far as the API token sees.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenUses(pub Vec<TokenUse>);

impl TokenUses {
    /// Looks through applications, reusable policies and groups.
    pub async fn find(client: &Client, scope: &Scope, token_id: &str) -> Result<Self, ApiError> {
        let mut uses = Vec::new();
        for app in client.apps(scope).await? {
            let policies = client.app_policies(scope, app.id()).await?;
            let policies = policies.iter().filter(|policy| !policy.is_reusable());
            uses.extend(
                policies.filter_map(|policy| {
                    of_policy(policy, token_id, UseKind::Policy, Some(app.id()))
                }),
            );
        }
        let reusable = client.reusable_policies(scope).await?;
        uses.extend(
            reusable
                .iter()
                .filter_map(|policy| of_policy(policy, token_id, UseKind::ReusablePolicy, None)),
        );
        let groups = client.groups(scope).await?;
        uses.extend(groups.iter().filter_map(|group| of_group(group, token_id)));
        Ok(Self(uses))
    }
}

fn of_policy(
    policy: &AccessPolicy,
    token_id: &str,
    kind: UseKind,
    app: Option<&str>,
) -> Option<TokenUse> {
    let rules = RuleList::ALL.map(|list| policy.rules(list));
    names(&rules, token_id).then(|| TokenUse {
        kind,
        id: policy.id().to_owned(),
        name: policy.name().to_owned(),
        app: app.map(str::to_owned),
    })
}

fn of_group(group: &AccessGroup, token_id: &str) -> Option<TokenUse> {
    let rules = RuleList::ALL.map(|list| group.rules(list));
    names(&rules, token_id).then(|| TokenUse {
        kind: UseKind::Group,
        id: group.id().to_owned(),
        name: group.name().to_owned(),
        app: None,
    })
}

fn names(rules: &[Vec<AccessRule>; 3], token_id: &str) -> bool {
    let wanted = AccessRule::ServiceToken(token_id.to_owned());
    rules.iter().flatten().any(|rule| *rule == wanted)
}
