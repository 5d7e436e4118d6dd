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
mod table;

use self::headers::Spelling;
use self::strangers::Defect;
use super::stream::Exchange;
use super::suite::Suite;
use super::tls::{Protocol, Version};
use super::verdict::{Finding, NotRun};

pub(crate) use self::table::Row;

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

impl Check {
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
