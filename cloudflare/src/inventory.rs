//! The clients that we issued certificates to, as far as the edge has to know them.

use std::collections::BTreeSet;

use postern_policy::CertificateIdentity;

/// Every client certificate of ours.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    clients: Vec<ClientCertificate>,
}

/// A client certificate of ours.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// Who it is about.
    pub identity: CertificateIdentity,
    /// Whether it is good here.
    pub standing: Standing,
}

/// Whether a certificate is good here. The edge cannot know: it reads no CRL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It is.
    Live,
    /// It is revoked, or on hold, and has not ended.
    Revoked,
    /// It has ended: the edge refuses it too.
    Ended,
}

impl Inventory {
    /// Takes the certificates.
    pub fn new(clients: Vec<ClientCertificate>) -> Self {
        Self { clients }
    }

    /// Those that are good.
    pub fn live(&self) -> impl Iterator<Item = &CertificateIdentity> {
        self.with(Standing::Live)
    }

    /// The names none of whose certificates is good: the edge admits them until it is told.
    pub fn revoked_names(&self) -> BTreeSet<&str> {
        let live: BTreeSet<&str> = self.live().filter_map(name).collect();
        let revoked = self.with(Standing::Revoked).filter_map(name);
        revoked.filter(|name| !live.contains(name)).collect()
    }

    /// The names all of whose certificates have ended.
    pub fn ended_names(&self) -> BTreeSet<&str> {
        let others = self
            .clients
            .iter()
            .filter(|client| client.standing != Standing::Ended);
        let others: BTreeSet<&str> = others.filter_map(|client| name(&client.identity)).collect();
        let ended = self.with(Standing::Ended).filter_map(name);
        ended.filter(|name| !others.contains(name)).collect()
    }

    fn with(&self, standing: Standing) -> impl Iterator<Item = &CertificateIdentity> {
        let clients = self.clients.iter();
        clients
            .filter(move |client| client.standing == standing)
            .map(|client| &client.identity)
    }
}

fn name(identity: &CertificateIdentity) -> Option<&str> {
    identity.common_name.as_ref().map(|name| name.as_str())
}
