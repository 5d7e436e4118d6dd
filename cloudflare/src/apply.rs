//! Carries a plan out: one change after the other, each recorded, stopping at the first failure.
//!
//! What fails half-way is finished by planning and applying again: a call whose answer never came
//! was recorded as intended, and is recognised by that.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::access::{
    AccessGroup, AccessPolicy, AccessRule, App, HostnameSetting, MtlsCertificateUpdate,
    NewMtlsCertificate, RuleList,
};
use crate::client::{Client, Scope};
use crate::desired::DesiredAuthority;
use crate::error::{ApiError, ApiErrorKind};
use crate::ledger::{Ledger, ObjectKind, Owned, Recorder};
use crate::plan::{
    Action, AppField, AppTarget, Change, Plan, PlannedPolicy, PlannedRule, policy_key,
};

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// How many changes are done.
    pub done: usize,
    /// What stopped it, and which change that was.
    pub failure: Option<(Change, ApplyError)>,
}

/// Why a change failed.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// Cloudflare, or the way there.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Our own record: nothing is sent that could not be recorded.
    #[error("the record cannot be written: {0}")]
    Record(String),
    /// Success was answered, and the answer shows less than was sent.
    #[error(
        "Cloudflare reported success, and its answer shows {there} of {sent} entries of `{list}`: run it again; what was not ours among them has to be put back by hand"
    )]
    Partial {
        /// Which list.
        list: String,
        /// How many were sent.
        sent: usize,
        /// How many the answer shows.
        there: usize,
    },
    /// What the plan relied on is gone since.
    #[error("{what} is gone since the plan was made: plan again")]
    Gone {
        /// What.
        what: String,
    },
}

/// Carries plans out.
pub struct Applier<'a, R> {
    client: &'a Client,
    scope: &'a Scope,
    ledger: Ledger,
    recorder: &'a mut R,
    /// The time that intentions are recorded with, Unix seconds.
    now: u64,
}

impl<'a, R: Recorder> Applier<'a, R> {
    /// Begins with the record as it was when the plan was made.
    pub fn new(
        client: &'a Client,
        scope: &'a Scope,
        ledger: Ledger,
        recorder: &'a mut R,
        now: u64,
    ) -> Self {
        Self {
            client,
            scope,
            ledger,
            recorder,
            now,
        }
    }

    /// Does what the plan says, in its order, and stops at the first failure. `tell` hears of
    /// each change before it is made.
    pub async fn apply(&mut self, plan: &Plan, mut tell: impl FnMut(&Change)) -> Applied {
        let mut applied = Applied::default();
        for change in &plan.changes {
            tell(change);
            if let Err(error) = self.carry_out(&change.action).await {
                applied.failure = Some((change.clone(), error));
                break;
            }
            applied.done += 1;
        }
        applied
    }

    async fn carry_out(&mut self, action: &Action) -> Result<(), ApplyError> {
        match action {
            Action::Recover(owned) => self.record(owned.clone()),
            Action::Forget { kind, key, .. } => self.forget(*kind, key),
            Action::UploadAuthority(authority) => self.upload(authority).await,
            Action::SetHostnames { id, hostnames, .. } => {
                let update = MtlsCertificateUpdate {
                    name: None,
                    associated_hostnames: hostnames.iter().cloned().collect(),
                };
                let updated = self.client.update_certificate(self.scope, id, &update);
                let there = updated.await?.associated_hostnames().len();
                holds("associated_hostnames", hostnames.len(), there)
            }
            Action::RemoveAuthority { key, id } => {
                self.client.delete_mtls_ca(self.scope, id).await?;
                self.forget(ObjectKind::Certificate, key)
            }
            Action::ForwardCertificates { hostnames } => self.forward(hostnames).await,
            Action::CreateApp {
                key,
                domain,
                more,
                fields,
            } => self.create_app(key, (domain, more), fields).await,
            Action::SetAppField { app, field } => self.set_app_field(app, field).await,
            Action::CreateGroup { name, names } => self.create_group(name, names.iter()).await,
            Action::UpdateGroup {
                name, id, names, ..
            } => self.update_group(name, id, names).await,
            Action::DeleteGroup { key, id } => {
                self.client.delete_group(self.scope, id).await?;
                self.forget(ObjectKind::Group, key)
            }
            Action::CreatePolicy { kind, app, policy } => {
                self.create_policy(*kind, app, policy).await
            }
            Action::UpdatePolicy {
                app, id, policy, ..
            } => self.update_policy(app, id, policy).await,
            Action::PlacePolicy { app, id, to, .. } => {
                self.change_policy(app, id, |document| document.set("precedence", json!(to)))
                    .await
            }
            Action::ExcludeNames { app, id, names } => self.exclude(app, id, names).await,
            Action::DeletePolicy {
                app, id, kind, key, ..
            } => {
                let delete = self.client.delete_app_policy(self.scope, app, id);
                delete.await?;
                self.forget(*kind, key)
            }
        }
    }

