//! Devices: the names that client certificates and their successors belong to.

mod changes;
mod record;

use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

pub use changes::{DeviceEntry, DeviceImport, OnRevoked};
pub(crate) use changes::{import, mark_revoked};
use record::{COLUMNS, from_row};
pub use record::{Device, DeviceRecord, DeviceState};

use super::certificates::of_devices;
use super::{Intent, Store, StoreError, filter};

/// Which devices are meant.
#[derive(Debug, Clone, Default)]
pub struct DeviceSelection {
    /// The one of exactly this name.
    pub name: Option<String>,
    /// Whose row comes after this one: the next page.
    pub after: Option<i64>,
    /// At most this many.
    pub limit: Option<u32>,
}

impl Store {
    /// The devices that `selection` means, oldest first, each with its certificates.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn devices(&self, selection: &DeviceSelection) -> Result<Vec<Device>, StoreError> {
        self.read(|connection| {
            let records = select(connection, selection)?;
            with_certificates(connection, records)
        })
    }

    /// The device of that name.
    ///
    /// # Errors
    /// When a row cannot be read or was altered.
    pub fn device(&self, name: &str) -> Result<Option<DeviceRecord>, StoreError> {
        self.read(|connection| by_name(connection, name))
    }

    /// Whether something may be made for the device of that name, as things are.
    pub(crate) fn check_device(&self, name: &str) -> Result<(), StoreError> {
        self.read(|connection| must_be_good(connection, name))
    }
}

pub(crate) fn by_name(
    connection: &Connection,
    name: &str,
) -> Result<Option<DeviceRecord>, StoreError> {
    let selection = DeviceSelection {
        name: Some(name.to_owned()),
        ..DeviceSelection::default()
    };
    Ok(select(connection, &selection)?.pop())
}

/// Refuses a device that is revoked. It is asked in the transaction of what it is to get.
pub(crate) fn refuse_revoked(device: &DeviceRecord) -> Result<(), StoreError> {
    match &device.revocation {
        None => Ok(()),
        Some(mark) => Err(StoreError::DeviceRevoked {
            name: device.name.clone(),
            at: mark.at,
            by: mark.by.clone(),
        }),
    }
}

/// The same for a name, which must be a device's.
pub(super) fn must_be_good(connection: &Connection, name: &str) -> Result<(), StoreError> {
    let missing = || StoreError::NotFound(format!("there is no device {name:?}"));
    refuse_revoked(&by_name(connection, name)?.ok_or_else(missing)?)
}

/// The device that an intent's certificate is to belong to, made with the first one it gets.
pub(super) fn of_intent(
    connection: &Connection,
    intent: &Intent,
) -> Result<DeviceRecord, StoreError> {
    let name = intent.common_name.as_str();
    if let Some(known) = by_name(connection, name)? {
        refuse_revoked(&known)?;
        return Ok(known);
    }
    let mut device = DeviceRecord::new(name, intent.requested_at);
    device.owner.clone_from(&intent.owner);
    changes::insert(connection, device)
}

fn select(
    connection: &Connection,
    selection: &DeviceSelection,
) -> Result<Vec<DeviceRecord>, StoreError> {
    let conditions = [
        ("name = ?", selection.name.clone().map(Value::Text)),
        ("id > ?", selection.after.map(Value::Integer)),
    ];
    let (filter, values) = filter::all_of(conditions);
    let limit = selection.limit.map_or(-1, i64::from);
    let sql = format!("SELECT {COLUMNS} WHERE {filter} ORDER BY id LIMIT {limit}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(from_row(row)?);
    }
    Ok(records)
}

/// One look-up for all of a page's certificates.
fn with_certificates(
    connection: &Connection,
    records: Vec<DeviceRecord>,
) -> Result<Vec<Device>, StoreError> {
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Ok(Vec::new());
    };
    let mut certificates = HashMap::<_, Vec<_>>::new();
    for certificate in of_devices(connection, first.id..=last.id)? {
        let of_device = certificates.entry(certificate.device_id).or_default();
        of_device.push(certificate);
    }
    let device = |record: DeviceRecord| Device {
        certificates: certificates.remove(&Some(record.id)).unwrap_or_default(),
        record,
    };
    Ok(records.into_iter().map(device).collect())
}
