//! Before anything is measured: the server keeps the policy.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;

use crate::authority::Identity;
use crate::client::{Group, Http, Tickets, visit};
use crate::error::BenchError;
use crate::site::Site;
use crate::targets::{Kind, Target};
use crate::upstream::SEEN;

/// A good client comes through with its name, and nobody else does; then the good one once more,
/// so that a server that refuses everybody proves nothing.
pub(crate) async fn prove(target: &Target, site: &Site) -> Result<(), BenchError> {
    let people = &site.people;
    admitted(target, site).await?;
    refused(target, site, None, "nobody comes in without a certificate").await?;
    let refusals = [
        (&people.untrusted, "an untrusted certificate is refused"),
        (&people.revoked, "a revoked certificate is refused"),
        (&people.wrong_name, "a wrong common name is refused"),
    ];
    for (who, promise) in refusals {
        refused(target, site, Some(who), promise).await?;
    }
    admitted(target, site).await
}

async fn admitted(target: &Target, site: &Site) -> Result<(), BenchError> {
    let promise = "the client's name is forwarded";
    let good = &site.people.good;
    let answer = visit(target.address, config(site, Some(good))?, SEEN).await;
    let seen = match answer {
        Ok((seen, _)) => String::from_utf8_lossy(&seen).into_owned(),
        Err(error) => return Err(violated(target, promise, error.to_string())),
    };
    // Ours forwards the certificate itself (RFC 9440), which holds the name.
    let expected = match target.kind {
        Kind::Postern => format!("client-cert: :{}:\n", STANDARD.encode(good.leaf()?.der())),
        Kind::Nginx | Kind::Haproxy => "x-client-cn: device-0.factory.corp\n".to_owned(),
    };
    if seen.contains(&expected) {
        Ok(())
    } else {
        Err(violated(target, promise, seen))
    }
}

async fn refused(
    target: &Target,
    site: &Site,
    who: Option<&Identity>,
    promise: &'static str,
) -> Result<(), BenchError> {
    let before = site.upstream.requests();
    let answer = visit(target.address, config(site, who)?, SEEN).await;
    let reached = site.upstream.requests() - before;
    match answer {
        Err(_) if reached == 0 => Ok(()),
        Err(error) => {
            let seen = format!("the upstream was asked, and then: {error}");
            Err(violated(target, promise, seen))
        }
        Ok(_) => Err(violated(target, promise, "the answer was 200".to_owned())),
    }
}

fn config(site: &Site, who: Option<&Identity>) -> Result<Arc<ClientConfig>, BenchError> {
    site.tls
        .config(who, Http::One, Group::X25519, Tickets::Ignored)
}

fn violated(target: &Target, promise: &'static str, seen: String) -> BenchError {
    BenchError::Policy {
        kind: target.kind,
        promise,
        seen,
    }
}
