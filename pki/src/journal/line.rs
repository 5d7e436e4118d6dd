//! An entry on disk: version, signer, signature, body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use postern_policy::Fingerprint;

/// What stands before the body in the signed message, so that a journal signature can never be
/// taken for one over a certificate or a CRL.
pub const SIGNING_CONTEXT: &[u8] = b"postern journal v1\n";

const VERSION: &str = "v1";

/// One line of a segment, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// SHA-256 of the signing certificate.
    pub signer: Fingerprint,
    /// The signature over [`signed_message`].
    pub signature: Vec<u8>,
    /// The entry's exact bytes.
    pub body: String,
}

/// Why a line is not one of a journal.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not `v1 SIGNER SIGNATURE BODY`.
    #[error("not a journal line: {0}")]
    Malformed(&'static str),
}

/// The bytes that are signed for `body`.
pub fn signed_message(body: &str) -> Vec<u8> {
    [SIGNING_CONTEXT, body.as_bytes()].concat()
}

impl Line {
    /// Reads a line without its newline.
    ///
    /// # Errors
    /// When a part is missing or not in its encoding.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let mut parts = text.splitn(4, ' ');
        let mut next = |what| parts.next().ok_or(LineError::Malformed(what));
        if next("empty")? != VERSION {
            return Err(LineError::Malformed("it does not start with v1"));
        }
        let signer = next("no signer")?
            .parse()
            .map_err(|_| LineError::Malformed("the signer is not a SHA-256"))?;
        let signature = STANDARD
            .decode(next("no signature")?)
            .map_err(|_| LineError::Malformed("the signature is not base64"))?;
        Ok(Self {
            signer,
            signature,
            body: next("no body")?.to_owned(),
        })
    }

    /// The line as it stands in the file, newline included.
    pub fn to_text(&self) -> String {
        let signature = STANDARD.encode(&self.signature);
        format!("{VERSION} {} {signature} {}\n", self.signer, self.body)
    }
}
