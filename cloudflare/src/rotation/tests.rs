use super::*;

fn plan(cause: RotationCause, order: RotationOrder, mode: RotationMode) -> RotationPlan {
    RotationPlan {
        origin: TokenOrigin::Cloudflare,
        mode,
        cause,
        order,
        reason: None,
        overlap: 3600,
        quiet_for: 900,
    }
}

/// The steps of a rotation that nothing interrupts.
fn steps(plan: RotationPlan) -> Vec<RotationStep> {
    let mut rotation = Rotation::new(plan, Vec::new());
    let mut steps = Vec::new();
    while let Some(step) = rotation.next() {
        rotation.begin(step);
        rotation.complete(step);
        steps.push(step);
    }
    assert_eq!(rotation.stage(), RotationStage::Done);
    steps
}

#[test]
fn the_old_secret_is_retired_after_the_new_one_is_delivered_and_seen() {
    use RotationStep::{Deliver, Finish, Mint, Observe, Retire};
    for mode in [RotationMode::InPlace, RotationMode::Parallel] {
        let plan = plan(RotationCause::Scheduled, RotationOrder::MintFirst, mode);
        assert_eq!(steps(plan), [Mint, Deliver, Observe, Retire, Finish]);
    }
}

#[test]
fn disabling_comes_first_only_where_it_was_asked_for_and_is_lifted_after_the_delivery() {
    use RotationStep::{Deliver, Disable, Enable, Finish, Mint, Observe, Retire};
    let plan = plan(
        RotationCause::Scheduled,
        RotationOrder::DisableFirst,
        RotationMode::InPlace,
    );
    assert_eq!(
        steps(plan),
        [Disable, Mint, Deliver, Enable, Observe, Retire, Finish]
    );
}

#[test]
fn a_compromised_secret_is_retired_before_anything_could_give_it_back() {
    use RotationMode::{InPlace, Parallel};
    use RotationOrder::{DisableFirst, MintFirst};
    use RotationStep::{Deliver, Disable, Enable, Finish, Mint, Observe, Retire};
    let of = |order, mode| steps(plan(RotationCause::Compromised, order, mode));
    let straight = [Mint, Deliver, Retire, Observe, Finish];
    assert_eq!(of(MintFirst, InPlace), straight);
    assert_eq!(of(MintFirst, Parallel), straight);
    let enabled = [Disable, Mint, Deliver, Retire, Enable, Observe, Finish];
    assert_eq!(of(DisableFirst, InPlace), enabled);
    // What is disabled is the old token, and that is the compromised one.
    let never = [Disable, Mint, Deliver, Retire, Observe, Finish];
    assert_eq!(of(DisableFirst, Parallel), never);
}

#[test]
fn a_compromise_found_under_way_retires_the_old_secret_from_wherever_it_is() {
    use RotationStep::{Deliver, Mint, Observe, Retire};
    for (done, next) in [
        (&[][..], Mint),
        (&[Mint], Deliver),
        (&[Mint, Deliver], Retire),
        (&[Mint, Deliver, Observe], Retire),
        (&[Mint, Deliver, Observe, Retire], Observe),
    ] {
        let mut rotation = at(done);
        rotation.escalate();
        assert_eq!(rotation.next(), Some(next), "{done:?}");
        assert_eq!(rotation.plan.overlap, 0);
    }
}

#[test]
fn a_decommission_mints_nothing() {
    let plan = plan(
        RotationCause::Decommission,
        RotationOrder::MintFirst,
        RotationMode::InPlace,
    );
    assert_eq!(steps(plan), [RotationStep::Retire, RotationStep::Finish]);
}

fn at(stage: &[RotationStep]) -> Rotation {
    let plan = plan(
        RotationCause::Scheduled,
        RotationOrder::MintFirst,
        RotationMode::InPlace,
    );
    let mut rotation = Rotation::new(plan, Vec::new());
    for &step in stage {
        rotation.begin(step);
        rotation.complete(step);
    }
    rotation
}

#[test]
fn an_undelivered_secret_is_lost_and_minted_anew() {
    let mut minted = at(&[RotationStep::Mint]);
    minted.begin(RotationStep::Deliver);
    assert_eq!(minted.recover(), Recovery::SecretLost);
    assert_eq!(minted.next(), Some(RotationStep::Mint));

    let mut asked = at(&[]);
    asked.begin(RotationStep::Mint);
    assert_eq!(asked.recover(), Recovery::MintUnanswered);
    assert_eq!(asked.next(), Some(RotationStep::Mint));

    let mut delivered = at(&[RotationStep::Mint, RotationStep::Deliver]);
    assert_eq!(delivered.recover(), Recovery::Nothing);
    assert_eq!(delivered.next(), Some(RotationStep::Observe));
}

#[test]
fn it_goes_on_from_what_was_persisted() {
    let mut rotation = at(&[RotationStep::Mint, RotationStep::Deliver]);
    rotation.begin(RotationStep::Observe);
    let text = serde_json::to_string(&rotation).unwrap();
    assert_eq!(serde_json::from_str::<Rotation>(&text).unwrap(), rotation);
}

#[test]
fn what_cloudflare_minted_in_place_cannot_be_taken_back() {
    let mut planned = at(&[]);
    assert_eq!(planned.abort(), Ok(()));
    assert_eq!(planned.next(), None);
    assert_eq!(planned.abort(), Err(AbortError::Over));

    let mut asked = at(&[]);
    asked.begin(RotationStep::Mint);
    assert_eq!(asked.abort(), Err(AbortError::MintedInPlace));

    let mut second = at(&[RotationStep::Mint, RotationStep::Deliver]);
    second.new = Some(Hash::of(b"x"));
    assert_eq!(second.clone().abort(), Err(AbortError::MintedInPlace));
    second.plan.mode = RotationMode::Parallel;
    assert_eq!(second.abort(), Ok(()));

    let all = [
        RotationStep::Mint,
        RotationStep::Deliver,
        RotationStep::Observe,
        RotationStep::Retire,
    ];
    assert_eq!(at(&all).abort(), Err(AbortError::Retired));
    let mut seen = at(&all);
    seen.escalate();
    seen.complete(RotationStep::Observe);
    assert_eq!(seen.abort(), Err(AbortError::Retired));
}
