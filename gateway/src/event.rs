//! One JSON line per request, per refused handshake and per thing that happened to the gateway.
//!
//! A [`Record`] is held by value for as long as the request lives. Whichever way the request ends,
//! the record is written exactly once: by [`Record::finish`], or by `Drop` as `aborted`. A
//! [`Notice`] is what happened to the gateway itself.

mod json;
mod log;
mod notice;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use postern_pki::journal::Hash;
use postern_policy::{CertificateIdentity, CommonName, Permit};
use serde::Serialize;

pub(crate) use self::json::{rfc3339, truncated};
pub(crate) use self::log::{EventLog, EventLogThread, Room};
pub use self::log::{EventTarget, OpenEventsError};
pub(crate) use self::notice::{Notice, RevocationNotice};
use crate::metrics::Exchange;
use crate::registry::Cut;

/// Names one request in the answer, in the event and at the upstream: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(u128);

impl RequestId {
    pub(crate) fn random() -> Self {
        let mut octets = [0; 16];
        aws_lc_rs::rand::fill(&mut octets).expect("the system's random source works");
        Self(u128::from_be_bytes(octets))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a record is about.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordKind {
    Request,
    Handshake,
}

impl RecordKind {
    /// As in the line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Handshake => "handshake",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordDecision {
    Permit,
    Deny,
    Aborted,
}

impl RecordDecision {
    /// As in the line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Aborted => "aborted",
        }
    }
}

/// The one line about one request or one refused handshake.
pub(crate) struct Record {
    /// Taken by the one write.
    room: Option<Room>,
    started: Instant,
    cut: Option<Arc<Cut>>,
    fields: Box<Fields>,
}

/// The line's keys, in the order they are written.
#[derive(Serialize)]
struct Fields {
    time: String,
    event: RecordKind,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<String>,
    decision: RecordDecision,
    reason: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    common_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<&'static str>,
    peer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    duration_ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Record {
    /// Opens the record; from here on every exit writes it.
    pub(crate) fn open(
        room: Room,
        kind: RecordKind,
        request_id: RequestId,
        address: IpAddr,
        cut: Option<Arc<Cut>>,
    ) -> Self {
        let fields = Fields {
            time: rfc3339(std::time::SystemTime::now()),
            event: kind,
            request_id: request_id.to_string(),
            application: None,
            decision: RecordDecision::Aborted,
            reason: Cow::Borrowed("client_gone"),
            policy: None,
            rule: None,
            method: None,
            common_name: None,
            serial: None,
            fingerprint: None,
            not_after: None,
            client_id: None,
            secret_sha256: None,
            via: None,
            peer: address.to_string(),
            host: None,
            user_agent: None,
            status: None,
            duration_ms: 0,
            detail: None,
        };
        let started = Instant::now();
        Self {
            room: Some(room),
            started,
            cut,
            fields: Box::new(fields),
        }
    }

    /// Notes whose certificate it is.
    pub(crate) fn certificate(&mut self, identity: &CertificateIdentity) {
        let not_after = std::time::UNIX_EPOCH
            .checked_add(std::time::Duration::from_secs(identity.not_after))
            .map(rfc3339);
        self.fields.common_name = identity
            .common_name
            .as_ref()
            .map(|name| truncated(name.as_str()));
        self.fields.serial = Some(identity.serial.to_string());
        self.fields.fingerprint = Some(identity.fingerprint.to_string());
        self.fields.not_after = not_after;
    }

    /// Notes the name of a certificate that somebody else verified.
    pub(crate) fn common_name(&mut self, name: &CommonName) {
        self.fields.common_name = Some(truncated(name.as_str()));
    }

    /// Notes that it came by way of Cloudflare, which is who the connection is from.
    pub(crate) fn via_cloudflare(&mut self) {
        self.fields.via = Some("cloudflare");
    }

    /// Notes the client's own address, where the connection is from somebody in between.
    pub(crate) fn client_address(&mut self, address: IpAddr) {
        self.fields.peer = address.to_string();
    }

    /// Counts the duration from an earlier moment.
    pub(crate) fn began(&mut self, started: Instant) {
        self.started = started;
    }

    /// Notes the host that was asked for (SNI at a handshake).
    pub(crate) fn host(&mut self, host: &str) {
        self.fields.host = Some(truncated(host));
    }

    /// Notes what the client calls itself.
    pub(crate) fn user_agent(&mut self, value: &[u8]) {
        self.fields.user_agent = Some(truncated(&String::from_utf8_lossy(value)));
    }

    /// Notes the application that host and path led to.
    pub(crate) fn application(&mut self, name: &str) {
        self.fields.application = Some(truncated(name));
    }

    /// Notes the client id of a token we know; an unknown one may be a secret in the wrong place.
    pub(crate) fn client_id(&mut self, client_id: &str) {
        self.fields.client_id = Some(truncated(client_id));
    }

    /// The same of one whose secret we saw. The secret's SHA-256, which is public, tells when the old one is used no more.
    pub(crate) fn token(&mut self, client_id: &str, secret: &Hash) {
        self.client_id(client_id);
        self.fields.secret_sha256 = Some(secret.to_string());
    }

    /// Notes the policy and rule that permitted it.
    pub(crate) fn permitted(&mut self, permit: &Permit) {
        self.fields.decision = RecordDecision::Permit;
        self.fields.reason = Cow::Borrowed("permitted");
        self.fields.policy = Some(truncated(permit.policy()));
        self.fields.rule = Some(truncated(&permit.rule()));
        self.fields.method = Some(permit.method().as_str());
    }

    /// Notes why it is refused; `detail` is for the operator, never for the client.
    pub(crate) fn refused(&mut self, reason: &'static str, detail: &str) {
        self.fields.decision = RecordDecision::Deny;
        self.fields.reason = Cow::Borrowed(reason);
        self.fields.detail = Some(truncated(detail));
    }

    /// Notes the policy and rule that denied it.
    pub(crate) fn denied_by(&mut self, policy: &str, rule: &str) {
        self.fields.policy = Some(truncated(policy));
        self.fields.rule = Some(truncated(rule));
    }

    /// Notes what went wrong after a permit; the permit stays on the line.
    pub(crate) fn failed(&mut self, reason: &'static str, detail: &str) {
        self.fields.reason = Cow::Borrowed(reason);
        self.fields.detail = Some(truncated(detail));
    }

    /// Notes the status line that goes to the client.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.fields.status = Some(status.as_u16());
    }

