//! Findings about what Access holds: each with a stable id and a remedy. Nothing is changed.

mod policies;
mod tokens;

use std::collections::BTreeSet;

use crate::desired::{Desired, Statement};
use crate::ledger::Ledger;
use crate::remote::Remote;

/// What the findings are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What Access is to hold.
    pub desired: &'a Desired,
    /// What each policy of the file amounts to.
    pub statements: &'a [Statement],
    /// What it holds, every application included.
    pub remote: &'a Remote,
    /// What is ours of it.
    pub ledger: &'a Ledger,
    /// Names none of whose certificates is good any more, and why.
    pub dead_names: &'a DeadNames,
    /// Now, Unix seconds.
    pub now: u64,
}

/// Names that nobody should be admitted by.
#[derive(Clone, Debug, Default)]
pub struct DeadNames {
    /// All of their certificates are revoked or on hold.
    pub revoked: BTreeSet<String>,
    /// All of their certificates have ended.
    pub ended: BTreeSet<String>,
}

/// What a finding is about. The ids are stable: people silence and search them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EdgeLint {
    /// A name is admitted there and revoked here.
    NameRevoked,
    /// A name is admitted there and has no certificate that has not ended.
    NameEnded,
    /// A token is in no policy.
    TokenUnused,
    /// A token opens several applications.
    TokenShared,
    /// A token has ended or is disabled there, and a policy names it.
    TokenDead,
    /// A policy names a token, and not the one that takes its place.
    SuccessorUnnamed,
    /// A client id stands where the token's id belongs.
    ClientIdAsTokenId,
    /// A policy says `bypass`: not enforced and not logged.
    Bypass,
    /// A policy admits whoever holds any token of the account.
    AnyValidServiceToken,
    /// A machine policy admits everyone.
    Everyone,
    /// A certificate or token stands under `allow`, which sends machines to a login page.
    MachineUnderAllow,
    /// A machine policy has a `require`.
    RequireOnMachinePolicy,
    /// A policy names the e-mail address of a robot.
    RobotEmail,
    /// An application does not say how long a session lasts.
    NoSessionDuration,
}

impl EdgeLint {
    /// The stable id.
    pub fn id(self) -> &'static str {
        match self {
            Self::NameRevoked => "edge-name-revoked",
            Self::NameEnded => "edge-name-ended",
            Self::TokenUnused => "edge-token-unused",
            Self::TokenShared => "edge-token-shared",
            Self::TokenDead => "edge-token-dead",
            Self::SuccessorUnnamed => "edge-successor-unnamed",
            Self::ClientIdAsTokenId => "edge-client-id-as-token-id",
            Self::Bypass => "edge-bypass",
            Self::AnyValidServiceToken => "edge-any-valid-service-token",
            Self::Everyone => "edge-everyone",
            Self::MachineUnderAllow => "edge-machine-under-allow",
            Self::RequireOnMachinePolicy => "edge-require-on-machine-policy",
            Self::RobotEmail => "edge-robot-email",
            Self::NoSessionDuration => "edge-no-session-duration",
        }
    }

    /// Whether somebody gets in, or is kept out, who should not.
    pub fn is_error(self) -> bool {
        match self {
            Self::NameRevoked
            | Self::ClientIdAsTokenId
            | Self::Bypass
            | Self::AnyValidServiceToken
            | Self::Everyone
            | Self::MachineUnderAllow => true,
            Self::NameEnded
            | Self::TokenUnused
            | Self::TokenShared
            | Self::TokenDead
            | Self::SuccessorUnnamed
            | Self::RequireOnMachinePolicy
            | Self::RobotEmail
            | Self::NoSessionDuration => false,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EdgeFinding {
    /// What it is about.
    pub lint: EdgeLint,
    /// Where: application and policy, group or token.
    pub place: String,
    /// What was found.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Looks at everything that Access holds.
pub fn lint(subject: &Subject<'_>) -> Vec<EdgeFinding> {
    let mut findings = policies::lint(subject);
    findings.extend(tokens::lint(subject));
    findings.extend(tokens::successors(subject));
    findings
}

fn finding(
    lint: EdgeLint,
    place: impl Into<String>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> EdgeFinding {
    EdgeFinding {
        lint,
        place: place.into(),
        message: message.into(),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests;
