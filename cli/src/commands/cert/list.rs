//! `postern cert list`

use std::time::Duration;

use clap::{Args, ValueEnum};
use postern_ca::{CertificateState, Selection};

use super::show;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::time;

/// List certificates, oldest first
///
/// Examples:
///   postern cert list
///   postern cert list --state valid --within 30d
///   postern cert list --name ci-runner-1 -o json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
    /// Only those of exactly this common name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// Only those that end within this time, such as 30d
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    within: Option<Duration>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Valid,
    Held,
    Revoked,
    Expired,
}

impl State {
    fn certificate_state(self) -> CertificateState {
        match self {
            Self::Pending => CertificateState::Pending,
            Self::Valid => CertificateState::Valid,
            Self::Held => CertificateState::Held,
            Self::Revoked => CertificateState::Revoked,
            Self::Expired => CertificateState::Expired,
        }
    }
}

pub(crate) fn run(context: &Context, args: &ListArgs) -> Outcome {
    let authority = context.authority()?;
    let now = time::now();
    let selection = Selection {
        common_name: args.name.clone(),
        ends_before: args
            .within
            .map(|within| now.saturating_add(within.as_secs())),
        ..Selection::default()
    };
    let mut found = authority.store().certificates(&selection)?;
    if let Some(state) = args.state.map(State::certificate_state) {
        found.retain(|record| record.state_at(now) == state);
    }
    show::print_many(context.format, found, now)?;
    DONE
}
