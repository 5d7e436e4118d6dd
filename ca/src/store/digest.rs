//! A digest per row: a flipped bit or a hand-edited row is found when it is read.

use aws_lc_rs::digest::{Context, SHA256};

/// Collects a row's columns in order, each with its type and length.
pub(super) struct RowDigest(Context);

impl RowDigest {
    pub(super) fn of(table: &str) -> Self {
        Self(Context::new(&SHA256)).text(table)
    }

    pub(super) fn text(self, value: &str) -> Self {
        self.field(b't', value.as_bytes())
    }

    pub(super) fn octets(self, value: &[u8]) -> Self {
        self.field(b'o', value)
    }

    pub(super) fn integer(self, value: i64) -> Self {
        self.field(b'i', &value.to_be_bytes())
    }

    pub(super) fn optional_text(self, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(value),
            None => self.field(b'n', b""),
        }
    }

    pub(super) fn optional_integer(self, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.integer(value),
            None => self.field(b'n', b""),
        }
    }

    pub(super) fn optional_octets(self, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.octets(value),
            None => self.field(b'n', b""),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }

    fn field(mut self, kind: u8, value: &[u8]) -> Self {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        self.0.update(&[kind]);
        self.0.update(&length.to_be_bytes());
        self.0.update(value);
        self
    }
}
