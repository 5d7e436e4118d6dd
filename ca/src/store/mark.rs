//! That something was revoked: four columns that stand in more than one table.

use postern_pki::RevocationReason;
use rusqlite::Row;

use super::StoreError;
use super::digest::RowDigest;
use super::journal::{integer, natural};

/// That a certificate was revoked or put on hold, or that a device was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationMark {
    /// When, Unix seconds.
    pub at: u64,
    /// Why (RFC 5280 section 5.3.1).
    pub reason: RevocationReason,
    /// By whom.
    pub by: String,
    /// Why, in the operator's words.
    pub note: Option<String>,
}

impl RevocationMark {
    /// Reads it from the columns time, reason, actor and note, of which `first` is the time's.
    pub(super) fn from_columns(row: &Row<'_>, first: usize) -> Result<Option<Self>, StoreError> {
        let Some(at) = row.get::<_, Option<i64>>(first)? else {
            return Ok(None);
        };
        let code: u8 = row.get(first + 1)?;
        let reason = RevocationReason::from_code(code)
            .ok_or_else(|| StoreError::Refused(format!("revocation reason {code}")))?;
        Ok(Some(Self {
            at: natural(at)?,
            reason,
            by: row.get(first + 2)?,
            note: row.get(first + 3)?,
        }))
    }

    /// Adds the four columns to a row's digest.
    pub(super) fn digest_of(
        mark: Option<&Self>,
        digest: RowDigest,
    ) -> Result<RowDigest, StoreError> {
        Ok(digest
            .optional_integer(mark.map(|mark| integer(mark.at)).transpose()?)
            .optional_integer(mark.map(|mark| i64::from(mark.reason.code())))
            .optional_text(mark.map(|mark| mark.by.as_str()))
            .optional_text(mark.and_then(|mark| mark.note.as_deref())))
    }
}
