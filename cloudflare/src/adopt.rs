//! What is at Cloudflare already and would be ours by its name: taken into the record, on
//! somebody's word.

use thiserror::Error;

use crate::desired::{AppReference, Desired};
use crate::ledger::{Ledger, ObjectKind, Owned};
use crate::plan::policy_key;
use crate::remote::Remote;

/// An object that can be taken into the record.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// As it would be recorded.
    pub owned: Owned,
    /// By what it was recognised.
    pub why: &'static str,
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
pub fn adoptable(desired: &Desired, remote: &Remote, ledger: &Ledger, now: u64) -> Vec<Adoption> {
    let candidates = candidates(desired, remote, now).into_iter();
    let is_new = |adoption: &Adoption| {
        let id = adoption.owned.id.as_deref().unwrap_or_default();
        ledger.iter().all(|owned| owned.id.as_deref() != Some(id))
    };
    candidates.filter(is_new).collect()
}

/// One object by its kind and id.
///
/// # Errors
/// Where it is ours already, or nothing of ours.
pub fn adoption_of(
    desired: &Desired,
    remote: &Remote,
    ledger: &Ledger,
    (kind, id): (ObjectKind, &str),
    now: u64,
) -> Result<Adoption, AdoptError> {
    if ledger.owns(kind, id) {
        return Err(AdoptError::Ours(id.to_owned()));
    }
    let mut candidates = candidates(desired, remote, now).into_iter();
    let found = candidates
        .find(|adoption| adoption.owned.kind == kind && adoption.owned.id.as_deref() == Some(id));
    found.ok_or_else(|| AdoptError::NotWanted {
        kind: kind.as_str(),
        id: id.to_owned(),
    })
}

fn candidates(desired: &Desired, remote: &Remote, now: u64) -> Vec<Adoption> {
    let mut found = Vec::new();
    let mut add = |kind, key: String, (id, name): (&str, &str), parent, why| {
        let owned = Owned {
            kind,
            key,
            id: Some(id.to_owned()),
            name: name.to_owned(),
            parent,
            intended_at: now,
        };
        found.push(Adoption { owned, why });
    };
    for authority in &desired.authorities {
        let namesakes = remote.certificates().iter();
        for there in namesakes.filter(|there| there.name() == authority.name) {
            let key = authority.fingerprint.to_string();
            let why = "its name; that it holds this chain cannot be read back";
            add(
                ObjectKind::Certificate,
                key,
                (there.id(), there.name()),
                None,
                why,
            );
        }
    }
    for group in &remote.groups {
        let ours = GROUPS.iter().any(|prefix| group.name().starts_with(prefix));
        if ours {
            let key = group.name().to_owned();
            add(
                ObjectKind::Group,
                key,
                (group.id(), group.name()),
                None,
                "its name",
            );
        }
    }
    for application in &desired.applications {
        for app in apps(application, remote) {
            if app.name() == application.name.as_str() {
                let key = application.name.to_string();
                add(
                    ObjectKind::App,
                    key,
                    (app.id(), app.name()),
                    None,
                    "its name and domain",
                );
            }
            for policy in remote.policies.get(app.id()).into_iter().flatten() {
                let wanted = application
                    .policies
                    .iter()
                    .any(|it| it.name == policy.name());
                if wanted && !policy.is_reusable() {
                    let key = policy_key(app.id(), policy.name());
                    let parent = Some(app.id().to_owned());
                    add(
                        ObjectKind::Policy,
                        key,
                        (policy.id(), policy.name()),
                        parent,
                        "its name",
                    );
                }
            }
        }
    }
    found
}

fn apps<'r>(
    application: &'r crate::desired::DesiredApplication,
    remote: &'r Remote,
) -> Vec<&'r crate::access::App> {
    match &application.reference {
        AppReference::Id(id) => remote.apps.iter().filter(|app| app.id() == id).collect(),
        AppReference::Domain(domain) => remote.apps_for(domain).collect(),
    }
}

const GROUPS: [&str; 3] = ["postern admitted ", "postern required ", "postern revoked "];
