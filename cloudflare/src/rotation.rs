//! The rotation of a service token as a journal: what was planned, how far it is, what comes next.
//!
//! It is pure: it makes no call, reads no clock and holds no secret. Whoever runs it persists it
//! before and after each effect, so that a rotation that was interrupted anywhere goes on. The one
//! thing that cannot go on is a secret that was minted and not delivered: nobody can read it
//! again, so it is minted anew and that is said ([`Rotation::recover`]).

mod evidence;

use postern_pki::journal::Hash;
use postern_policy::config::TokenOrigin;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use evidence::{Coverage, Judgement, Sighting, judge, not_quiet};

/// What was asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RotationPlan {
    /// Who minted the token.
    pub origin: TokenOrigin,
    /// Where the new secret lives.
    pub mode: RotationMode,
    /// Why it is rotated.
    pub cause: RotationCause,
    /// What comes first.
    pub order: RotationOrder,
    /// Why, in somebody's own words.
    pub reason: Option<String>,
    /// How long the old secret is good beside the new one, in seconds.
    pub overlap: u64,
    /// How long the old secret must not have been seen before it is retired, in seconds.
    pub quiet_for: u64,
}

/// Where the new secret lives.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationMode {
    /// In the same token: same client id, two secrets for the overlap.
    InPlace,
    /// In a second token, `-v2`, in the same policies.
    Parallel,
}

/// Why a token is rotated.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationCause {
    /// It is time.
    Scheduled,
    /// The secret is in wrong hands: no overlap.
    Compromised,
    /// Its owner has left.
    Departure,
    /// Nobody needs it any more: out of its policies, then deleted; nothing new.
    Decommission,
    /// A rehearsal.
    Drill,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationOrder {
    /// The mint: clients go on working.
    MintFirst,
    /// Disabling the token: whoever has the secret is refused at once, clients too.
    DisableFirst,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationStage {
    /// Nothing was done.
    Planned,
    /// There is a new secret, in memory only.
    Minted,
    /// The new secret is where it belongs.
    Delivered,
    /// There is evidence that the new secret is in use and the old one is not.
    Observed,
    /// The old secret is refused.
    Retired,
    /// Nothing is left to do.
    Done,
    /// It was given up, and the old secret is the good one.
    Aborted,
}

/// One effect.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationStep {
    /// Refuse the token until it is enabled.
    Disable,
    /// Make a new secret.
    Mint,
    /// Bring it where it belongs.
    Deliver,
    /// Accept the token again.
    Enable,
    /// Look for evidence.
    Observe,
    /// Make the old secret worthless.
    Retire,
    /// Remove what is left of the old token.
    Finish,
}

/// The second token of a parallel rotation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Successor {
    /// Its name.
    pub name: String,
    /// Its id at Cloudflare.
    pub token_id: Option<String>,
}

/// A rotation under way, or over.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rotation {
    /// What was asked for.
    pub plan: RotationPlan,
    stage: RotationStage,
    in_flight: Option<RotationStep>,
    is_disabled: bool,
    /// The SHA-256 of the secrets that were good when it began.
    pub old: Vec<Hash>,
    /// The SHA-256 of the new secret.
    pub new: Option<Hash>,
    /// The token's id at Cloudflare.
    pub token_id: Option<String>,
    /// How often the token's secret had been rotated when it began, where Cloudflare says.
    pub version: Option<u64>,
    /// The second token, where there is one.
    pub successor: Option<Successor>,
    /// When the old secret ends at Cloudflare by itself, Unix seconds.
    pub old_ends_at: Option<u64>,
    /// When the new secret was delivered, Unix seconds.
    pub delivered_at: Option<u64>,
    /// Where to; never a secret.
    pub destination: Option<String>,
    /// What the retirement of the old secret rests on.
    pub evidence: Option<String>,
}

/// What an interrupted rotation lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// Nothing.
    Nothing,
    /// A mint was asked for, and its answer was not seen.
    MintUnanswered,
    /// A secret was minted and is nowhere.
    SecretLost,
}

/// Why a rotation cannot be given up.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum AbortError {
    /// The new secret has taken the old one's place.
    #[error(
        "the new secret is the token's own now, and the old one ends at Cloudflare by itself: that \
         cannot be taken back"
    )]
    MintedInPlace,
    /// The old secret is refused already.
    #[error("the old secret is refused already: there is nothing to go back to")]
    Retired,
    /// It is over.
    #[error("it is over")]
    Over,
}

impl Rotation {
    /// A rotation of which nothing was done.
    pub fn new(plan: RotationPlan, old: Vec<Hash>) -> Self {
        Self {
            plan,
            stage: RotationStage::Planned,
            in_flight: None,
            is_disabled: false,
            old,
            new: None,
            token_id: None,
            version: None,
            successor: None,
            old_ends_at: None,
            delivered_at: None,
            destination: None,
            evidence: None,
        }
    }

    /// How far it is.
    pub fn stage(&self) -> RotationStage {
        self.stage
    }

    /// The effect that was begun and not seen to end.
    pub fn in_flight(&self) -> Option<RotationStep> {
        self.in_flight
    }

