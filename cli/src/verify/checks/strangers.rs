//! Clients that no proxy may let in, whatever they show.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::verify::answer::Answer;
use crate::verify::client::Client;
use crate::verify::pki::{ENCODED, Identity, SuitePki, ca_params, new_key};
use crate::verify::suite::Suite;
use crate::verify::tls::{Protocol, Version};
use crate::verify::verdict::{Finding, NotRun};

/// What is wrong with a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    NoCertificate,
    UnknownCa,
    Forged,
    SelfSigned,
    Expired,
    NotYetValid,
    ServerAuthOnly,
    CaAsLeaf,
    UnknownCriticalExtension,
    OversizedChain,
    ManyIssuers,
    OtherKey,
    NoServerName,
    SplitHello,
}

/// Turned away, and within a time that costs the proxy nothing.
pub(super) async fn turned_away(suite: &Suite, defect: Defect) -> Result<Finding, NotRun> {
    let (pki, dialer) = (&suite.pki, &suite.dialer);
    let who = identity(pki, defect);
    let mut config = dialer.config(who.as_ref(), Version::Any, Protocol::Http1);
    config.enable_sni = defect != Defect::NoServerName;
    if defect == Defect::SplitHello {
        // Far smaller than any hello; with a post-quantum share it has 1.5 kB.
        config.max_fragment_size = Some(SMALL_RECORD);
    }
    let began = Instant::now();
    let answer = match Client::connect(dialer, &Arc::new(config)).await {
        Ok(mut client) => client.get(&dialer.target.path).await,
        Err(failure) => failure.into(),
    };
    let took = began.elapsed();
    match answer {
        Answer::Refused(how) if took > LONG => {
            let millis = took.as_millis();
            Ok(Finding::fail(format!("{how}, but only after {millis} ms")))
        }
        Answer::Refused(how) => Ok(Finding::pass(how)),
        Answer::Admitted(_) => Ok(Finding::fail(answer)),
        Answer::Unclear(why) => Err(NotRun::because(why)),
    }
}

fn identity(pki: &SuitePki, defect: Defect) -> Option<Identity> {
    let now = OffsetDateTime::now_utc();
    let minute = time::Duration::MINUTE;
    Some(match defect {
        Defect::NoCertificate | Defect::NoServerName | Defect::SplitHello => return None,
        Defect::OtherKey => pki.client().with_other_key(),
        Defect::UnknownCa => stranger(pki, "Nobody's CA"),
        Defect::Forged => {
            let name = pki.intermediate.certificate().common_names().first();
            let forger = stranger(pki, name.map_or("", String::as_str));
            forger.presenting(vec![pki.intermediate.der()])
        }
        Defect::SelfSigned => pki.self_signed(),
        Defect::Expired => pki.client_with(|params| {
            params.not_before = now - minute * 60;
            params.not_after = now - minute;
        }),
        Defect::NotYetValid => pki.client_with(|params| params.not_before = now + minute * 30),
        Defect::ServerAuthOnly => pki.client_with(|params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        Defect::CaAsLeaf => pki.client_with(|params| {
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }),
        Defect::UnknownCriticalExtension => pki.client_with(|params| {
            let mut unknown = CustomExtension::from_oid_content(UNKNOWN, vec![5, 0]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        }),
        Defect::OversizedChain => {
            let heavy = authorities("Heavy CA", 20, 10_000);
            pki.client().presenting(heavy)
        }
        Defect::ManyIssuers => {
            let many = authorities("Nobody's CA", 100, 0);
            stranger(pki, "Nobody's CA").presenting(many)
        }
    })
}

/// A client of a CA of this name that nobody trusts.
fn stranger(pki: &SuitePki, name: &str) -> Identity {
    let (der, signer) = authority(name, 0);
    pki.client_by(&signer, vec![der], |_| {})
}

/// So many CAs of one name, each with this much ballast.
fn authorities(name: &str, count: usize, ballast: usize) -> Vec<CertificateDer<'static>> {
    (0..count).map(|_| authority(name, ballast).0).collect()
}

fn authority(
    name: &str,
    ballast: usize,
) -> (CertificateDer<'static>, rcgen::Issuer<'static, KeyPair>) {
    let mut params = ca_params(name);
    if ballast > 0 {
        let ballast = CustomExtension::from_oid_content(UNKNOWN, vec![0; ballast]);
        params.custom_extensions.push(ballast);
    }
    let key = new_key();
    let certificate = params.self_signed(&key).expect(ENCODED);
    let der = certificate.der().clone();
    (der, rcgen::Issuer::new(params, key))
}

/// Half a second of work for anybody who asks is an invitation.
const LONG: Duration = Duration::from_millis(500);
const SMALL_RECORD: usize = 64;
const UNKNOWN: &[u64] = &[1, 3, 6, 1, 4, 1, 55_555, 1];
