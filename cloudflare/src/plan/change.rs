//! One change: what is done, to what, and how it is told.

use std::collections::BTreeSet;
use std::fmt;

use postern_policy::Decision;
use serde_json::{Value, json};

use super::policies::policy_key;
use crate::access::AccessRule;
use crate::desired::DesiredAuthority;
use crate::ledger::{ObjectKind, Owned};
use crate::shown;

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// What it is about, for people.
    pub target: String,
    /// What kind of consent it needs.
    pub class: Class,
    /// What is done.
    pub action: Action,
}

/// What kind of change it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// Somebody is admitted no more: always first.
    TakesAway,
    /// Anything else of ours.
    Ordinary,
    /// A policy that is not ours gets another place.
    Reorder,
    /// What a policy decides changes.
    DecisionChange,
    /// A policy admits what only a WAF rule narrows down.
    ReliesOnWaf,
    /// A CA that may still have clients goes.
    RetiresAuthority,
    /// Only our record changes.
    Bookkeeping,
}

impl Class {
    /// The word in machine output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TakesAway => "takes_away",
            Self::Ordinary => "ordinary",
            Self::Reorder => "reorder",
            Self::DecisionChange => "decision_change",
            Self::ReliesOnWaf => "relies_on_waf",
            Self::RetiresAuthority => "retires_authority",
            Self::Bookkeeping => "bookkeeping",
        }
    }
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Records the id of what a call made whose answer never came.
    Recover(Owned),
    /// Forgets what is gone, or not ours any more.
    Forget {
        /// The record's kind.
        kind: ObjectKind,
        /// The record's key.
        key: String,
        /// Why.
        why: &'static str,
    },
    /// Uploads a CA with its hosts.
    UploadAuthority(DesiredAuthority),
    /// Sets the hosts of a CA.
    SetHostnames {
        /// The CA's id.
        id: String,
        /// All of its hosts.
        hostnames: BTreeSet<String>,
        /// What is added.
        added: Vec<String>,
        /// What is removed.
        removed: Vec<String>,
    },
    /// Clears the hosts of a CA and deletes it.
    RemoveAuthority {
        /// The record's key.
        key: String,
        /// The CA's id.
        id: String,
    },
    /// Has the edge send the client's certificate to the origin of these hosts.
    ForwardCertificates {
        /// The hosts.
        hostnames: Vec<String>,
    },
    /// Makes an application.
    CreateApp {
        /// The record's key: its name in the policy file.
        key: String,
        /// Its domain.
        domain: String,
        /// What else it answers for.
        more: Vec<String>,
        /// The fields that the file sets.
        fields: Vec<AppField>,
    },
    /// Sets one field of an application.
    SetAppField {
        /// The application's id.
        app: String,
        /// The field.
        field: AppField,
    },
    /// Makes a rule group of exact names.
    CreateGroup {
        /// Its name, and the record's key.
        name: String,
        /// Its members.
        names: BTreeSet<String>,
    },
    /// Sets the members of a rule group.
    UpdateGroup {
        /// Its name.
        name: String,
        /// Its id.
        id: String,
        /// All of its members.
        names: BTreeSet<String>,
        /// How many are added.
        added: usize,
        /// How many are removed.
        removed: usize,
        /// How many rules are removed that we did not write.
        strangers: usize,
    },
    /// Deletes a rule group.
    DeleteGroup {
        /// The record's key.
        key: String,
        /// Its id.
        id: String,
    },
    /// Makes a policy.
    CreatePolicy {
        /// The record's kind.
        kind: ObjectKind,
        /// Of which application.
        app: AppTarget,
        /// What it says.
        policy: PlannedPolicy,
    },
    /// Sets what a policy of ours says.
    UpdatePolicy {
        /// Of which application, by id.
        app: String,
        /// The policy's id.
        id: String,
        /// What it says then.
        policy: PlannedPolicy,
        /// What differs, for people.
        differences: Vec<String>,
    },
    /// Gives a policy another place: ours, or with consent another's.
    PlacePolicy {
        /// Of which application, by id.
        app: String,
        /// The policy's id.
        id: String,
        /// Where it stands.
        from: u64,
        /// Where it goes.
        to: u64,
    },
    /// Adds names to the `exclude` of a policy of ours, and changes nothing else of it.
    ExcludeNames {
        /// Of which application, by id.
        app: String,
        /// The policy's id.
        id: String,
        /// The names.
        names: BTreeSet<String>,
    },
    /// Deletes a policy of ours.
    DeletePolicy {
        /// Of which application, by id.
        app: String,
        /// The policy's id.
        id: String,
        /// The record's kind.
        kind: ObjectKind,
        /// The record's key.
        key: String,
        /// Why.
        why: &'static str,
    },
}

