//! Who may do what: applications, policies, rules, and the one function that decides.
//!
//! The crate is pure: no I/O, no async, no clock, no TLS. What a client proved arrives as
//! [`Credentials`]; [`Application::decide`] answers with a [`Permit`] or a [`Denial`], and both
//! name the policy and the rule behind them. Policies use the words of Cloudflare Access with
//! Cloudflare's meaning; what Access does not have is a rule of its own.

mod application;
mod application_set;
mod common_name;
pub mod config;
mod decision;
pub mod duration;
pub mod edge;
mod fingerprint;
mod forwarded_identity;
mod hex;
mod host;
mod identity;
pub mod lint;
mod name;
mod path;
mod pattern;
mod policy;
#[cfg(test)]
mod robustness;
mod rule;
mod serial;
#[cfg(test)]
mod testing;
mod text;
mod token_header;
mod token_name;
mod upstream;

pub use application::{Application, ApplicationError, CloudflareApplication};
pub use application_set::{ApplicationSet, ApplicationSetError, ClientAuth, RouteError};
pub use common_name::{CommonName, CommonNameError};
pub use decision::{Decision, Denial, Method, Permit, Permitted, Verdict};
pub use duration::{DurationError, parse_duration};
pub use edge::Edge;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use forwarded_identity::{
    Audience, AudienceError, ForwardedIdentity, ForwardedIdentityError, IdentityForm,
};
pub use host::{HostName, HostNameError};
pub use identity::{CertificateFacts, CertificateIdentity, Credentials};
pub use name::{ApplicationName, NameError, PolicyName, TokenName};
pub use path::{PathPrefix, PathPrefixError};
pub use pattern::{CommonNamePattern, PATTERN_CHARACTERS, PatternError};
pub use policy::{Evaluation, Policy, PolicyError};
pub use rule::{IssuerMatch, Rule};
pub use serial::{SerialNumber, SerialNumberError};
pub use token_header::{TokenHeader, TokenHeaderError};
pub use token_name::{TOKEN_ENVIRONMENTS, TokenNameError, check_token_name, successor_name};
pub use upstream::{
    Scheme, Upstream, UpstreamError, UpstreamGroup, UpstreamGroupError, UpstreamHealth,
    UpstreamProtocol, UpstreamTlsFiles,
};

pub use ipnet::IpNet;