    async fn upload(&mut self, authority: &DesiredAuthority) -> Result<(), ApplyError> {
        let key = authority.fingerprint.to_string();
        let owned = self.intend(ObjectKind::Certificate, &key, &authority.name, None)?;
        let new = NewMtlsCertificate {
            name: authority.name.clone(),
            certificate: authority.pem.clone(),
            associated_hostnames: authority.hostnames.iter().cloned().collect(),
        };
        let made = self.client.create_certificate(self.scope, &new).await;
        let made = self.made(owned, made, |certificate| certificate.id())?;
        let there = made.associated_hostnames().len();
        holds("associated_hostnames", authority.hostnames.len(), there)
    }

    /// The settings are one list for all hosts: read, merged, written whole.
    async fn forward(&self, hostnames: &[String]) -> Result<(), ApplyError> {
        let mut settings = self.client.hostname_settings(self.scope).await?;
        for hostname in hostnames {
            match settings
                .iter_mut()
                .find(|setting| setting.hostname == *hostname)
            {
                Some(setting) => setting.client_certificate_forwarding = true,
                None => settings.push(HostnameSetting::forwarding(hostname)),
            }
        }
        let put = self.client.put_hostname_settings(self.scope, &settings);
        Ok(put.await?)
    }

    async fn create_app(
        &mut self,
        key: &str,
        (domain, more): (&str, &[String]),
        fields: &[AppField],
    ) -> Result<(), ApplyError> {
        let owned = self.intend(ObjectKind::App, key, key, None)?;
        let mut app = App::self_hosted(key, domain);
        if !more.is_empty() {
            let all: Vec<&str> = std::iter::once(domain)
                .chain(more.iter().map(String::as_str))
                .collect();
            app.set("self_hosted_domains", json!(all));
        }
        for field in fields {
            app.set(field.key(), field.value());
        }
        let made = self.client.create_app(self.scope, &app).await;
        self.made(owned, made, |app| app.id())?;
        Ok(())
    }

    /// A PUT replaces everything: read, changed in one field, written.
    async fn set_app_field(&self, id: &str, field: &AppField) -> Result<(), ApplyError> {
        let app = self.client.app(self.scope, id).await?;
        let app = app.ok_or_else(|| gone("application", id))?;
        let mut update = app.for_update();
        update.set(field.key(), field.value());
        let updated = self.client.update_app(self.scope, id, &update).await?;
        hold_all(update.as_map(), updated.as_map())
    }

    async fn create_group(
        &mut self,
        name: &str,
        names: impl Iterator<Item = &String>,
    ) -> Result<(), ApplyError> {
        let owned = self.intend(ObjectKind::Group, name, name, None)?;
        let document = group(name, names);
        let made = self.client.create_group(self.scope, &document).await;
        let made = self.made(owned, made, |group| group.id())?;
        hold_all(document.as_map(), made.as_map())
    }

    /// A PUT replaces everything: what somebody excludes or requires by hand stays.
    async fn update_group(
        &self,
        name: &str,
        id: &str,
        names: &BTreeSet<String>,
    ) -> Result<(), ApplyError> {
        let there = self.client.group(self.scope, id).await?;
        let mut document = there.ok_or_else(|| gone("group", id))?.for_update();
        for (key, value) in group(name, names.iter()).as_map() {
            document.set(key, value.clone());
        }
        let updated = self.client.update_group(self.scope, id, &document).await?;
        hold_all(document.as_map(), updated.as_map())
    }

    async fn create_policy(
        &mut self,
        kind: ObjectKind,
        app: &AppTarget,
        policy: &PlannedPolicy,
    ) -> Result<(), ApplyError> {
        let app = match app {
            AppTarget::Known(id) => id.clone(),
            AppTarget::Made(key) => self.id_of(ObjectKind::App, key)?,
        };
        let mut document = AccessPolicy::default();
        self.write(&mut document, policy)?;
        document.set("precedence", json!(policy.precedence));
        let key = policy_key(&app, &policy.name);
        let owned = self.intend(kind, &key, &policy.name, Some(app.clone()))?;
        let made = self.client.create_app_policy(self.scope, &app, &document);
        let made = made.await;
        let made = self.made(owned, made, |policy| policy.id())?;
        hold_all(document.as_map(), made.as_map())
    }

    /// Everything but its place, which has changes of its own.
    async fn update_policy(
        &self,
        app: &str,
        id: &str,
        policy: &PlannedPolicy,
    ) -> Result<(), ApplyError> {
        let mut says = AccessPolicy::default();
        self.write(&mut says, policy)?;
        self.change_policy(app, id, |document| {
            for (key, value) in says.as_map() {
                document.set(key, value.clone());
            }
        })
        .await
    }