/// A field of an application that the policy file may set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AppField {
    /// `session_duration`, in Go's form.
    SessionDuration(String),
    /// `skip_interstitial`.
    SkipInterstitial(bool),
    /// `read_service_tokens_from_header`.
    TokenHeader(String),
}

impl AppField {
    /// The key in the document.
    pub fn key(&self) -> &'static str {
        match self {
            Self::SessionDuration(_) => "session_duration",
            Self::SkipInterstitial(_) => "skip_interstitial",
            Self::TokenHeader(_) => "read_service_tokens_from_header",
        }
    }

    /// The value in the document.
    pub fn value(&self) -> Value {
        match self {
            Self::SessionDuration(text) => json!(text),
            Self::SkipInterstitial(skip) => json!(skip),
            Self::TokenHeader(name) => json!(name),
        }
    }
}

/// An application that is there, or will be when its turn comes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AppTarget {
    /// It is there, with this id.
    Known(String),
    /// An earlier change makes it: its key in the record.
    Made(String),
}

/// A policy as it is to be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedPolicy {
    /// Its name there.
    pub name: String,
    /// What it decides.
    pub decision: Decision,
    /// One must match.
    pub include: Vec<PlannedRule>,
    /// All must match.
    pub require: Vec<PlannedRule>,
    /// None may match.
    pub exclude: Vec<PlannedRule>,
    /// Its place.
    pub precedence: u64,
}

/// A rule whose group may not be there yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PlannedRule {
    /// A rule.
    Rule(AccessRule),
    /// A rule group of ours, by its name.
    Group(String),
}

impl Change {
    /// Whether somebody is admitted no more afterwards.
    pub fn takes_away(&self) -> bool {
        self.class == Class::TakesAway
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "class": self.class.as_str(),
            "action": self.action.kind(),
            "summary": self.action.to_string(),
        })
    }

    pub(super) fn rank(&self) -> u8 {
        match &self.action {
            Action::Recover(_) => 0,
            _ if self.takes_away() && !matches!(self.action, Action::DeleteGroup { .. }) => 1,
            Action::UploadAuthority(_) => 2,
            Action::SetHostnames { .. } => 3,
            Action::ForwardCertificates { .. } => 4,
            Action::CreateApp { .. } => 5,
            Action::SetAppField { .. } => 6,
            Action::CreateGroup { .. } | Action::UpdateGroup { .. } => 7,
            Action::PlacePolicy { .. } => 8,
            Action::CreatePolicy { .. }
            | Action::UpdatePolicy { .. }
            | Action::ExcludeNames { .. } => 9,
            Action::DeletePolicy { .. } => 10,
            Action::DeleteGroup { .. } => 11,
            Action::RemoveAuthority { .. } => 12,
            Action::Forget { .. } => 13,
        }
    }

    /// Whether it makes, recovers, deletes or forgets a recorded object.
    pub(super) fn concerns(&self, owned: &Owned) -> bool {
        self.object()
            .is_some_and(|(kind, key)| kind == owned.kind && key == owned.key)
    }

    fn object(&self) -> Option<(ObjectKind, String)> {
        match &self.action {
            Action::Recover(owned) => Some((owned.kind, owned.key.clone())),
            Action::Forget { kind, key, .. } | Action::DeletePolicy { kind, key, .. } => {
                Some((*kind, key.clone()))
            }
            Action::UploadAuthority(authority) => {
                Some((ObjectKind::Certificate, authority.fingerprint.to_string()))
            }
            Action::RemoveAuthority { key, .. } => Some((ObjectKind::Certificate, key.clone())),
            Action::CreateApp { key, .. } => Some((ObjectKind::App, key.clone())),
            Action::CreateGroup { name, .. } | Action::UpdateGroup { name, .. } => {
                Some((ObjectKind::Group, name.clone()))
            }
            Action::DeleteGroup { key, .. } => Some((ObjectKind::Group, key.clone())),
            Action::CreatePolicy { kind, app, policy } => match app {
                AppTarget::Known(app) => Some((*kind, policy_key(app, &policy.name))),
                AppTarget::Made(_) => None,
            },
            Action::SetHostnames { .. }
            | Action::ForwardCertificates { .. }
            | Action::SetAppField { .. }
            | Action::UpdatePolicy { .. }
            | Action::PlacePolicy { .. }
            | Action::ExcludeNames { .. } => None,
        }
    }
}

