//! `quickstart --once`: the four requests, made for real over the network.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use super::client::{Credential, ask};
use super::make::{CLIENT, Playground};
use crate::commands::Outcome;
use crate::commands::cert::revoke_name;
use crate::error::CommandError;
use crate::output::print;

/// Events are written by a thread of their own.
const EVENT_WAIT: Duration = Duration::from_secs(5);
/// A revocation takes effect within a second; a machine with other work to do gets more time before
/// we say that it does not work. The line says how long it took.
const REVOCATION_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn try_all(playground: &Playground, address: SocketAddr) -> Outcome {
    let requests = [
        (
            "with the certificate",
            Credential::Certificate,
            StatusCode::OK,
        ),
        ("with the service token", Credential::Token, StatusCode::OK),
        (
            "with neither",
            Credential::Nothing,
            StatusCode::UNAUTHORIZED,
        ),
    ];
    let mut good = true;
    for (what, credential, expected) in requests {
        let answer = ask(playground, address, &credential).await?;
        let logged = logged(playground, |event| {
            has(event, "request_id", &answer.request_id)
        })
        .await?;
        let as_expected = answer.status == expected && logged.is_some();
        good &= as_expected;
        print(&line(
            as_expected,
            what,
            answer.status.as_str(),
            logged.is_some(),
            &answer.request_id,
        ))?;
    }
    good &= revoked_is_refused(playground, address).await?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Revokes the client and asks again on new connections until one is refused.
async fn revoked_is_refused(
    playground: &Playground,
    address: SocketAddr,
) -> Result<bool, CommandError> {
    let authority = playground.authority()?;
    let started = Instant::now();
    let revoked = tokio::task::block_in_place(|| revoke_name(&authority, CLIENT))?;
    let serial = revoked
        .first()
        .map(|record| record.serial.to_string())
        .unwrap_or_default();
    let mut refused = None;
    while refused.is_none() && started.elapsed() < REVOCATION_WAIT {
        match ask(playground, address, &Credential::Certificate).await {
            Err(_) => refused = Some(started.elapsed()),
            Ok(_) => sleep(Duration::from_millis(10)).await,
        }
    }
    // The first refusal may have been a connection cut in the middle of a request; from here on
    // the handshake itself is refused.
    let again = ask(playground, address, &Credential::Certificate).await;
    let is_refusal =
        |event: &Value| has(event, "serial", &serial) && has(event, "event", "handshake");
    let event = logged(playground, is_refusal).await?;
    let request_id = event
        .as_ref()
        .and_then(|event| event.get("request_id")?.as_str().map(str::to_owned));
    let result = match refused {
        Some(after) => format!(
            "refused {} ms after the start of the revocation",
            after.as_millis()
        ),
        None => format!("still admitted after {} ms", started.elapsed().as_millis()),
    };
    let good = refused.is_some() && again.is_err() && event.is_some();
    print(&line(
        good,
        "with the revoked certificate",
        &result,
        event.is_some(),
        &request_id.unwrap_or_default(),
    ))?;
    Ok(good)
}

fn line(good: bool, what: &str, result: &str, logged: bool, request_id: &str) -> String {
    let verdict = if good { "ok  " } else { "FAIL" };
    let log = if logged {
        "in the event log"
    } else {
        "NOT in the event log"
    };
    format!("{verdict} {what}: {result}; request {request_id} is {log}\n")
}

/// Waits for an event.
async fn logged(
    playground: &Playground,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Option<Value>, CommandError> {
    let started = Instant::now();
    loop {
        let text = postern_ca::files::read(&playground.path("events.jsonl"))?;
        let text = String::from_utf8_lossy(&text);
        let mut events = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        match events.find(&wanted) {
            Some(event) => return Ok(Some(event)),
            None if started.elapsed() > EVENT_WAIT => return Ok(None),
            None => sleep(Duration::from_millis(20)).await,
        }
    }
}

fn has(event: &Value, key: &str, value: &str) -> bool {
    event.get(key).and_then(Value::as_str) == Some(value)
}