    async fn exclude(
        &self,
        app: &str,
        id: &str,
        names: &BTreeSet<String>,
    ) -> Result<(), ApplyError> {
        self.change_policy(app, id, |document| {
            let mut rules = document.rules(RuleList::Exclude);
            let names = names.iter().cloned().map(AccessRule::CommonName);
            let new: Vec<AccessRule> = names.filter(|rule| !rules.contains(rule)).collect();
            rules.extend(new);
            let rules = rules.iter().map(AccessRule::to_json).collect();
            document.set(RuleList::Exclude.key(), Value::Array(rules));
        })
        .await
    }

    async fn change_policy(
        &self,
        app: &str,
        id: &str,
        change: impl FnOnce(&mut AccessPolicy),
    ) -> Result<(), ApplyError> {
        let there = self.client.app_policy(self.scope, app, id).await?;
        let mut document = there.ok_or_else(|| gone("policy", id))?.for_update();
        change(&mut document);
        let update = self
            .client
            .update_app_policy(self.scope, app, id, &document);
        let updated = update.await?;
        hold_all(document.as_map(), updated.as_map())
    }

    fn write(&self, document: &mut AccessPolicy, policy: &PlannedPolicy) -> Result<(), ApplyError> {
        document.set("name", json!(policy.name));
        document.set("decision", json!(policy.decision.as_str()));
        document.set("include", self.rules(&policy.include)?);
        document.set("require", self.rules(&policy.require)?);
        document.set("exclude", self.rules(&policy.exclude)?);
        Ok(())
    }

    fn rules(&self, rules: &[PlannedRule]) -> Result<Value, ApplyError> {
        let written = rules.iter().map(|rule| match rule {
            PlannedRule::Rule(rule) => Ok(rule.to_json()),
            PlannedRule::Group(name) => {
                let id = self.id_of(ObjectKind::Group, name)?;
                Ok(AccessRule::Group(id).to_json())
            }
        });
        written
            .collect::<Result<Vec<Value>, ApplyError>>()
            .map(Value::Array)
    }

    fn id_of(&self, kind: ObjectKind, key: &str) -> Result<String, ApplyError> {
        let id = self
            .ledger
            .find(kind, key)
            .and_then(|owned| owned.id.clone());
        id.ok_or_else(|| gone(kind.as_str(), key))
    }

    /// Records what is about to be made: from here on it can be recognised.
    fn intend(
        &mut self,
        kind: ObjectKind,
        key: &str,
        name: &str,
        parent: Option<String>,
    ) -> Result<Owned, ApplyError> {
        let owned = Owned {
            kind,
            key: key.to_owned(),
            id: None,
            name: name.to_owned(),
            parent,
            intended_at: self.now,
        };
        self.record(owned.clone())?;
        Ok(owned)
    }

    /// Records the id; or forgets the intention where the call surely did nothing.
    fn made<T>(
        &mut self,
        owned: Owned,
        made: Result<T, ApiError>,
        id: impl Fn(&T) -> &str,
    ) -> Result<T, ApplyError> {
        match made {
            Ok(object) => {
                let id = Some(id(&object).to_owned());
                self.record(Owned { id, ..owned })?;
                Ok(object)
            }
            Err(error) => {
                if !may_have_been_made(&error.kind) {
                    self.forget(owned.kind, &owned.key)?;
                }
                Err(error.into())
            }
        }
    }

    fn record(&mut self, owned: Owned) -> Result<(), ApplyError> {
        self.recorder.record(&owned).map_err(ApplyError::Record)?;
        self.ledger.put(owned);
        Ok(())
    }

    fn forget(&mut self, kind: ObjectKind, key: &str) -> Result<(), ApplyError> {
        self.recorder
            .forget(kind, key)
            .map_err(ApplyError::Record)?;
        self.ledger.take(kind, key);
        Ok(())
    }
}

/// A conflict may be with our own object, made by a call that was cut off and sent again.
fn may_have_been_made(kind: &ApiErrorKind) -> bool {
    kind.may_have_taken_effect() || matches!(kind, ApiErrorKind::Conflict(_))
}

/// A success of which only a part is true is no success.
fn hold_all(sent: &Map<String, Value>, there: &Map<String, Value>) -> Result<(), ApplyError> {
    let lists = sent
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_array()?.len())));
    for (key, length) in lists {
        let there = there.get(key).and_then(Value::as_array).map_or(0, Vec::len);
        holds(key, length, there)?;
    }
    Ok(())
}

fn holds(list: &str, sent: usize, there: usize) -> Result<(), ApplyError> {
    if there >= sent {
        return Ok(());
    }
    let list = list.to_owned();
    Err(ApplyError::Partial { list, sent, there })
}

fn group<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> AccessGroup {
    let rules = names.map(|name| AccessRule::CommonName(name.clone()).to_json());
    let mut document = AccessGroup::default();
    document.set("name", json!(name));
    document.set("include", Value::Array(rules.collect()));
    document
}

fn gone(what: &str, which: &str) -> ApplyError {
    ApplyError::Gone {
        what: format!("{what} {which:?}"),
    }
}