    /// Whether the connection was cut under it.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.reason().is_some())
    }

    /// Writes the line: the exchange ended as it should.
    pub(crate) fn finish(mut self) {
        self.write();
    }

    fn write(&mut self) {
        let took = self.started.elapsed();
        self.fields.duration_ms = took.as_millis();
        if let Some(room) = self.room.take() {
            room.metrics().exchange(&Exchange {
                kind: self.fields.event,
                application: self.fields.application.as_deref(),
                decision: self.fields.decision,
                reason: &self.fields.reason,
                took,
            });
            room.write(&*self.fields);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.room.is_none() {
            return;
        }
        self.fields.decision = RecordDecision::Aborted;
        if let Some(reason) = self.cut.as_ref().and_then(|cut| cut.reason()) {
            self.fields.reason = Cow::Borrowed(reason.code());
        } else if self.fields.reason == "permitted" {
            self.fields.reason = Cow::Borrowed("client_gone");
        }
        self.write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::CutReason;

    async fn written(use_it: impl AsyncFnOnce(&EventLog)) -> Vec<serde_json::Value> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let thread =
            EventLogThread::start(&EventTarget::File(path.clone()), Arc::default()).unwrap();
        use_it(thread.log()).await;
        thread.close().await;
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn open(log: &EventLog, cut: Option<Arc<Cut>>) -> Record {
        Record::open(
            log.room().await.ok().unwrap(),
            RecordKind::Request,
            RequestId::random(),
            [192, 0, 2, 1].into(),
            cut,
        )
    }

    #[tokio::test]
    async fn a_finished_record_is_written_once() {
        let lines = written(async |log| {
            let mut record = open(log, None).await;
            record.application("telemetry");
            record.refused("no_policy_matched", "nobody");
            record.answered(StatusCode::FORBIDDEN);
            record.finish();
        })
        .await;
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["event"], "request");
        assert_eq!(lines[0]["decision"], "deny");
        assert_eq!(lines[0]["reason"], "no_policy_matched");
        assert_eq!(lines[0]["status"], 403);
        assert_eq!(lines[0]["peer"], "192.0.2.1");
        assert_eq!(lines[0]["request_id"].as_str().unwrap().len(), 32);
    }

    #[tokio::test]
    async fn a_dropped_record_is_written_as_aborted_with_the_cause_of_the_cut() {
        let lines = written(async |log| {
            drop(open(log, None).await);
            let cut = Arc::new(Cut::default());
            let record = open(log, Some(Arc::clone(&cut))).await;
            cut.now(CutReason::Revoked);
            drop(record);
        })
        .await;
        assert_eq!(lines[0]["decision"], "aborted");
        assert_eq!(lines[0]["reason"], "client_gone");
        assert_eq!(lines[1]["reason"], "revoked");
    }

    #[tokio::test]
    async fn control_characters_and_long_values_are_tamed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let thread =
            EventLogThread::start(&EventTarget::File(path.clone()), Arc::default()).unwrap();
        let mut record = open(thread.log(), None).await;
        let agent = format!(
            "a\r\n\u{1b}[31m\u{7f}\u{85}\u{202e}\u{2028}{}",
            "x".repeat(5000)
        );
        record.user_agent(agent.as_bytes());
        record.finish();
        thread.close().await;
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(
            text.trim_end().chars().all(|c| (' '..='~').contains(&c)),
            "{text}"
        );
        assert!(text.len() < 1000);
    }
}
