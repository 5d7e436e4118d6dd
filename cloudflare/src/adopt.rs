//! What is at Cloudflare already and would be ours by its name: taken into the record, on
//! somebody's word.

use postern_policy::TokenName;
use thiserror::Error;

use crate::access::{AccessRule, App, RuleList};
use crate::desired::{AppReference, Desired, DesiredApplication, DesiredAuthority, Manager};
use crate::ledger::{Ledger, ObjectKind, Owned};
use crate::minting::token_policy_name;
use crate::plan::{Purpose, policy_key, prefix};
use crate::remote::Remote;

/// An object that can be taken into the record.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// As it would be recorded.
    pub owned: Owned,
    /// By what it was recognised.
    pub why: &'static str,
}

/// A service token that gateways know, by its name here.
#[derive(Clone, Debug)]
pub struct KnownToken {
    /// Its name.
    pub name: TokenName,
    /// What clients send as `CF-Access-Client-Id`: nobody else's token has it.
    pub client_id: String,
}

/// Why an object cannot be adopted.
#[derive(Clone, Debug, Error)]
pub enum AdoptError {
    /// It is ours already.
    #[error("{0} is ours already")]
    Ours(String),
    /// Nothing that the file asks for could be this object.
    #[error(
        "there is no {kind} {id} that postern.toml would ask for: an adopted object has the name that Postern gives it (`postern cloudflare plan` shows them)"
    )]
    NotWanted {
        /// Its kind.
        kind: &'static str,
        /// Its id.
        id: String,
    },
}

/// Everything that is wanted, there, and not recorded.
pub fn adoptable(
    desired: &Desired,
    remote: &Remote,
    ledger: &Ledger,
    tokens: &[KnownToken],
    now: u64,
) -> Vec<Adoption> {
    let candidates = candidates(desired, remote, tokens, now).into_iter();
    // Neither what is recorded already, nor one of two that have the same name.
    let is_new = |adoption: &Adoption| {
        let (kind, id, key) = (adoption.owned.kind, &adoption.owned.id, &adoption.owned.key);
        let is_known = |owned: &Owned| {
            owned.id == *id || (owned.kind == kind && owned.key == *key && owned.id.is_some())
        };
        !ledger.iter().any(is_known)
    };
    let found: Vec<Adoption> = candidates.filter(is_new).collect();
    let is_alone = |adoption: &&Adoption| {
        let (kind, key) = (adoption.owned.kind, &adoption.owned.key);
        let same = found
            .iter()
            .filter(|it| it.owned.kind == kind && it.owned.key == *key);
        same.count() == 1
    };
    found.iter().filter(is_alone).cloned().collect()
}

/// One object by its kind and id.
///
/// # Errors
/// Where it is ours already, or nothing of ours.
pub fn adoption_of(
    desired: &Desired,
    remote: &Remote,
    ledger: &Ledger,
    tokens: &[KnownToken],
    (kind, id): (ObjectKind, &str),
    now: u64,
) -> Result<Adoption, AdoptError> {
    if ledger.owns(kind, id) {
        return Err(AdoptError::Ours(id.to_owned()));
    }
    let mut candidates = candidates(desired, remote, tokens, now).into_iter();
    let found = candidates
        .find(|adoption| adoption.owned.kind == kind && adoption.owned.id.as_deref() == Some(id));
    found.ok_or_else(|| AdoptError::NotWanted {
        kind: kind.as_str(),
        id: id.to_owned(),
    })
}

fn candidates(
    desired: &Desired,
    remote: &Remote,
    tokens: &[KnownToken],
    now: u64,
) -> Vec<Adoption> {
    let mut found = certificates(desired, remote);
    found.extend(groups(desired, remote));
    found.extend(
        tokens
            .iter()
            .flat_map(|token| of_token(token, desired, remote)),
    );
    let ours = desired
        .applications
        .iter()
        .filter(|it| it.manager == Manager::Postern);
    for application in ours {
        for app in apps(application, remote) {
            found.extend(of_app(application, app, remote));
        }
    }
    for adoption in &mut found {
        adoption.owned.intended_at = now;
    }
    found
}

