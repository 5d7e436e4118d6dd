//! `postern token rotate --drill`: everything once, on a throw-away token of an emulator.

use std::time::Duration;

use postern_ca::Actor;
use postern_cloudflare::access::App;
use postern_cloudflare::minting::find_app;
use postern_cloudflare::rotation::{
    Rotation, RotationCause, RotationMode, RotationOrder, RotationPlan,
};
use postern_policy::TokenName;
use postern_policy::config::{TokenClass, TokenOrigin};

use super::RotateArgs;
use super::journal::Journal;
use super::runner::{Runner, Tools};
use crate::cloudflare::is_emulator;
use crate::cloudflare::lock::Turn;
use crate::commands::Outcome;
use crate::commands::token::create::{Minting, Secret};
use crate::commands::token::delete::{Removal, delete_here};
use crate::commands::token::policies::Policies;
use crate::commands::token::probing::{Freshness, is_refused};
use crate::commands::token::record::recorded_anywhere;
use crate::commands::token::terms::{Life, Terms};
use crate::context::Context;
use crate::delivery::{Credentials, Destination};
use crate::error::{CommandError, Kind};

/// Mints a token, opens the applications of the --test URLs to it, rotates it, sees that the old
/// secret is refused, and deletes it. The record of the rotation stays.
pub(super) fn run(context: &Context, args: &RotateArgs) -> Outcome {
    if !is_emulator() {
        return Err(CommandError::usage(
            "a drill is for an emulator: the API's address is not on loopback",
        )
        .hint("start `access-emulator`, and set CLOUDFLARE_API_BASE to the `api` that it prints"));
    }
    let authority = context.authority()?;
    let terms = terms(args)?;
    let rotation = planned(args);
    let _turn = Turn::of_token(context.home(), &terms.name)?;
    let tools = Tools::new(context, args, &authority, &terms.name, &rotation)?;
    clean_up(&tools)?;
    let rehearsed = rehearse(&tools, &terms, rotation).and_then(|(drill, old)| {
        let outcome = drill.run()?;
        see_refused(&tools, &old)?;
        Ok(outcome)
    });
    // Whatever went wrong, nothing of the drill stays at the emulator or at gateways.
    let cleaned = clean_up(&tools);
    rehearsed.and_then(|outcome| cleaned.map(|()| outcome))
}

/// Mints the token and opens it; the rotation that comes next, and the secret that it is to end.
fn rehearse<'a>(
    tools: &Tools<'a>,
    terms: &'a Terms,
    mut rotation: Rotation,
) -> Result<(Runner<'a>, Credentials), CommandError> {
    let edge = tools.edge.as_ref().ok_or_else(no_edge)?;
    let nowhere = Destination::discarding();
    let minting = Minting {
        edge,
        authority: tools.authority,
        record: tools.record(edge),
        terms,
        destination: &nowhere,
        steps: tools.steps,
    };
    let mut minted = minting.mint(minting.earlier()?)?;
    minting.admit(tools.unlock()?, &minted.token, &minted.secret)?;
    open(tools, &terms.name, minted.token.id())?;
    let record = tools.record(edge);
    record.delivered(&mut minted.object, &nowhere.to_string())?;
    let Secret::InHand(old) = minted.secret else {
        return Err(no_edge());
    };
    tools
        .prober(Freshness::JustChanged)?
        .must_open(&tools.args.test, &old, tools.steps)?;
    rotation.old = vec![old.hash()];
    rotation.token_id = Some(minted.token.id().to_owned());
    let by = Actor::current().to_string();
    let journal = Journal::start(tools.authority.store(), &terms.name, rotation, by)?;
    let tools = Tools::new(
        tools.context,
        tools.args,
        tools.authority,
        &terms.name,
        &journal.rotation,
    )?;
    let mut drill = Runner::new(tools, journal)?;
    drill.destination = Some(nowhere);
    Ok((drill, old))
}

fn open(tools: &Tools<'_>, name: &TokenName, token_id: &str) -> Result<(), CommandError> {
    let edge = tools.edge.as_ref().ok_or_else(no_edge)?;
    let policies = Policies {
        home: tools.context.home(),
        edge,
        record: tools.record(edge),
        steps: tools.steps,
    };
    let mut apps: Vec<App> = Vec::new();
    for url in &tools.args.test {
        let uri: http::Uri = url.parse().map_err(CommandError::usage)?;
        let scope = edge.scope();
        let host = uri.host().unwrap_or_default();
        let app = edge.run(find_app(&edge.client, &scope, host))?;
        if apps.iter().all(|known| known.id() != app.id()) {
            apps.push(app);
        }
    }
    policies.open(name, token_id, &apps, None)?;
    Ok(())
}

/// The retired secret opens nothing.
fn see_refused(tools: &Tools<'_>, old: &Credentials) -> Result<(), CommandError> {
    let prober = tools.prober(Freshness::LongThere)?.once();
    for url in &tools.args.test {
        let report = prober.report(url, old, tools.steps)?;
        if !is_refused(&report.verdict) {
            let message = format!("the retired secret is not refused by {url}");
            return Err(CommandError::new(Kind::Failure, message));
        }
    }
    Ok(())
}

/// Removes the token of this drill, or of one that did not come to its end.
fn clean_up(tools: &Tools<'_>) -> Result<(), CommandError> {
    let edge = tools.edge.as_ref().ok_or_else(no_edge)?;
    let store = tools.authority.store();
    if let Some(object) = recorded_anywhere(store, tools.name)? {
        Removal::new(edge, tools.authority, tools.name, tools.steps).remove(&object)?;
    }
    delete_here(tools.authority, tools.name)?;
    if let Some(mut journal) = Journal::under_way(store, tools.name)? {
        journal.give_up()?;
    }
    Ok(())
}

fn terms(args: &RotateArgs) -> Result<Terms, CommandError> {
    Ok(Terms {
        name: TokenName::parse(NAME).map_err(CommandError::usage)?,
        class: TokenClass::High,
        owner: args.owner.clone(),
        at: TokenOrigin::Cloudflare,
        life: Life::Limited(LIFE),
        reason: args.reason.clone(),
        device: None,
    })
}

fn planned(args: &RotateArgs) -> Rotation {
    let plan = RotationPlan {
        origin: TokenOrigin::Cloudflare,
        mode: RotationMode::InPlace,
        cause: RotationCause::Drill,
        order: RotationOrder::MintFirst,
        reason: args.reason.clone(),
        overlap: args.overlap().as_secs(),
        quiet_for: args.quiet_for().as_secs(),
    };
    Rotation::new(plan, Vec::new())
}

fn no_edge() -> CommandError {
    CommandError::new(Kind::Integrity, "the drill has no token at the emulator")
}

const NAME: &str = "postern-drill-sandbox";
/// A drill that dies leaves nothing that lives longer.
const LIFE: Duration = Duration::from_secs(60 * 60);
