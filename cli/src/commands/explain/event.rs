//! Looks a request up in the event file.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use postern_gateway::EventTarget;
use serde_json::Value;

use crate::commands::{Outcome, gateway};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::print_object;

pub(super) fn explain(context: &Context, request_id: &str) -> Outcome {
    let settings = gateway::settings(&context.config_path())?;
    let path = match settings.events() {
        EventTarget::File(path) => path.clone(),
        EventTarget::Stdout => {
            return Err(CommandError::new(
                Kind::NotFound,
                "this gateway writes its events to standard output, where they cannot be looked up",
            )
            .hint("search its log for the request id, or set `events` to a file"));
        }
    };
    let event = find(&path, request_id)?.ok_or_else(|| {
        CommandError::new(
            Kind::NotFound,
            format!("{} has no request {request_id}", path.display()),
        )
    })?;
    let fields: Vec<(&str, String)> = event
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.as_str(), text(value)))
        .collect();
    print_object(context.format, "postern.event/1", &fields, event.clone())?;
    let permitted = event.get("decision").and_then(Value::as_str) == Some("permit");
    Ok(if permitted {
        ExitCode::SUCCESS
    } else {
        Kind::Denied.code()
    })
}

/// The last event with this id.
pub(crate) fn find(path: &Path, request_id: &str) -> Result<Option<Value>, CommandError> {
    let file = File::open(path).map_err(|error| {
        CommandError::new(
            Kind::NotFound,
            format!("cannot read {}: {error}", path.display()),
        )
    })?;
    let mut found = None;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| {
            CommandError::new(
                Kind::Failure,
                format!("cannot read {}: {error}", path.display()),
            )
        })?;
        if !line.contains(request_id) {
            continue;
        }
        let event: Option<Value> = serde_json::from_str(&line).ok();
        let matches =
            |event: &Value| event.get("request_id").and_then(Value::as_str) == Some(request_id);
        found = event.filter(matches).or(found);
    }
    Ok(found)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
