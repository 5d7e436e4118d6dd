//! Devices: taken over from a list, and revoked with all that is theirs.

use std::collections::HashMap;

use postern_pki::RevocationReason;
use postern_pki::journal::{Event, TokenEvent};
use postern_policy::TokenName;

use super::CertificateAuthority;
use super::revocation::Revocation;
use crate::error::CaError;
use crate::labels::Labels;
use crate::profile::{DEFAULT_PROFILE, Usage};
use crate::request::{IssuableName, RequestError};
use crate::store::{
    self, CertificateRecord, Connection, DeviceEntry, DeviceImport, DeviceRecord, EdgeChange,
    OnRevoked, StoreError,
};
use crate::{journal, publish};

/// A device that was revoked, and what was revoked with it now.
#[derive(Debug, Clone)]
pub struct RevokedDevice {
    /// The device.
    pub device: DeviceRecord,
    /// Its certificates that were live.
    pub certificates: Vec<CertificateRecord>,
    /// Its tokens that were enabled.
    pub tokens: Vec<TokenName>,
}

impl CertificateAuthority {
    /// Revokes devices, all of them or none: every live certificate of theirs, their tokens, and
    /// their right to another certificate. What was revoked already is left as it is.
    ///
    /// It returns when this is durable, published and signed. `edge` is as for
    /// [`CertificateAuthority::revoke`].
    ///
    /// # Errors
    /// When a name is no device's, or it cannot be made durable or published.
    pub fn revoke_devices(
        &self,
        names: Vec<String>,
        reason: RevocationReason,
        note: Option<String>,
        edge: Option<EdgeChange>,
        now: u64,
    ) -> Result<Vec<RevokedDevice>, CaError> {
        let revocation = self.revocation(reason, note, now)?;
        let revoked = self.store.write(move |connection| {
            let mut tokens = tokens_by_device(connection)?;
            let revoke = |name: String| {
                let tokens = tokens.remove(&name).unwrap_or_default();
                revocation.apply_to_device(connection, &name, tokens)
            };
            let revoked: Vec<RevokedDevice> =
                names.into_iter().map(revoke).collect::<Result<_, _>>()?;
            let certificates = revoked.iter().flat_map(|one| &one.certificates);
            if let Some(change) = edge.filter(|_| certificates.count() > 0) {
                store::add_edge_pending(connection, &change)?;
            }
            Ok(revoked)
        })?;
        publish::publish(&self.home, &self.store)?;
        Ok(revoked)
    }

    /// What a list says of a device, checked as its certificate would be.
    ///
    /// # Errors
    /// When there is no such profile, it is not for clients, or it does not permit the name.
    pub fn device_entry(
        &self,
        name: &IssuableName,
        owner: Option<String>,
        labels: Option<Labels>,
        profile: Option<String>,
    ) -> Result<DeviceEntry, RequestError> {
        if let Some(profile) = &profile {
            let profile = self.profiles.get(profile)?;
            profile.permit(name.common_name())?;
            if profile.usage() == Usage::Server {
                return Err(RequestError::NotForDevices(profile.name().to_owned()));
            }
        }
        Ok(DeviceEntry {
            name: name.common_name().to_string(),
            owner,
            labels,
            profile,
        })
    }

    /// Takes a list of devices over in one transaction; running it again changes nothing.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn import_devices(
        &self,
        entries: Vec<DeviceEntry>,
        on_revoked: OnRevoked,
        now: u64,
    ) -> Result<DeviceImport, CaError> {
        let write = move |connection: &Connection| {
            store::import_devices(connection, &entries, on_revoked, now)
        };
        Ok(self.store.write(write)?)
    }

    /// Whether something may be made for the device of that name.
    ///
    /// # Errors
    /// When there is none, or it is revoked.
    pub fn check_device(&self, name: &str) -> Result<(), CaError> {
        Ok(self.store.check_device(name)?)
    }

    /// The profile of a certificate that is asked for without naming one: its device's.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn profile_of(&self, name: &str) -> Result<String, CaError> {
        let device = self.store.device(name)?;
        let profile = device.and_then(|device| device.profile);
        Ok(profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()))
    }
}

impl Revocation {
    fn apply_to_device(
        &self,
        connection: &Connection,
        name: &str,
        tokens: Vec<TokenName>,
    ) -> Result<RevokedDevice, StoreError> {
        let device = store::mark_device_revoked(connection, name, &self.mark)?;
        let mut certificates = Vec::new();
        for record in store::certificates_of_devices(connection, device.id..=device.id)? {
            if record.is_live(self.mark.at) {
                certificates.extend(self.apply(connection, &record.serial)?);
            }
        }
        for name in &tokens {
            store::set_token_enabled(connection, name, false)?;
            let event = Event::TokenDisabled(TokenEvent { name: name.clone() });
            journal::append(connection, &event, &self.publisher, self.mark.at)?;
        }
        Ok(RevokedDevice {
            device,
            certificates,
            tokens,
        })
    }
}

/// The enabled tokens that belong to a device. One look at all of them serves every device.
fn tokens_by_device(
    connection: &Connection,
) -> Result<HashMap<String, Vec<TokenName>>, StoreError> {
    let mut by_device = HashMap::<_, Vec<_>>::new();
    let tokens = store::all_tokens(connection)?.into_iter();
    for token in tokens.filter(|token| token.enabled) {
        if let Some(device) = token.device() {
            by_device.entry(device).or_default().push(token.name);
        }
    }
    Ok(by_device)
}
