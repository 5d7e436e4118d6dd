//! Tries on a live account what can be tried without touching anything that is in use: objects of
//! its own, named `postern-live-probe-…`, that are deleted at the end.

mod bench;
mod certificates;
mod rules;
mod tokens;

use serde::Serialize;

use crate::client::{Client, Scope};
use crate::error::ApiError;

use super::questions::{How, live_probe_questions};
use bench::Bench;

/// What the experiments are made of. None of it is used elsewhere.
#[derive(Clone, Debug)]
pub struct Throwaway {
    /// Sets the names of this run's objects apart.
    pub run: String,
    /// A CA made for this, in PEM, and never used to issue.
    pub ca: String,
    /// Another one.
    pub other_ca: String,
    /// A host in one of the account's zones that nothing answers for; without one, what needs a
    /// host is not tried.
    pub host: Option<String>,
}

/// What a live account answered.
#[derive(Clone, Debug, Serialize)]
pub struct LiveReport {
    /// One for each question that was tried.
    pub answers: Vec<LiveAnswer>,
    /// What could not be deleted, to be deleted by hand.
    pub left_behind: Vec<String>,
}

/// The answer to one question.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LiveAnswer {
    /// Which [`LiveQuestion`](super::LiveQuestion).
    pub id: &'static str,
    /// What was seen; there is no secret in it.
    pub observed: String,
}

/// Runs the experiments one after the other, then deletes what they made.
///
/// It writes to the account: ask for consent first. An experiment that fails is an answer too, and
/// the next one is tried.
pub async fn live_probe(client: &Client, scope: &Scope, with: &Throwaway) -> LiveReport {
    let mut bench = Bench::new(client, scope, with);
    bench.sweep().await;
    let mut answers = Vec::new();
    for experiment in Experiment::ALL {
        if experiment.needs_a_host() && with.host.is_none() {
            continue;
        }
        let observed = experiment.run(&mut bench).await;
        answers.push(LiveAnswer {
            id: experiment.id(),
            observed: observed.unwrap_or_else(|error| format!("it could not be tried: {error}")),
        });
    }
    let left_behind = bench.clean_up().await;
    LiveReport {
        answers,
        left_behind,
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Experiment {
    MtlsUpload,
    DuplicateCa,
    ActiveAssociations,
    SeveralCas,
    PatternAsCommonName,
    BadRule,
    Everyone,
    TakenPrecedence,
    TokenInUse,
    SecretForm,
    RotateWithoutOverlap,
}

impl Experiment {
    /// In an order in which one can use what an earlier one made.
    const ALL: [Self; 11] = [
        Self::MtlsUpload,
        Self::DuplicateCa,
        Self::ActiveAssociations,
        Self::SeveralCas,
        Self::PatternAsCommonName,
        Self::BadRule,
        Self::Everyone,
        Self::TakenPrecedence,
        Self::TokenInUse,
        Self::SecretForm,
        Self::RotateWithoutOverlap,
    ];

    /// The question that it answers.
    fn id(self) -> &'static str {
        match self {
            Self::MtlsUpload => "mtls-upload",
            Self::DuplicateCa => "duplicate-ca",
            Self::ActiveAssociations => "active-associations",
            Self::SeveralCas => "several-cas-for-a-host",
            Self::PatternAsCommonName => "pattern-as-common-name",
            Self::BadRule => "bad-rule",
            Self::Everyone => "everyone-as-service-auth",
            Self::TakenPrecedence => "taken-precedence",
            Self::TokenInUse => "token-in-use",
            Self::SecretForm => "secret-form",
            Self::RotateWithoutOverlap => "rotate-without-overlap",
        }
    }

    fn needs_a_host(self) -> bool {
        let mut questions = live_probe_questions().iter();
        questions.any(|it| it.id == self.id() && it.how == How::AdditiveOnHost)
    }

    async fn run(self, bench: &mut Bench<'_>) -> Result<String, ApiError> {
        match self {
            Self::MtlsUpload => certificates::upload(bench).await,
            Self::DuplicateCa => certificates::duplicate(bench).await,
            Self::ActiveAssociations => certificates::active_associations(bench).await,
            Self::SeveralCas => certificates::several(bench).await,
            Self::PatternAsCommonName => rules::pattern_as_common_name(bench).await,
            Self::BadRule => rules::bad_rule(bench).await,
            Self::Everyone => rules::everyone(bench).await,
            Self::TakenPrecedence => rules::taken_precedence(bench).await,
            Self::TokenInUse => tokens::in_use(bench).await,
            Self::SecretForm => tokens::secret_form(bench).await,
            Self::RotateWithoutOverlap => tokens::rotation_without_overlap(bench).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_tried_is_tried_and_nothing_else() {
        let tried: Vec<_> = Experiment::ALL.map(Experiment::id).to_vec();
        for question in live_probe_questions() {
            let by_hand = question.how == How::ByHand;
            assert_eq!(tried.contains(&question.id), !by_hand, "{}", question.id);
        }
        assert_eq!(
            tried.len(),
            live_probe_questions()
                .iter()
                .filter(|it| it.how != How::ByHand)
                .count()
        );
    }
}
