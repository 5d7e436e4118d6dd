//! What we want Cloudflare Access to hold, compared with what it holds; and the API client.
//!
//! The line is `policies → Desired → Plan → apply`: [`access`] has Cloudflare's words, [`Client`]
//! speaks them over HTTPS. Nothing here decides who is admitted; that is `postern-policy`.

pub mod access;
mod adopt;
mod apply;
mod chain;
mod client;
mod desired;
pub mod doctor;
mod error;
pub mod go_duration;
mod http;
mod inventory;
mod ledger;
pub mod limits;
pub mod lint;
pub mod minting;
mod plan;
pub mod probe;
mod remote;
pub mod rotation;
mod shown;
pub mod terraform;
mod translate;
pub mod waf;

pub use adopt::{AdoptError, Adoption, KnownToken, adoptable, adoption_of};
pub use apply::{Applied, Applier, ApplyError};
pub use chain::{Chain, ChainError};
pub use client::{ApiToken, Client, ClientOptions, Pace, Scope};
pub use desired::{
    AppReference, Desired, DesiredApplication, DesiredAuthority, DesiredPolicy, Manager, Statement,
    UnnamedSuccessor,
};
pub use error::{ApiError, ApiErrorKind};
pub use inventory::{ClientCertificate, Inventory, Standing};
pub use ledger::{Ledger, ObjectKind, Owned, Recorder, is_made_since};
pub use plan::{
    Action, AppField, AppTarget, Change, Class, Conflict, Consent, Consents, Plan, PlannedPolicy,
    PlannedRule, admitting, closing, listing, policy_key,
};
pub use remote::{Breadth, Mtls, Remote};
pub use shown::shown;
pub use translate::{
    Inexpressible, InexpressibleReason, Sources, TokenAtEdge, Translation, translate,
};