fn certificates(desired: &Desired, remote: &Remote) -> Vec<Adoption> {
    let of = |authority: &DesiredAuthority| -> Vec<Adoption> {
        let key = authority.fingerprint.to_string();
        let namesakes = remote.certificates().iter();
        let namesakes = namesakes.filter(|there| there.name() == authority.name);
        let why = "its name; that it holds this chain cannot be read back";
        namesakes
            .map(|it| adoption(ObjectKind::Certificate, &key, (it.id(), it.name()), why))
            .collect()
    };
    desired.authorities.iter().flat_map(of).collect()
}

/// Only those of policies of this file: another home may have groups in the same account.
fn groups(desired: &Desired, remote: &Remote) -> Vec<Adoption> {
    let policies = desired.applications.iter().flat_map(|it| &it.policies);
    let prefixes: Vec<String> = policies
        .flat_map(|policy| Purpose::ALL.map(|purpose| prefix(policy, purpose) + " #"))
        .collect();
    let is_ours = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let groups = remote.groups.iter().filter(|group| is_ours(group.name()));
    groups
        .map(|it| {
            adoption(
                ObjectKind::Group,
                it.name(),
                (it.id(), it.name()),
                "its name",
            )
        })
        .collect()
}

/// A token that has the client id of one of ours, and the policies that came with it.
fn of_token(token: &KnownToken, desired: &Desired, remote: &Remote) -> Vec<Adoption> {
    let mut tokens = remote.tokens.iter();
    let Some(there) = tokens.find(|there| there.client_id() == token.client_id) else {
        return Vec::new();
    };
    let key = token.name.as_str();
    let place = (there.id(), there.name());
    let mut found = vec![adoption(
        ObjectKind::ServiceToken,
        key,
        place,
        "its client id",
    )];
    let name = token_policy_name(key);
    let rule = AccessRule::ServiceToken(there.id().to_owned());
    let by_file = |name: &str| {
        let mut policies = desired.applications.iter().flat_map(|it| &it.policies);
        policies.any(|policy| policy.name == name)
    };
    for (app, policies) in remote.policies.iter().filter(|_| !by_file(&name)) {
        let named = policies.iter().filter(|policy| policy.name() == name);
        for policy in named.filter(|it| it.rules(RuleList::Include) == [rule.clone()]) {
            let key = policy_key(app, &name);
            let place = (policy.id(), policy.name());
            let mut it = adoption(ObjectKind::TokenPolicy, &key, place, "its token");
            it.owned.parent = Some(app.clone());
            found.push(it);
        }
    }
    found
}

fn of_app(application: &DesiredApplication, app: &App, remote: &Remote) -> Vec<Adoption> {
    let mut found = Vec::new();
    if app.name() == application.name.as_str() {
        let why = "its name and domain";
        let key = application.name.as_str();
        found.push(adoption(ObjectKind::App, key, (app.id(), app.name()), why));
    }
    for policy in remote.policies.get(app.id()).into_iter().flatten() {
        let is_wanted = application
            .policies
            .iter()
            .any(|it| it.name == policy.name());
        if is_wanted && !policy.is_reusable() {
            let key = policy_key(app.id(), policy.name());
            let mut it = adoption(
                ObjectKind::Policy,
                &key,
                (policy.id(), policy.name()),
                "its name",
            );
            it.owned.parent = Some(app.id().to_owned());
            found.push(it);
        }
    }
    found
}

fn adoption(kind: ObjectKind, key: &str, (id, name): (&str, &str), why: &'static str) -> Adoption {
    let owned = Owned {
        kind,
        key: key.to_owned(),
        id: Some(id.to_owned()),
        name: name.to_owned(),
        parent: None,
        intended_at: 0,
    };
    Adoption { owned, why }
}

fn apps<'r>(application: &'r DesiredApplication, remote: &'r Remote) -> Vec<&'r App> {
    match &application.reference {
        AppReference::Id(id) => remote.apps.iter().filter(|app| app.id() == id).collect(),
        AppReference::Domain(domain) => remote.apps_for(domain).collect(),
    }
}