impl Action {
    /// The word in machine output.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Recover(_) => "recover",
            Self::Forget { .. } => "forget",
            Self::UploadAuthority(_) => "upload_certificate",
            Self::SetHostnames { .. } => "set_hostnames",
            Self::RemoveAuthority { .. } => "delete_certificate",
            Self::ForwardCertificates { .. } => "forward_certificates",
            Self::CreateApp { .. } => "create_app",
            Self::SetAppField { .. } => "set_app_field",
            Self::CreateGroup { .. } => "create_group",
            Self::UpdateGroup { .. } => "update_group",
            Self::DeleteGroup { .. } => "delete_group",
            Self::CreatePolicy { .. } => "create_policy",
            Self::UpdatePolicy { .. } => "update_policy",
            Self::PlacePolicy { .. } => "place_policy",
            Self::ExcludeNames { .. } => "exclude_names",
            Self::DeletePolicy { .. } => "delete_policy",
        }
    }

    /// `+`, `~`, `-` or `=`, as a diff marks its lines.
    pub fn mark(&self) -> char {
        match self {
            Self::UploadAuthority(_)
            | Self::CreateApp { .. }
            | Self::CreateGroup { .. }
            | Self::CreatePolicy { .. } => '+',
            Self::SetHostnames { .. }
            | Self::ForwardCertificates { .. }
            | Self::SetAppField { .. }
            | Self::UpdateGroup { .. }
            | Self::UpdatePolicy { .. }
            | Self::ExcludeNames { .. }
            | Self::PlacePolicy { .. } => '~',
            Self::RemoveAuthority { .. } | Self::DeleteGroup { .. } | Self::DeletePolicy { .. } => {
                '-'
            }
            Self::Recover(_) | Self::Forget { .. } => '=',
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action.mark(), self.target, self.action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recover(_) => {
                f.write_str("made by a call whose answer never came; its id is recorded")
            }
            Self::Forget { why, .. } => write!(f, "{why}; its record is dropped"),
            Self::UploadAuthority(authority) => write!(
                f,
                "upload the chain (SHA-256 {}) for {}",
                authority.fingerprint,
                listed(&authority.hostnames)
            ),
            Self::SetHostnames { added, removed, .. } => {
                let added = added.iter().map(|host| format!("+{host}"));
                let removed = removed.iter().map(|host| format!("-{host}"));
                let hosts: Vec<String> = added.chain(removed).collect();
                write!(f, "hostnames {}", hosts.join(" "))
            }
            Self::RemoveAuthority { .. } => f.write_str(
                "clear its hostnames, then delete it: the edge knows its clients no more",
            ),
            Self::ForwardCertificates { hostnames } => {
                let hosts: BTreeSet<String> = hostnames.iter().cloned().collect();
                write!(f, "client_certificate_forwarding on for {}", listed(&hosts))
            }
            Self::CreateApp {
                domain,
                more,
                fields,
                ..
            } => {
                write!(f, "create the application for {domain}")?;
                more.iter()
                    .try_for_each(|domain| write!(f, " and {domain}"))?;
                fields.iter().try_for_each(|field| write!(f, ", {field}"))
            }
            Self::SetAppField { field, .. } => write!(f, "{field}"),
            Self::CreateGroup { names, .. } => write!(f, "create with {} names", names.len()),
            Self::UpdateGroup {
                added,
                removed,
                strangers,
                ..
            } => {
                write!(f, "+{added} -{removed} names")?;
                match strangers {
                    0 => Ok(()),
                    more => write!(f, ", and {more} rules that somebody else added go"),
                }
            }
            Self::DeleteGroup { .. } => f.write_str("delete: no policy needs it"),
            Self::CreatePolicy { policy, .. } => write!(f, "create: {policy}"),
            Self::UpdatePolicy { differences, .. } => f.write_str(&differences.join("; ")),
            Self::PlacePolicy { from, to, .. } => write!(f, "precedence {from} -> {to}"),
            Self::ExcludeNames { names, .. } => write!(f, "exclude {}", listed(names)),
            Self::DeletePolicy { why, .. } => write!(f, "delete: {why}"),
        }
    }
}

impl fmt::Display for AppField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key(), self.value())
    }
}

impl fmt::Display for PlannedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, precedence {}", self.decision, self.precedence)?;
        for (what, rules) in [
            ("include", &self.include),
            ("require", &self.require),
            ("exclude", &self.exclude),
        ] {
            if !rules.is_empty() {
                write!(f, ", {what} [{}]", shown(rules))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for PlannedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(AccessRule::CommonName(name)) => write!(f, "common_name {name}"),
            Self::Rule(AccessRule::ServiceToken(id)) => write!(f, "service_token {id}"),
            Self::Rule(AccessRule::Ip(network)) => write!(f, "ip {network}"),
            Self::Rule(AccessRule::Geo(country)) => write!(f, "geo {country}"),
            Self::Rule(rule) => f.write_str(rule.key()),
            Self::Group(name) => write!(f, "group {name:?}"),
        }
    }
}

fn listed(hosts: &BTreeSet<String>) -> String {
    hosts
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
