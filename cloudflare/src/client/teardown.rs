//! Deletes an uploaded CA: its hosts first, then, when Cloudflare has detached them, the CA.
//!
//! The order and the patience are those of Cloudflare's Terraform provider: clear the hosts, read
//! until they are gone, and delete again while associations are said to be active.

use tokio::time::sleep;

use super::{Client, Scope};
use crate::access::MtlsCertificateUpdate;
use crate::error::{ApiError, ApiErrorKind};

impl Client {
    /// Detaches a CA from its hosts and deletes it; `false` where it is gone already. What fails
    /// half-way is finished by doing it again.
    pub async fn delete_mtls_ca(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        let Some(certificate) = self.certificate(scope, id).await? else {
            return Ok(false);
        };
        if !certificate.associated_hostnames().is_empty() {
            let no_hosts = MtlsCertificateUpdate {
                name: None,
                associated_hostnames: Vec::new(),
            };
            self.update_certificate(scope, id, &no_hosts).await?;
            self.wait_until_detached(scope, id).await?;
        }
        self.delete_detached(scope, id).await
    }

    /// The hosts may be shown for a while after they were cleared. That they are still shown in
    /// the end is no error yet: the DELETE has the last word.
    async fn wait_until_detached(&self, scope: &Scope, id: &str) -> Result<(), ApiError> {
        let mut wait = self.pace().settle;
        for _ in 0..TRIES {
            let certificate = self.certificate(scope, id).await?;
            let hosts = certificate.map(|it| it.associated_hostnames());
            if hosts.is_none_or(|hosts| hosts.is_empty()) {
                return Ok(());
            }
            sleep(wait).await;
            wait *= 2;
        }
        Ok(())
    }

    /// Associations stay active for a while after they are no longer shown.
    async fn delete_detached(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        let mut wait = self.pace().settle;
        for _ in 1..TRIES {
            match self.delete_certificate(scope, id).await {
                Err(error) if is_detaching(&error.kind) => {}
                done => return done,
            }
            sleep(wait).await;
            wait *= 2;
        }
        self.delete_certificate(scope, id).await
    }
}

fn is_detaching(kind: &ApiErrorKind) -> bool {
    matches!(
        kind,
        ApiErrorKind::ActiveAssociations | ApiErrorKind::SettingsBusy
    )
}

const TRIES: u32 = 5;
