//! What Access holds now, as far as the plan looks at it.

use std::collections::{BTreeMap, BTreeSet};

use crate::access::{
    AccessGroup, AccessPolicy, App, HostnameSetting, MtlsCertificate, ServiceToken,
};
use crate::client::{Client, Scope};
use crate::desired::{AppReference, Desired};
use crate::doctor::{MtlsAvailability, mtls_availability};
use crate::error::{ApiError, ApiErrorKind};
use crate::ledger::{Ledger, ObjectKind, Owned};

/// What Access holds.
#[derive(Clone, Debug, Default)]
pub struct Remote {
    /// The uploaded CAs, or why there can be none.
    pub mtls: Mtls,
    /// Every application that the API token can see.
    pub apps: Vec<App>,
    /// The policies of the applications that matter, by the application's id.
    pub policies: BTreeMap<String, Vec<AccessPolicy>>,
    /// Every rule group.
    pub groups: Vec<AccessGroup>,
    /// Every service token.
    pub tokens: Vec<ServiceToken>,
}

/// Whether the account has Access mTLS, and what it holds of it.
#[derive(Clone, Debug)]
pub enum Mtls {
    /// It has.
    Available {
        /// The uploaded CAs.
        certificates: Vec<MtlsCertificate>,
        /// What is set for each host.
        settings: Vec<HostnameSetting>,
        /// Why it is not sure before the first upload.
        doubt: Option<String>,
    },
    /// It has not, or the API token may not look.
    Unavailable {
        /// What Cloudflare said.
        why: String,
    },
}

impl Default for Mtls {
    fn default() -> Self {
        Self::Available {
            certificates: Vec::new(),
            settings: Vec::new(),
            doubt: None,
        }
    }
}

/// Whose policies are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Breadth {
    /// Those of the applications that are ours or in the policy file.
    Ours,
    /// Those of every application: for lints.
    Everything,
}

impl Remote {
    /// Reads what Access holds. What the record names and no list shows is asked for by its id:
    /// a list may hide what the API token does not administer.
    ///
    /// # Errors
    /// At the first call that fails.
    pub async fn fetch(
        client: &Client,
        scope: &Scope,
        desired: &Desired,
        ledger: &Ledger,
        breadth: Breadth,
    ) -> Result<Self, ApiError> {
        let mut remote = Self {
            mtls: mtls(client, scope, desired).await?,
            apps: client.apps(scope).await?,
            policies: BTreeMap::new(),
            groups: client.groups(scope).await?,
            tokens: client.service_tokens(scope).await?,
        };
        remote.complete(client, scope, desired, ledger).await?;
        for app in remote.apps_that_matter(desired, ledger, breadth) {
            let mut policies = client.app_policies(scope, &app).await?;
            for owned in policies_of(ledger, &app) {
                if let Some(id) = unlisted(owned, policies.iter().map(AccessPolicy::id)) {
                    policies.extend(client.app_policy(scope, &app, id).await?);
                }
            }
            remote.policies.insert(app, policies);
        }
        Ok(remote)
    }

    /// The uploaded CAs; none where the account has no mTLS.
    pub fn certificates(&self) -> &[MtlsCertificate] {
        match &self.mtls {
            Mtls::Available { certificates, .. } => certificates,
            Mtls::Unavailable { .. } => &[],
        }
    }

    /// The applications that answer for this domain.
    pub fn apps_for<'a>(&'a self, domain: &'a str) -> impl Iterator<Item = &'a App> {
        self.apps.iter().filter(move |app| app.answers_for(domain))
    }

    async fn complete(
        &mut self,
        client: &Client,
        scope: &Scope,
        desired: &Desired,
        ledger: &Ledger,
    ) -> Result<(), ApiError> {
        if let Mtls::Available { certificates, .. } = &mut self.mtls {
            for owned in ledger.of_kind(ObjectKind::Certificate) {
                if let Some(id) = unlisted(owned, certificates.iter().map(MtlsCertificate::id)) {
                    certificates.extend(client.certificate(scope, id).await?);
                }
            }
        }
        for owned in ledger.of_kind(ObjectKind::Group) {
            if let Some(id) = unlisted(owned, self.groups.iter().map(AccessGroup::id)) {
                self.groups.extend(client.group(scope, id).await?);
            }
        }
        for owned in ledger.of_kind(ObjectKind::ServiceToken) {
            if let Some(id) = unlisted(owned, self.tokens.iter().map(ServiceToken::id)) {
                self.tokens.extend(client.service_token(scope, id).await?);
            }
        }
        for id in apps_named(desired, ledger) {
            if self.apps.iter().all(|app| app.id() != id) {
                self.apps.extend(client.app(scope, &id).await?);
            }
        }
        Ok(())
    }

    fn apps_that_matter(
        &self,
        desired: &Desired,
        ledger: &Ledger,
        breadth: Breadth,
    ) -> BTreeSet<String> {
        let mut ids = apps_named(desired, ledger);
        for application in &desired.applications {
            if let AppReference::Domain(domain) = &application.reference {
                ids.extend(self.apps_for(domain).map(|app| app.id().to_owned()));
            }
        }
        let known = self.apps.iter().map(App::id);
        known
            .filter(|id| breadth == Breadth::Everything || ids.contains(*id))
            .map(str::to_owned)
            .collect()
    }
}

/// An account without CAs may be one that cannot have any: asked before anything is written.
async fn mtls(client: &Client, scope: &Scope, desired: &Desired) -> Result<Mtls, ApiError> {
    let certificates = match client.certificates(scope).await {
        Ok(certificates) => certificates,
        Err(error) => {
            if let ApiErrorKind::NotEnabled(why) | ApiErrorKind::Forbidden(why) = error.kind {
                return Ok(Mtls::Unavailable { why });
            }
            return Err(error);
        }
    };
    let mut doubt = None;
    if certificates.is_empty() && !desired.authorities.is_empty() {
        match mtls_availability(client, scope).await? {
            MtlsAvailability::Available(_) => {}
            MtlsAvailability::NotInPlan(why) => return Ok(Mtls::Unavailable { why }),
            MtlsAvailability::Unknown(why) => doubt = Some(why),
        }
    }
    let settings = client.hostname_settings(scope).await?;
    Ok(Mtls::Available {
        certificates,
        settings,
        doubt,
    })
}

/// The ids of applications that the file or the record names.
fn apps_named(desired: &Desired, ledger: &Ledger) -> BTreeSet<String> {
    let by_file =
        desired
            .applications
            .iter()
            .filter_map(|application| match &application.reference {
                AppReference::Id(id) => Some(id.clone()),
                AppReference::Domain(_) => None,
            });
    let recorded = ledger
        .of_kind(ObjectKind::App)
        .filter_map(|owned| owned.id.clone());
    let parents = ledger.iter().filter_map(|owned| owned.parent.clone());
    by_file.chain(recorded).chain(parents).collect()
}

fn policies_of<'a>(ledger: &'a Ledger, app: &'a str) -> impl Iterator<Item = &'a Owned> {
    ledger
        .iter()
        .filter(|owned| matches!(owned.kind, ObjectKind::Policy | ObjectKind::TokenPolicy))
        .filter(move |owned| owned.parent.as_deref() == Some(app))
}

/// The id of a recorded object that a list does not show.
fn unlisted<'a, 'b>(
    owned: &'a Owned,
    mut listed: impl Iterator<Item = &'b str>,
) -> Option<&'a str> {
    let id = owned.id.as_deref()?;
    listed.all(|other| other != id).then_some(id)
}
