//! `postern device list`

use std::time::Duration;

use clap::{Args, ValueEnum};
use postern_ca::{Device, DeviceState, Label};

use super::{json, matching};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::output::{Listing, Row};
use crate::time;

/// List devices, oldest first
///
/// Examples:
///   postern device list
///   postern device list --label site=plant-2 --expiring 30d
///   postern device list --state revoked -o json
///
/// A device is what all client certificates of one common name belong to. It is `pending` before
/// its first certificate, `active` while it has one that is good or on hold, `expired` when none is
/// good any more, and `revoked` when it gets no other.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
    /// Only those in this state
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// Only those with this label; repeatable, and then all of them
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<Label>,
    /// Only those whose last good certificate ends within this time, such as 30d
    #[arg(long, value_name = "TIME", value_parser = time::parse_duration)]
    expiring: Option<Duration>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Active,
    Expired,
    Revoked,
}

impl State {
    fn device_state(self) -> DeviceState {
        match self {
            Self::Pending => DeviceState::Pending,
            Self::Active => DeviceState::Active,
            Self::Expired => DeviceState::Expired,
            Self::Revoked => DeviceState::Revoked,
        }
    }
}

pub(crate) fn run(context: &Context, args: &ListArgs) -> Outcome {
    let authority = context.authority()?;
    let now = time::now();
    let state = args.state.map(State::device_state);
    let horizon = args
        .expiring
        .map(|within| now.saturating_add(within.as_secs()));
    let devices = matching(&authority, &args.label, |device| {
        let is_soon = |horizon| device.ends_at(now).is_some_and(|end| end < horizon);
        state.is_none_or(|state| device.state_at(now) == state) && horizon.is_none_or(is_soon)
    })?;
    let rows = devices.iter().map(|device| Row {
        cells: cells(device, now),
        json: json(device, now),
    });
    Listing {
        schema: "postern.devices/1",
        columns: &[
            "NAME",
            "STATE",
            "NOT AFTER",
            "ENDS",
            "PROFILE",
            "OWNER",
            "LABELS",
        ],
        rows: rows.collect(),
    }
    .print(context.format)?;
    DONE
}

fn cells(device: &Device, now: u64) -> Vec<String> {
    let end = device.ends_at(now);
    let record = &device.record;
    vec![
        record.name.clone(),
        device.state_at(now).as_str().to_owned(),
        end.map(time::rfc3339).unwrap_or_default(),
        end.map(|end| time::relative(end, now)).unwrap_or_default(),
        record.profile.clone().unwrap_or_default(),
        record.owner.clone().unwrap_or_default(),
        record.labels.to_string(),
    ]
}
