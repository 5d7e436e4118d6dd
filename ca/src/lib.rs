//! Turns a request and a key into a recorded certificate; revokes; publishes.
//!
//! [`CertificateAuthority`] is an open home; [`Ceremony`] makes one. The flow of a certificate is
//! `IssuanceRequest → Prepared → IssuedCertificate`, recorded before and after it is signed; what
//! followers see of it is a projection of the store ([`Home::public`]).

mod actor;
mod authority;
mod ceremony;
mod crl;
mod csr;
mod error;
mod home;
mod issuance;
mod issuer;
mod journal;
mod labels;
mod profile;
mod publish;
mod publisher;
mod request;
mod self_check;
mod store;
mod token;

pub mod files;
pub mod key;

pub use actor::Actor;
pub use authority::{CertificateAuthority, PublishedCrl, RevokedDevice, Unlocked};
pub use ceremony::{Ceremony, Inaugurated};
pub use csr::{CsrError, VerifiedCsr};
pub use error::CaError;
pub use home::{Home, crl_file_name};
pub use issuance::{IssuanceError, IssuedCertificate, Prepared, certificate_pem};
pub use issuer::{Issuer, IssuerError};
pub use key::{KeyError, Passphrase};
pub use labels::{Label, LabelError, Labels};
pub use profile::{CaConfig, DEFAULT_PROFILE, Profile, ProfileConfig, Profiles, Usage};
pub use publish::PublishError;
pub use request::{
    CertifiableKey, IssuableName, IssuanceRequest, RequestError, SubjectAltName, is_subject_text,
};
pub use store::{
    CertificateRecord, CertificateState, CrlRecord, Device, DeviceEntry, DeviceImport,
    DeviceRecord, DeviceSelection, DeviceState, EdgeChange, EdgeObject, EdgeObjectKind,
    EdgePending, Intent, IssuerRecord, IssuerRole, JournalRow, OnRevoked, RevocationMark,
    RotationRecord, Selection, Store, StoreError, TokenChange, TokenChangeKind, TokenLife,
    TokenRecord,
};
pub use token::{NoRandomness, ServiceTokenSecret, is_well_formed_secret, new_client_id};
