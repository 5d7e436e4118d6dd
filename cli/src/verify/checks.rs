//! The checks: what each is called, and the function that makes it.

mod early_data;
mod expiry;
mod flood;
mod headers;
mod hosts;
mod large;
mod live;
mod new;
mod race;
mod resumed;
mod smuggling;
mod strangers;

use self::headers::Spelling;
use self::strangers::Defect;
use super::stream::Exchange;
use super::suite::Suite;
use super::tls::{Protocol, Version};
use super::verdict::{Finding, NotRun};

/// One thing that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    NewHandshake,
    Resumed(Version),
    NextRequest(Protocol),
    Running(Exchange),
    HeldHandshake,
    Storm,
    Expired,
    ExpiredSession,
    ExpiredStream,
    Intermediate,
    IntermediateLive,
    StaleCrl,
    OtherIssuer,
    Hold,
    DeltaCrl,
    Ocsp,
    LargeCrl,
    OtherHostSession(Version),
    OtherHost,
    Stranger(Defect),
    EarlyData,
    Spoofed(Spelling),
    Nominated,
    Smuggling,
    Silence,
}

/// A check with its name in reports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) check: Check,
    pub(crate) id: &'static str,
    pub(crate) promise: &'static str,
}

impl Check {
    /// Every check, in the order they are made.
    pub(crate) const ALL: &[Row] = &[
        row(
            Self::NewHandshake,
            "R1",
            "revoked: a new handshake is refused",
        ),
        row(
            Self::Resumed(Version::Tls13),
            "R2-tls13",
            "revoked: a session from before is refused, TLS 1.3",
        ),
        row(
            Self::Resumed(Version::Tls12),
            "R2-tls12",
            "revoked: a session from before is refused, TLS 1.2",
        ),
        row(
            Self::NextRequest(Protocol::Http1),
            "R3",
            "revoked: the next request on a live connection is refused",
        ),
        row(
            Self::NextRequest(Protocol::Http2),
            "R4-new",
            "revoked: a new HTTP/2 stream is refused",
        ),
        row(
            Self::Running(Exchange::Response(Protocol::Http2)),
            "R4-running",
            "revoked: a running HTTP/2 stream is cut",
        ),
        row(
            Self::Running(Exchange::Response(Protocol::Http1)),
            "R5-response",
            "revoked: a streaming response is cut",
        ),
        row(
            Self::Running(Exchange::Upload),
            "R5-upload",
            "revoked: an upload is cut",
        ),
        row(
            Self::Running(Exchange::WebSocket),
            "R5-websocket",
            "revoked: a WebSocket is cut",
        ),
        row(
            Self::HeldHandshake,
            "R6-held",
            "a handshake begun before the CRL and finished after it is refused",
        ),
        row(
            Self::Storm,
            "R6-storm",
            "once the CRL is in force, no handshake of many is let in",
        ),
        row(
            Self::Expired,
            "R7",
            "expired: the next request on a live connection is refused",
        ),
        row(
            Self::ExpiredSession,
            "R7-resumed",
            "expired: a session from before is refused",
        ),
        row(
            Self::ExpiredStream,
            "R7-stream",
            "expired: a streaming response is cut",
        ),
        row(
            Self::Intermediate,
            "R8",
            "intermediate revoked: a new handshake is refused",
        ),
        row(
            Self::IntermediateLive,
            "R8-live",
            "intermediate revoked: the next request on a live connection is refused",
        ),
        row(
            Self::StaleCrl,
            "R9",
            "past the CRL's nextUpdate nobody is let in",
        ),
        row(
            Self::OtherIssuer,
            "R10",
            "a CRL of another issuer that names the serial revokes nobody",
        ),
        row(
            Self::Hold,
            "R11",
            "certificateHold refuses, and releasing it lets in again",
        ),
        row(Self::DeltaCrl, "R12", "a delta CRL adds to its base"),
        row(
            Self::Ocsp,
            "R13",
            "OCSP: revoked, unknown and silence, by policy",
        ),
        row(
            Self::LargeCrl,
            "R14",
            "a CRL of 1,000,000 entries comes into force and turns nobody else away",
        ),
        row(
            Self::OtherHostSession(Version::Tls13),
            "V1-tls13",
            "a session of a host without client certificates opens none with, TLS 1.3",
        ),
        row(
            Self::OtherHostSession(Version::Tls12),
            "V1-tls12",
            "a session of a host without client certificates opens none with, TLS 1.2",
        ),
        row(
            Self::Stranger(Defect::SplitHello),
            "V7",
            "a ClientHello in many records gets round nothing",
        ),
        row(
            Self::OtherHost,
            "V10",
            "a handshake for another host reaches nothing of this one",
        ),
        row(
            Self::Stranger(Defect::ServerAuthOnly),
            "V17",
            "a certificate for servers only is refused",
        ),
        row(
            Self::Spoofed(Spelling::Plain),
            "V20",
            "identity headers of the client do not reach the upstream",
        ),
        row(
            Self::Spoofed(Spelling::Underscores),
            "V21",
            "the same, spelled with underscores",
        ),
        row(
            Self::Nominated,
            "V22",
            "`Connection:` removes no header of the proxy's",
        ),
        row(
            Self::Smuggling,
            "V24",
            "an ambiguously framed request is refused or ends the connection",
        ),
        row(
            Self::Stranger(Defect::ManyIssuers),
            "V28",
            "a chain of 100 CAs of one name is refused at once",
        ),
        row(
            Self::Stranger(Defect::NoCertificate),
            "C1",
            "no certificate is refused",
        ),
        row(
            Self::Stranger(Defect::UnknownCa),
            "C2",
            "a certificate of an unknown CA is refused",
        ),
        row(
            Self::Stranger(Defect::Forged),
            "C3",
            "another key in the intermediate's name is refused",
        ),
        row(
            Self::Stranger(Defect::SelfSigned),
            "C4",
            "a self-signed certificate of the same name is refused",
        ),
        row(
            Self::Stranger(Defect::Expired),
            "C5",
            "an expired certificate is refused",
        ),
        row(
            Self::Stranger(Defect::NotYetValid),
            "C6",
            "a certificate that is not yet valid is refused",
        ),
        row(
            Self::Stranger(Defect::CaAsLeaf),
            "C7",
            "a CA's certificate is no client's",
        ),
        row(
            Self::Stranger(Defect::UnknownCriticalExtension),
            "C8",
            "an unknown critical extension is refused",
        ),
        row(
            Self::Stranger(Defect::OtherKey),
            "C9",
            "a CertificateVerify by another key is refused",
        ),
        row(
            Self::Stranger(Defect::OversizedChain),
            "C10",
            "a chain of 200 kB is refused",
        ),
        row(
            Self::Stranger(Defect::NoServerName),
            "C11",
            "no SNI and no certificate is refused",
        ),
        row(Self::EarlyData, "C12", "0-RTT is not offered"),
        row(
            Self::Silence,
            "F1",
            "500 silent connections keep no good client out",
        ),
    ];

