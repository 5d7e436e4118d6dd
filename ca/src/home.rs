//! The home: where a CA keeps what it has.

use std::path::{Path, PathBuf};

use postern_pki::journal;

use crate::store::IssuerRole;

/// The files of a home, by name.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

impl Home {
    /// The home in `path`; nothing is looked at yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("postern.db")
    }

    /// What everybody may see, and all that a gateway reads.
    pub fn public(&self) -> PathBuf {
        self.0.join("public")
    }

    /// The journal's segments.
    pub fn journal(&self) -> PathBuf {
        self.public().join(journal::JOURNAL_DIR)
    }

    /// The DER of `role`'s newest CRL.
    pub fn crl(&self, role: IssuerRole) -> PathBuf {
        self.public()
            .join(journal::CRL_DIR)
            .join(crl_file_name(role))
    }

    /// The certificate of an issuer.
    pub fn issuer_certificate(&self, role: IssuerRole) -> PathBuf {
        self.0.join(match role {
            IssuerRole::Root => "root.crt",
            IssuerRole::Client => "intermediate.crt",
            IssuerRole::Server => "server-intermediate.crt",
        })
    }

    /// The key of an intermediate. There is none for the root: it is never here.
    pub fn client_issuer_key(&self) -> PathBuf {
        self.0.join("intermediate.key")
    }

    /// The key of the intermediate for server certificates.
    pub fn server_issuer_key(&self) -> PathBuf {
        self.0.join("server-intermediate.key")
    }

    /// The key that signs what takes away.
    pub fn publisher_key(&self) -> PathBuf {
        self.0.join("publisher.key")
    }

    /// Held by whoever brings `public` up to date.
    pub(crate) fn publish_lock(&self) -> PathBuf {
        self.0.join("publish.lock")
    }
}

/// The name of a CRL's DER file; its PEM stands beside it with `.pem` behind.
pub fn crl_file_name(role: IssuerRole) -> String {
    match role {
        IssuerRole::Root => String::from("root.crl"),
        IssuerRole::Client => String::from("intermediate.crl"),
        IssuerRole::Server => String::from("server-intermediate.crl"),
    }
}
