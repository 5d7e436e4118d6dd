//! mTLS CAs and the hosts' settings.
//! <https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/subresources/certificates/>

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use tokio::time::sleep;

use super::call::{Call, access};
use super::{Client, Scope};
use crate::access::{HostnameSetting, MtlsCertificate, MtlsCertificateUpdate, NewMtlsCertificate};
use crate::error::{ApiError, ApiErrorKind};

impl Client {
    /// Lists the uploaded CAs.
    pub async fn certificates(&self, scope: &Scope) -> Result<Vec<MtlsCertificate>, ApiError> {
        self.list(access(scope, &[CERTIFICATES])).await
    }

    /// Reads one uploaded CA; `None` where there is none (404), which is the only proof that it
    /// does not exist.
    pub async fn certificate(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<MtlsCertificate>, ApiError> {
        self.find(Call::get(access(scope, &[CERTIFICATES, id])))
            .await
    }

    /// Uploads a CA.
    pub async fn create_certificate(
        &self,
        scope: &Scope,
        new: &NewMtlsCertificate,
    ) -> Result<MtlsCertificate, ApiError> {
        let path = access(scope, &[CERTIFICATES]);
        self.settled(|| Call::post(path.clone()).with_body(new))
            .await
    }

    /// Changes a CA's name and hosts.
    pub async fn update_certificate(
        &self,
        scope: &Scope,
        id: &str,
        update: &MtlsCertificateUpdate,
    ) -> Result<MtlsCertificate, ApiError> {
        let path = access(scope, &[CERTIFICATES, id]);
        self.settled(|| Call::put(path.clone(), update)).await
    }

    /// Deletes a CA that has no hosts any more; `false` where it is gone already.
    pub async fn delete_certificate(&self, scope: &Scope, id: &str) -> Result<bool, ApiError> {
        self.delete(Call::delete(access(scope, &[CERTIFICATES, id])))
            .await
    }

    /// Reads the hosts' settings: one list for the whole scope.
    pub async fn hostname_settings(&self, scope: &Scope) -> Result<Vec<HostnameSetting>, ApiError> {
        let settings = Call::get(access(scope, &[CERTIFICATES, "settings"]));
        let listed: Option<Vec<HostnameSetting>> = self.call(settings).await?;
        Ok(listed.unwrap_or_default())
    }

    /// Replaces the hosts' settings, all of them.
    pub async fn put_hostname_settings(
        &self,
        scope: &Scope,
        settings: &[HostnameSetting],
    ) -> Result<(), ApiError> {
        let path = access(scope, &[CERTIFICATES, "settings"]);
        let body = json!({ "settings": settings });
        let IgnoredAny = self.settled(|| Call::put(path.clone(), &body)).await?;
        Ok(())
    }

    /// A write of hosts or settings: one at a time, and again while Cloudflare still deploys the
    /// last one (12132, which is a refusal: nothing was done).
    async fn settled<T: DeserializeOwned>(&self, call: impl Fn() -> Call) -> Result<T, ApiError> {
        let _one_at_a_time = self.transport.settings.lock().await;
        let mut wait = self.pace().settle;
        for _ in 0..SETTLING_RETRIES {
            match self.call(call()).await {
                Err(error) if matches!(error.kind, ApiErrorKind::SettingsBusy) => {}
                done => return done,
            }
            sleep(wait).await;
            wait *= 2;
        }
        self.call(call()).await
    }
}

const CERTIFICATES: &str = "certificates";
/// With 2 s at first, about a minute.
const SETTLING_RETRIES: u32 = 5;
