//! What came of a check.

use std::fmt::{self, Display};
use std::time::Duration;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The target did what it must.
    Pass,
    /// It did not.
    Fail,
    /// The target does not have what the check is about.
    NotApplicable,
    /// Nothing was found out.
    NotRun,
}

impl Verdict {
    /// The word in the reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::NotApplicable => "n/a",
            Self::NotRun => "not run",
        }
    }

    /// The word in JSON.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotApplicable => "not_applicable",
            Self::NotRun => "not_run",
        }
    }
}

/// A verdict and what it rests on.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// From the change (a CRL written, an end passed) to the first refusal.
    pub(crate) took: Option<Duration>,
    pub(crate) evidence: String,
}

/// Why a check came to no verdict: its `?` on the way.
#[derive(Debug)]
pub(crate) struct NotRun(Finding);

impl Finding {
    pub(crate) fn pass(evidence: impl Display) -> Self {
        Self::new(Verdict::Pass, evidence)
    }

    pub(crate) fn fail(evidence: impl Display) -> Self {
        Self::new(Verdict::Fail, evidence)
    }

    pub(crate) fn took(self, took: Duration) -> Self {
        Self {
            took: Some(took),
            ..self
        }
    }

    /// The same with something to add.
    pub(crate) fn but(mut self, more: impl Display) -> Self {
        self.evidence = format!("{}; {more}", self.evidence);
        self
    }

    fn new(verdict: Verdict, evidence: impl Display) -> Self {
        Self {
            verdict,
            took: None,
            evidence: evidence.to_string(),
        }
    }
}

impl NotRun {
    /// The check could not be made.
    pub(crate) fn because(why: impl Display) -> Self {
        Self(Finding::new(Verdict::NotRun, why))
    }

    /// There is nothing to check.
    pub(crate) fn not_applicable(why: impl Display) -> Self {
        Self(Finding::new(Verdict::NotApplicable, why))
    }
}

impl From<NotRun> for Finding {
    fn from(not_run: NotRun) -> Self {
        not_run.0
    }
}

impl Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.evidence)
    }
}