    /// Whether it left the token disabled.
    pub fn is_disabled(&self) -> bool {
        self.is_disabled
    }

    /// What comes next; nothing when it is over.
    ///
    /// A secret in wrong hands is retired as soon as the new one is delivered, and only then is the
    /// token accepted again: nothing gives it back. In parallel the old token is never accepted
    /// again.
    pub fn next(&self) -> Option<RotationStep> {
        let disable_first = self.plan.order == RotationOrder::DisableFirst;
        let is_compromised = self.plan.cause == RotationCause::Compromised;
        let to_enable = self.is_disabled && self.plan.mode == RotationMode::InPlace;
        match self.stage {
            RotationStage::Planned if disable_first && !self.is_disabled => {
                Some(RotationStep::Disable)
            }
            RotationStage::Planned if self.plan.cause == RotationCause::Decommission => {
                Some(RotationStep::Retire)
            }
            RotationStage::Planned => Some(RotationStep::Mint),
            RotationStage::Minted => Some(RotationStep::Deliver),
            RotationStage::Delivered if is_compromised => Some(RotationStep::Retire),
            RotationStage::Delivered if to_enable => Some(RotationStep::Enable),
            RotationStage::Delivered => Some(RotationStep::Observe),
            RotationStage::Observed if is_compromised => Some(RotationStep::Finish),
            RotationStage::Observed => Some(RotationStep::Retire),
            RotationStage::Retired if is_compromised && to_enable => Some(RotationStep::Enable),
            RotationStage::Retired if is_compromised => Some(RotationStep::Observe),
            RotationStage::Retired => Some(RotationStep::Finish),
            RotationStage::Done | RotationStage::Aborted => None,
        }
    }

    /// Notes that the old secret turned out to be in wrong hands: no overlap, and no evidence that
    /// it is quiet is waited for.
    pub fn escalate(&mut self) {
        self.plan.cause = RotationCause::Compromised;
        self.plan.overlap = 0;
        // What was observed was that it is quiet, and it is not retired yet.
        if self.stage == RotationStage::Observed {
            self.stage = RotationStage::Delivered;
            self.evidence = None;
        }
    }

    /// Notes that the effect is about to be made.
    pub fn begin(&mut self, step: RotationStep) {
        self.in_flight = Some(step);
    }

    /// Notes that the effect was made.
    pub fn complete(&mut self, step: RotationStep) {
        self.in_flight = None;
        match step {
            RotationStep::Disable => self.is_disabled = true,
            RotationStep::Enable => self.is_disabled = false,
            RotationStep::Mint => self.stage = RotationStage::Minted,
            RotationStep::Deliver => self.stage = RotationStage::Delivered,
            RotationStep::Observe => self.stage = RotationStage::Observed,
            RotationStep::Retire => self.stage = RotationStage::Retired,
            RotationStep::Finish => self.stage = RotationStage::Done,
        }
    }

    /// Notes that the effect was refused and did not happen.
    pub fn refused(&mut self) {
        self.in_flight = None;
    }

    /// Goes back to where a run without the secret in memory can go on.
    pub fn recover(&mut self) -> Recovery {
        let recovery = match (self.stage, self.in_flight) {
            (RotationStage::Planned, Some(RotationStep::Mint)) => Recovery::MintUnanswered,
            (RotationStage::Minted, _) => Recovery::SecretLost,
            _ => Recovery::Nothing,
        };
        if recovery == Recovery::SecretLost {
            self.stage = RotationStage::Planned;
        }
        recovery
    }

    /// Gives it up, where the old secret is still the good one.
    pub fn abort(&mut self) -> Result<(), AbortError> {
        let at_cloudflare = self.plan.origin == TokenOrigin::Cloudflare;
        let in_place = at_cloudflare && self.plan.mode == RotationMode::InPlace;
        let may_be_minted = self.in_flight == Some(RotationStep::Mint) || self.new.is_some();
        match self.stage {
            RotationStage::Planned | RotationStage::Minted | RotationStage::Delivered
                if in_place && may_be_minted =>
            {
                Err(AbortError::MintedInPlace)
            }
            RotationStage::Retired => Err(AbortError::Retired),
            RotationStage::Observed if self.plan.cause == RotationCause::Compromised => {
                Err(AbortError::Retired)
            }
            RotationStage::Done | RotationStage::Aborted => Err(AbortError::Over),
            RotationStage::Observed if in_place => Err(AbortError::MintedInPlace),
            RotationStage::Planned
            | RotationStage::Minted
            | RotationStage::Delivered
            | RotationStage::Observed => {
                self.in_flight = None;
                self.stage = RotationStage::Aborted;
                Ok(())
            }
        }
    }

    /// Whether the old secret ended by itself.
    pub fn old_has_ended(&self, now: u64) -> bool {
        self.old_ends_at.is_some_and(|end| end <= now)
    }
}

impl RotationStage {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Minted => "minted",
            Self::Delivered => "delivered",
            Self::Observed => "observed",
            Self::Retired => "retired",
            Self::Done => "done",
            Self::Aborted => "aborted",
        }
    }
}

#[cfg(test)]
mod tests;
