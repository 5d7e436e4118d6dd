//! `postern cloudflare adopt`

use clap::{Args, ValueEnum};
use postern_cloudflare::{
    Adoption, Breadth, KnownToken, ObjectKind, Recorder as _, adoptable, adoption_of,
};
use serde_json::json;

use crate::cloudflare::CloudflareArgs;
use crate::cloudflare::ledger::StoreRecorder;
use crate::cloudflare::lock::Turn;
use crate::cloudflare::situation::Situation;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{Listing, Row, tell};
use crate::time;

/// Take objects that are at Cloudflare already into Postern's record, so that `apply` may change them
///
/// Examples:
///   postern cloudflare adopt --all --dry-run
///   postern cloudflare adopt policy 8e9b…
///   postern cloudflare adopt --all
///
/// With --all: every object that has a name that Postern would give it, and every service token that
/// has the client id of one of ours; that rebuilds a record that was lost. Nothing changes at
/// Cloudflare.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AdoptArgs {
    /// What it is
    #[arg(value_enum, required_unless_present = "all", conflicts_with = "all")]
    kind: Option<AdoptKind>,
    /// Its id
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<String>,
    /// Everything that has a name of ours
    #[arg(long)]
    all: bool,
    /// Only show what would be taken over
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AdoptKind {
    /// An uploaded CA
    Certificate,
    /// An application
    App,
    /// A policy of an application
    Policy,
    /// A rule group
    Group,
    /// A service token that gateways know
    ServiceToken,
    /// The policy that came with such a token
    TokenPolicy,
}

impl AdoptKind {
    fn object_kind(self) -> ObjectKind {
        match self {
            Self::Certificate => ObjectKind::Certificate,
            Self::App => ObjectKind::App,
            Self::Policy => ObjectKind::Policy,
            Self::Group => ObjectKind::Group,
            Self::ServiceToken => ObjectKind::ServiceToken,
            Self::TokenPolicy => ObjectKind::TokenPolicy,
        }
    }
}

pub(crate) fn run(context: &Context, args: &AdoptArgs) -> Outcome {
    let config = context.config()?;
    let authority = context.authority()?;
    let edge = args.cloudflare.connect(context)?;
    let _turn = Turn::at_edge(context.home())?;
    let situation = Situation::read(&config, &authority, &edge, Breadth::Everything)?;
    let (desired, remote, ledger) = (
        &situation.translation.desired,
        &situation.remote,
        &situation.ledger,
    );
    let now = time::now();
    let known = authority.store().tokens()?.into_iter();
    let tokens: Vec<KnownToken> = known
        .map(|token| KnownToken {
            name: token.name,
            client_id: token.client_id,
        })
        .collect();
    let found = match (args.kind, &args.id) {
        (Some(kind), Some(id)) => {
            let found = adoption_of(
                desired,
                remote,
                ledger,
                &tokens,
                (kind.object_kind(), id),
                now,
            );
            vec![found.map_err(|error| CommandError::new(Kind::Conflict, error))?]
        }
        _ => adoptable(desired, remote, ledger, &tokens, now),
    };
    print(context, &found)?;
    if args.dry_run || found.is_empty() {
        return DONE;
    }
    let mut recorder = StoreRecorder {
        store: authority.store(),
        account: &edge.account,
    };
    for adoption in &found {
        let recorded = recorder.record(&adoption.owned);
        recorded.map_err(|error| CommandError::new(Kind::Failure, error))?;
    }
    tell(&format!(
        "{} now ours: `postern cloudflare plan` shows what differs.",
        found.len()
    ));
    DONE
}

fn print(context: &Context, found: &[Adoption]) -> Result<(), CommandError> {
    let rows = found.iter().map(|adoption| {
        let owned = &adoption.owned;
        let id = owned.id.clone().unwrap_or_default();
        Row {
            cells: vec![
                owned.kind.as_str().to_owned(),
                owned.name.clone(),
                id.clone(),
                adoption.why.to_owned(),
            ],
            json: json!({
                "kind": owned.kind.as_str(),
                "key": owned.key,
                "name": owned.name,
                "id": id,
                "why": adoption.why,
            }),
        }
    });
    Listing {
        schema: "postern.cloudflare-adopt/1",
        columns: &["KIND", "NAME", "ID", "WHY"],
        rows: rows.collect(),
    }
    .print(context.format)
}
