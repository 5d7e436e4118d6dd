//! What is written of devices.

use rusqlite::{Connection, params};

use super::{DeviceRecord, by_name};
use crate::labels::Labels;
use crate::store::journal::integer;
use crate::store::{RevocationMark, StoreError};

/// What a list says of a device. What it does not say stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEntry {
    pub(crate) name: String,
    pub(crate) owner: Option<String>,
    pub(crate) labels: Option<Labels>,
    pub(crate) profile: Option<String>,
}

/// What becomes of a list in which a revoked device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRevoked {
    /// Nothing of it is taken.
    RefuseAll,
    /// The others are taken.
    Skip,
}

/// What was done with a list of devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceImport {
    /// How many were not known.
    pub created: u64,
    /// How many are recorded otherwise than before.
    pub changed: u64,
    /// How many were recorded so already.
    pub unchanged: u64,
    /// Those that are revoked, and so were not taken.
    pub revoked: Vec<DeviceRecord>,
}

/// Takes a list of devices over.
pub(crate) fn import(
    connection: &Connection,
    entries: &[DeviceEntry],
    on_revoked: OnRevoked,
    now: u64,
) -> Result<DeviceImport, StoreError> {
    let mut done = DeviceImport::default();
    let mut pairs = Vec::with_capacity(entries.len());
    for entry in entries {
        match by_name(connection, &entry.name)? {
            Some(known) if known.revocation.is_some() => done.revoked.push(known),
            known => pairs.push((entry, known)),
        }
    }
    if on_revoked == OnRevoked::RefuseAll && !done.revoked.is_empty() {
        return Ok(done);
    }
    for (entry, known) in pairs {
        let Some(known) = known else {
            insert(
                connection,
                entry.applied_to(DeviceRecord::new(&entry.name, now)),
            )?;
            done.created += 1;
            continue;
        };
        let told = entry.applied_to(known.clone());
        if told == known {
            done.unchanged += 1;
        } else {
            update(connection, &told)?;
            done.changed += 1;
        }
    }
    Ok(done)
}

/// Records that a device gets no certificate any more; what was recorded of that before stays.
pub(crate) fn mark_revoked(
    connection: &Connection,
    name: &str,
    mark: &RevocationMark,
) -> Result<DeviceRecord, StoreError> {
    let missing = || StoreError::NotFound(format!("there is no device {name:?}"));
    let mut device = by_name(connection, name)?.ok_or_else(missing)?;
    if device.revocation.is_none() {
        device.revocation = Some(mark.clone());
        update(connection, &device)?;
    }
    Ok(device)
}

impl DeviceEntry {
    /// The device's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn applied_to(&self, mut device: DeviceRecord) -> DeviceRecord {
        device.owner = self.owner.clone().or(device.owner);
        device.labels = self.labels.clone().unwrap_or(device.labels);
        device.profile = self.profile.clone().or(device.profile);
        device
    }
}

pub(super) fn insert(
    connection: &Connection,
    device: DeviceRecord,
) -> Result<DeviceRecord, StoreError> {
    let sql = "INSERT INTO devices (name, owner, labels, profile, created_at, digest) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        device.name,
        device.owner,
        device.labels.to_json(),
        device.profile,
        integer(device.created_at)?,
        device.digest()?,
    ])?;
    let id = connection.last_insert_rowid();
    Ok(DeviceRecord { id, ..device })
}

fn update(connection: &Connection, device: &DeviceRecord) -> Result<(), StoreError> {
    let mark = device.revocation.as_ref();
    let sql = "UPDATE devices SET owner = ?2, labels = ?3, profile = ?4, revoked_at = ?5, \
                   revocation_reason = ?6, revoked_by = ?7, note = ?8, digest = ?9 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        device.id,
        device.owner,
        device.labels.to_json(),
        device.profile,
        mark.map(|mark| integer(mark.at)).transpose()?,
        mark.map(|mark| mark.reason.code()),
        mark.map(|mark| mark.by.as_str()),
        mark.and_then(|mark| mark.note.as_deref()),
        device.digest()?,
    ])?;
    Ok(())
}