    /// Makes it.
    pub(crate) async fn run(self, suite: &mut Suite) -> Finding {
        let finding = self.try_run(suite).await.unwrap_or_else(Finding::from);
        if !self.touches_everybody() {
            return finding;
        }
        match suite.reset().await {
            Ok(()) => finding,
            Err(why) => finding.but(format_args!("and did not recover: {why}")),
        }
    }

    /// Whether its CRL turns everybody away, or makes everything slow.
    fn touches_everybody(self) -> bool {
        let checks = [
            Self::Intermediate,
            Self::IntermediateLive,
            Self::StaleCrl,
            Self::LargeCrl,
        ];
        checks.contains(&self)
    }

    async fn try_run(self, suite: &mut Suite) -> Result<Finding, NotRun> {
        match self {
            Self::NewHandshake => new::revoked(suite).await,
            Self::Resumed(version) => resumed::revoked(suite, version).await,
            Self::NextRequest(protocol) => live::next_request(suite, protocol).await,
            Self::Running(exchange) => live::running(suite, exchange).await,
            Self::HeldHandshake => race::held(suite).await,
            Self::Storm => race::storm(suite).await,
            Self::Expired => expiry::next_request(suite).await,
            Self::ExpiredSession => expiry::session(suite).await,
            Self::ExpiredStream => expiry::stream(suite).await,
            Self::Intermediate => new::intermediate(suite).await,
            Self::IntermediateLive => new::intermediate_live(suite).await,
            Self::StaleCrl => expiry::stale_crl(suite).await,
            Self::OtherIssuer => new::other_issuer(suite).await,
            Self::Hold => new::hold(suite).await,
            Self::DeltaCrl => Err(NotRun::because("the suite makes no delta CRLs yet")),
            Self::Ocsp => Err(NotRun::because("the suite runs no OCSP responder yet")),
            Self::LargeCrl => large::million(suite).await,
            Self::OtherHostSession(version) => hosts::session(suite, version).await,
            Self::OtherHost => hosts::misdirected(suite).await,
            Self::Stranger(defect) => strangers::turned_away(suite, defect).await,
            Self::EarlyData => early_data::offered(suite).await,
            Self::Spoofed(spelling) => headers::spoofed(suite, spelling).await,
            Self::Nominated => headers::nominated(suite).await,
            Self::Smuggling => smuggling::framing(suite).await,
            Self::Silence => flood::silence(suite).await,
        }
    }
}

const fn row(check: Check, id: &'static str, promise: &'static str) -> Row {
    Row { check, id, promise }
}
