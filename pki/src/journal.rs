//! The journal: what a CA tells its followers, as a hash-chained, signed file of events.
//!
//! One line is one entry: `v1 SIGNER SIGNATURE BODY`, where SIGNER is the SHA-256 of the signing
//! certificate, SIGNATURE is base64 over [`SIGNING_CONTEXT`] and the BODY's exact bytes, and BODY
//! is JSON. An entry's hash is the SHA-256 of its BODY; each BODY holds its predecessor's hash.
//!
//! A segment is a file named after its first sequence number. It starts with a
//! [`Checkpoint`] and, when it is finished, ends with [`Event::Sealed`], which holds the hash of
//! its successor's checkpoint. Sequence numbers never restart.
//!
//! Who may sign what is decided by [`Event::effect`]: what takes away may be signed by a
//! publisher, what admits only by an issuer.

mod authority;
mod entry;
mod event;
mod line;
mod reader;

pub use authority::{AuthorityError, PUBLISHER_EKU, SourceAuthority};
pub use entry::{Entry, EntryError, Hash, Head};
pub use event::{
    CertificateEvent, Checkpoint, CrlHead, Effect, Event, EventError, TokenEntry, TokenEvent,
};
pub use line::{Line, LineError, SIGNING_CONTEXT, signed_message};
pub use reader::{JournalError, JournalReader, segment_file_name, segment_first_seq};

/// The folder of the segments inside the published directory.
pub const JOURNAL_DIR: &str = "journal";
/// The issuing certificates, root included, inside the published directory.
pub const ISSUERS_FILE: &str = "issuers.pem";
/// The publisher certificates inside the published directory.
pub const PUBLISHERS_FILE: &str = "publishers.pem";
/// The folder of the CRLs inside the published directory.
pub const CRL_DIR: &str = "crl";
