//! What is asked for while a rotation is under way, and what that one was begun with.

use postern_cloudflare::rotation::{RotationCause, RotationMode, RotationOrder, RotationPlan};
use postern_policy::TokenName;

use super::RotateArgs;
use super::journal::Journal;
use crate::delivery::Existing;
use crate::error::{CommandError, Kind};

/// Takes up what can change half-way, a compromise, and refuses what cannot: nobody is left to believe
/// that they have what they asked for.
pub(super) fn settle(
    args: &RotateArgs,
    cause: RotationCause,
    name: &TokenName,
    journal: &mut Journal<'_>,
) -> Result<(), CommandError> {
    refuse_another_place(args, name, journal)?;
    let plan = &journal.rotation.plan;
    if let Some(differs) = difference(args, cause, plan) {
        let message = format!("a rotation of {name} is under way, and {differs}");
        return Err(CommandError::new(Kind::Conflict, message).hint(format!(
            "`postern token rotate {name} --resume` goes on as it began; `--abort` gives it up"
        )));
    }
    let is_worse = cause == RotationCause::Compromised
        && !matches!(
            plan.cause,
            RotationCause::Compromised | RotationCause::Decommission
        );
    if is_worse {
        journal.rotation.escalate();
        journal.rotation.plan.reason.clone_from(&args.reason);
        journal.save()?;
    }
    Ok(())
}

/// A secret that was delivered goes nowhere else: whoever names another place would look for it there.
/// With --resume a place only says where it can be read.
fn refuse_another_place(
    args: &RotateArgs,
    name: &TokenName,
    journal: &Journal<'_>,
) -> Result<(), CommandError> {
    let asked = args.delivery.destination(Existing::Refused);
    let asked = asked.map(|place| place.for_token(name).to_string());
    let (Some(asked), Some(delivered)) = (asked, &journal.rotation.destination) else {
        return Ok(());
    };
    if args.resume || asked == *delivered {
        return Ok(());
    }
    let message = format!(
        "a rotation of {name} is under way, and its new secret went to {delivered}, not to {asked}"
    );
    Err(CommandError::new(Kind::Conflict, message).hint(
        "the same command without a destination goes on with that secret; for one more, bring this rotation to its end first (--resume)",
    ))
}

/// What was asked for and is not what the rotation was begun with; what was left out is.
fn difference(
    args: &RotateArgs,
    cause: RotationCause,
    plan: &RotationPlan,
) -> Option<&'static str> {
    let ends_it = plan.cause == RotationCause::Decommission;
    // A compromised secret has no overlap, whatever was asked for.
    let overlap = args
        .overlap
        .filter(|_| plan.cause != RotationCause::Compromised);
    let quiet_for = args.quiet_for.map(|quiet| quiet.as_secs());
    if cause == RotationCause::Decommission && !ends_it {
        return Some("it is to give the token a new secret, not to delete it");
    }
    if ends_it && !args.resume && is_for_a_new_secret(cause) {
        return Some("it is to delete the token, not to give it a new secret");
    }
    if args.parallel && plan.mode != RotationMode::Parallel {
        return Some("it is not --parallel");
    }
    if args.disable_first && plan.order != RotationOrder::DisableFirst {
        return Some("it is not --disable-first");
    }
    if overlap.is_some_and(|overlap| overlap.as_secs() != plan.overlap) {
        return Some("it has another --overlap");
    }
    if quiet_for.is_some_and(|quiet| quiet != plan.quiet_for) {
        return Some("it has another --quiet-for");
    }
    None
}

fn is_for_a_new_secret(cause: RotationCause) -> bool {
    match cause {
        RotationCause::Scheduled | RotationCause::Departure | RotationCause::Drill => true,
        // What is refused and deleted is out of wrong hands too.
        RotationCause::Compromised | RotationCause::Decommission => false,
    }
}
