//! The rotation as it is persisted, before and after each effect.

use postern_ca::{RotationRecord, Store};
use postern_cloudflare::rotation::{Rotation, RotationStep};
use postern_policy::TokenName;

use crate::error::{CommandError, Kind};
use crate::time;

/// A rotation, and its row in the store.
pub(super) struct Journal<'a> {
    store: &'a Store,
    record: RotationRecord,
    pub(super) rotation: Rotation,
}

impl<'a> Journal<'a> {
    /// Records that a rotation begins.
    pub(super) fn start(
        store: &'a Store,
        token: &TokenName,
        rotation: Rotation,
        by: String,
    ) -> Result<Self, CommandError> {
        let record = store.start_rotation(token.clone(), written(&rotation), by, time::now())?;
        Ok(Self {
            store,
            record,
            rotation,
        })
    }

    /// The rotation of the token that is under way.
    pub(super) fn under_way(
        store: &'a Store,
        token: &TokenName,
    ) -> Result<Option<Self>, CommandError> {
        let Some(record) = store.unfinished_rotation(token)? else {
            return Ok(None);
        };
        let rotation = read(&record)?;
        Ok(Some(Self {
            store,
            record,
            rotation,
        }))
    }

    /// Records that an effect is about to be made.
    pub(super) fn begin(&mut self, step: RotationStep) -> Result<(), CommandError> {
        self.rotation.begin(step);
        self.save()
    }

    /// Records that an effect was made.
    pub(super) fn complete(&mut self, step: RotationStep) -> Result<(), CommandError> {
        self.rotation.complete(step);
        self.save()
    }

    /// Records that it will not go on, whatever it did.
    pub(super) fn give_up(&mut self) -> Result<(), CommandError> {
        self.record.finished_at = Some(time::now());
        self.save()
    }

    /// Records the rotation as it is now.
    pub(super) fn save(&mut self) -> Result<(), CommandError> {
        let now = time::now();
        self.record.state = written(&self.rotation);
        self.record.updated_at = now;
        if self.rotation.next().is_none() {
            self.record.finished_at = Some(now);
        }
        Ok(self.store.save_rotation(&self.record)?)
    }
}

/// Reads the state of a row.
pub(super) fn read(record: &RotationRecord) -> Result<Rotation, CommandError> {
    serde_json::from_str(&record.state).map_err(|error| {
        let message = format!("the rotation of {} cannot be read: {error}", record.token());
        CommandError::new(Kind::Integrity, message)
    })
}

fn written(rotation: &Rotation) -> String {
    serde_json::to_string(rotation).expect("a rotation is texts, numbers and lists of them")
}
