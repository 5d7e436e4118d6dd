//! `postern token rotate --status`

use std::collections::BTreeSet;

use postern_ca::RotationRecord;
use postern_cloudflare::rotation::Rotation;
use postern_policy::TokenName;
use serde_json::{Value, json};

use super::journal;
use super::succession::{advice, left_behind, successors};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Listing, Row, tell};
use crate::time;

pub(super) fn run(context: &Context, name: Option<&TokenName>) -> Outcome {
    let authority = context.authority()?;
    let mut records = authority.store().rotations()?;
    records.retain(|record| name.is_none_or(|name| record.token() == name));
    let successors = successors(authority.store())?;
    let behind = |token: &TokenName| {
        let successor = successors.get(token)?;
        let places = left_behind(context, token, successor)?;
        (!places.is_empty()).then_some((successor, places))
    };
    let rows = records.iter().map(|record| {
        let behind = behind(record.token());
        row(record, behind.map(|(_, places)| places).unwrap_or_default())
    });
    let rows: Result<Vec<Row>, CommandError> = rows.collect();
    Listing {
        schema: "postern.rotations/1",
        columns: &[
            "TOKEN", "STAGE", "NEXT", "SINCE", "OLD ENDS", "EVIDENCE", "BY",
        ],
        rows: rows?,
    }
    .print(context.format)?;
    let tokens: BTreeSet<&TokenName> = records.iter().map(RotationRecord::token).collect();
    for token in tokens {
        if let Some((successor, places)) = behind(token) {
            tell(&format!("warning: {}", advice(token, successor, &places)));
        }
    }
    DONE
}

/// `behind` are the policies of the file that do not know the successor yet.
fn row(record: &RotationRecord, behind: Vec<String>) -> Result<Row, CommandError> {
    let rotation = journal::read(record)?;
    let stage = if rotation.is_disabled() {
        format!("{}, DISABLED", rotation.stage().as_str())
    } else {
        rotation.stage().as_str().to_owned()
    };
    let old_ends = rotation.old_ends_at.map(time::rfc3339);
    Ok(Row {
        cells: vec![
            record.token().to_string(),
            stage,
            next(&rotation).as_str().unwrap_or_default().to_owned(),
            time::rfc3339(record.started_at()),
            old_ends.clone().unwrap_or_default(),
            rotation.evidence.clone().unwrap_or_default(),
            record.started_by().to_owned(),
        ],
        json: json!({
            "token": record.token().as_str(),
            "stage": rotation.stage(),
            "next": next(&rotation),
            "in_flight": rotation.in_flight(),
            "disabled": rotation.is_disabled(),
            "cause": rotation.plan.cause,
            "mode": rotation.plan.mode,
            "reason": rotation.plan.reason,
            "successor": rotation.successor.as_ref().map(|successor| &successor.name),
            "unnamed_in": behind,
            "started_at": time::rfc3339(record.started_at()),
            "started_by": record.started_by(),
            "delivered_at": rotation.delivered_at.map(time::rfc3339),
            "old_ends_at": old_ends,
            "finished_at": record.finished_at.map(time::rfc3339),
            "evidence": rotation.evidence,
        }),
    })
}

fn next(rotation: &Rotation) -> Value {
    rotation.next().map_or(Value::Null, |step| json!(step))
}
