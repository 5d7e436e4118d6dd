//! What Access is to hold.

use std::collections::BTreeSet;
use std::fmt;

use postern_policy::{ApplicationName, Decision, Fingerprint, TokenName};

use crate::access::AccessRule;

/// Everything that the policy file asks of Access.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The CAs whose clients the edge is to ask for.
    pub authorities: Vec<DesiredAuthority>,
    /// The hosts whose origin is to be sent the client's certificate.
    pub forwarding: BTreeSet<String>,
    /// The applications that are named there.
    pub applications: Vec<DesiredApplication>,
}

/// A CA to be uploaded.
#[derive(Clone, Debug)]
pub struct DesiredAuthority {
    /// SHA-256 of the issuing certificate: the PEM cannot be read back.
    pub fingerprint: Fingerprint,
    /// Its name there.
    pub name: String,
    /// The chain.
    pub pem: String,
    /// The hosts to ask for it.
    pub hostnames: BTreeSet<String>,
    /// Those of them where any certificate is admitted because the CA issues to nobody else: no
    /// other CA may be asked for there.
    pub dedicated: BTreeSet<String>,
}

/// An application.
#[derive(Clone, Debug)]
pub struct DesiredApplication {
    /// Its name in the policy file.
    pub name: ApplicationName,
    /// How it is found there.
    pub reference: AppReference,
    /// Every host and path that it answers for.
    pub domains: Vec<String>,
    /// How long a session lasts, in Go's form; left alone where the file does not say.
    pub session_duration: Option<String>,
    /// The audience tag that the gateway expects, where the file says.
    pub aud: Option<String>,
    /// Whether the interstitial page is skipped; left alone where the file does not say.
    pub skip_interstitial: Option<bool>,
    /// The header that may carry a whole service token; left alone where the file does not say.
    pub token_header: Option<String>,
    /// Who may write it.
    pub manager: Manager,
    /// Its policies of ours, in file order.
    pub policies: Vec<DesiredPolicy>,
}

/// How an application is found; never guessed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AppReference {
    /// By its id.
    Id(String),
    /// By its domain, host and path.
    Domain(String),
}

/// Who writes an application's objects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Manager {
    /// We do.
    Postern,
    /// Another tool: we report what differs and write nothing.
    Other(String),
}

/// A policy of ours.
#[derive(Clone, Debug)]
pub struct DesiredPolicy {
    /// Its name there: `<name> (mTLS)`, `<name> (service token)`.
    pub name: String,
    /// What its rule groups' names start with.
    pub groups: String,
    /// What it decides.
    pub decision: Decision,
    /// One must match.
    pub include: Vec<AccessRule>,
    /// All must match.
    pub require: Vec<AccessRule>,
    /// None may match.
    pub exclude: Vec<AccessRule>,
    /// Names for `include`, one exact rule each, kept in rule groups.
    pub admitted: Option<BTreeSet<String>>,
    /// Names for `require`, likewise.
    pub required: Option<BTreeSet<String>>,
    /// Names for `exclude`: revoked here, and still good to the edge.
    pub revoked: BTreeSet<String>,
    /// The WAF rule without which the policy would admit too many.
    pub after_waf: Option<String>,
}

/// What the edge and the gateway each make of one policy of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The application.
    pub application: ApplicationName,
    /// The policy's name in the file.
    pub policy: String,
    /// What the edge enforces.
    pub edge: Vec<String>,
    /// The rules that only the gateway enforces, as they stand in the file.
    pub gateway_only: Vec<String>,
    /// What the operator should do about it.
    pub remarks: Vec<String>,
    /// The tokens of the policy whose successors it does not name.
    pub unnamed: Vec<UnnamedSuccessor>,
}

/// A token that a policy names, and the second one that takes its place, which the policy does not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnnamedSuccessor {
    /// The token.
    pub token: TokenName,
    /// The one that a parallel rotation minted.
    pub successor: TokenName,
}

impl fmt::Display for UnnamedSuccessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, successor } = self;
        write!(
            f,
            "names service token {token} and not its successor {successor}, which is in use: write it \
             in, or gateways refuse it; what a rotation opened to it at the edge, `apply` leaves alone"
        )
    }
}
