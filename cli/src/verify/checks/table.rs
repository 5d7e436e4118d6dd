//! What the checks are called, in the order they are made.

use super::Check;
use super::headers::Spelling;
use super::strangers::Defect;
use crate::verify::stream::Exchange;
use crate::verify::tls::{Protocol, Version};

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
}

const fn row(check: Check, id: &'static str, promise: &'static str) -> Row {
    Row { check, id, promise }
}
