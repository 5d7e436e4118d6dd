//! CAs and their hosts. A PEM cannot be read back or changed: what is recorded is which SHA-256
//! has which id, and a new intermediate is a new object beside the old one.

use std::collections::BTreeSet;

use super::found::{Found, find};
use super::{Action, Class, Planner};
use crate::access::MtlsCertificate;
use crate::desired::DesiredAuthority;
use crate::doctor::LAYOUTS_WITHOUT_MTLS;
use crate::ledger::{ObjectKind, Owned};
use crate::limits::AUTHORITIES;
use crate::remote::Mtls;

impl Planner<'_> {
    pub(super) fn authorities(&mut self) {
        let Mtls::Available {
            certificates,
            settings,
            doubt,
        } = &self.remote.mtls
        else {
            return;
        };
        self.plan.remarks.extend(doubt.iter().map(|why| {
            format!("whether the account has Access mTLS (Enterprise) is unknown until the first upload: {why}; if not: {}", LAYOUTS_WITHOUT_MTLS.join("; or "))
        }));
        for authority in &self.desired.authorities {
            self.authority(authority, certificates);
        }
        self.nobody_else(certificates);
        let on = |host: &String| {
            let mut set = settings.iter().filter(|setting| setting.hostname == *host);
            set.any(|setting| setting.client_certificate_forwarding)
        };
        let hosts = self.desired.forwarding.iter().filter(|host| !on(host));
        let hostnames: Vec<String> = hosts.cloned().collect();
        if !hostnames.is_empty() {
            let action = Action::ForwardCertificates { hostnames };
            self.change("mTLS hostname settings", Class::Ordinary, action);
        }
    }

    fn authority(&mut self, authority: &DesiredAuthority, certificates: &[MtlsCertificate]) {
        let key = authority.fingerprint.to_string();
        let target = format!("CA {:?}", authority.name);
        let found = find(
            self.ledger,
            (ObjectKind::Certificate, &key),
            &authority.name,
            certificates.iter(),
        );
        let certificate = match found {
            Found::Ours(certificate) => certificate,
            Found::Recovered(certificate) => {
                let owned = recovered(self.ledger.find(ObjectKind::Certificate, &key), certificate);
                self.change(&target, Class::Bookkeeping, Action::Recover(owned));
                certificate
            }
            Found::Foreign(certificate) => {
                let remedy = format!(
                    "`postern cloudflare adopt certificate {}` if it holds exactly this chain (its PEM cannot be read back); else choose another `ca_name`",
                    certificate.id()
                );
                return self.conflict(target, EXISTS, remedy);
            }
            Found::Absent => {
                if certificates.len() >= AUTHORITIES {
                    let why = format!("the account holds {AUTHORITIES} CAs already");
                    return self.conflict(target, &why, "delete one that nobody needs");
                }
                let action = Action::UploadAuthority(authority.clone());
                return self.change(target, Class::Ordinary, action);
            }
        };
        self.hostnames(target, authority, certificate);
    }

    /// "Any certificate" means any CA's that is asked for at the host.
    fn nobody_else(&mut self, certificates: &[MtlsCertificate]) {
        let dedicated: BTreeSet<&String> = self
            .desired
            .authorities
            .iter()
            .flat_map(|it| &it.dedicated)
            .collect();
        for other in certificates {
            if self.ledger.owns(ObjectKind::Certificate, other.id()) {
                continue;
            }
            let hosts = other.associated_hostnames();
            if let Some(host) = hosts.iter().find(|host| dedicated.contains(host)) {
                let target = format!("CA {:?} (not ours)", other.name());
                let why = format!(
                    "it is asked for at {host}, where `dedicated-ca` admits any certificate"
                );
                let remedy = "take that host out of it, or use another strategy";
                self.conflict(target, &why, remedy);
            }
        }
    }

    fn hostnames(
        &mut self,
        target: String,
        authority: &DesiredAuthority,
        certificate: &MtlsCertificate,
    ) {
        let there: BTreeSet<String> = certificate.associated_hostnames().into_iter().collect();
        if there == authority.hostnames {
            return;
        }
        let action = Action::SetHostnames {
            id: certificate.id().to_owned(),
            hostnames: authority.hostnames.clone(),
            added: authority.hostnames.difference(&there).cloned().collect(),
            removed: there.difference(&authority.hostnames).cloned().collect(),
        };
        self.change(target, Class::Ordinary, action);
    }

    /// CAs of ours that the file has no more: they go last, when somebody says that the clients
    /// have moved.
    pub(super) fn old_authorities(&mut self) {
        let wanted: Vec<String> = self
            .desired
            .authorities
            .iter()
            .map(|authority| authority.fingerprint.to_string())
            .collect();
        let remote = self.remote;
        for owned in self.ledger.of_kind(ObjectKind::Certificate) {
            let Some(id) = &owned.id else { continue };
            let there = remote.certificates().iter().any(|other| other.id() == id);
            if there && !wanted.contains(&owned.key) {
                let action = Action::RemoveAuthority {
                    key: owned.key.clone(),
                    id: id.clone(),
                };
                let target = format!(
                    "CA {:?} ({})",
                    owned.name,
                    &owned.key[..8.min(owned.key.len())]
                );
                self.change(target, Class::RetiresAuthority, action);
            }
        }
    }
}

/// The record of an object whose making was recorded, and whose id is known now.
pub(super) fn recovered<T: super::found::Listed>(owned: Option<&Owned>, object: &T) -> Owned {
    let owned = owned.expect("only what is recorded as intended is recovered");
    Owned {
        id: Some(object.id().to_owned()),
        ..owned.clone()
    }
}

pub(super) const EXISTS: &str = "exists, and is not ours: adopt";
