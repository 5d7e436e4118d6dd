//! Experiments with uploaded CAs.

use reqwest::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::bench::{Bench, Kind, told};
use crate::access::{MtlsCertificateUpdate, NewMtlsCertificate};
use crate::error::ApiError;

pub(super) async fn upload(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let listed = bench.observe(Method::GET, &["certificates"], None).await?;
    let uploaded = upload_first(bench).await?;
    Ok(format!("reading {}; uploading {uploaded}", told(&listed)))
}

pub(super) async fn duplicate(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    if bench.last(Kind::Ca).is_none() {
        return Ok("not tried: the first upload was refused".to_owned());
    }
    upload_first(bench).await
}

/// Clearing the hosts is read back first: what is asked is how long the DELETE is refused after
/// that.
pub(super) async fn active_associations(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let Some(id) = bench.last(Kind::Ca) else {
        return Ok("not tried: the first upload was refused".to_owned());
    };
    set_hosts(bench, &id, bench.with.host.clone().into_iter().collect()).await?;
    let with_hosts = bench
        .observe(Method::DELETE, &["certificates", &id], None)
        .await?;
    set_hosts(bench, &id, Vec::new()).await?;
    let cleared = Instant::now();
    let mut refusals = 0;
    let last = loop {
        let answer = bench
            .observe(Method::DELETE, &["certificates", &id], None)
            .await?;
        if answer.status < 300 || refusals == MOST_REFUSALS {
            break answer;
        }
        refusals += 1;
        sleep(bench.client.pace().settle).await;
    };
    if last.status < 300 {
        bench.forget(&id);
    }
    Ok(format!(
        "with hosts {}; cleared, refused {refusals} times in {} s, then {}",
        told(&with_hosts),
        cleared.elapsed().as_secs(),
        told(&last),
    ))
}

pub(super) async fn several(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let hosts: Vec<String> = bench.with.host.clone().into_iter().collect();
    let mut answers = Vec::new();
    for (what, pem) in [("old", &bench.with.ca), ("new", &bench.with.other_ca)] {
        let new = NewMtlsCertificate {
            name: bench.name(what),
            certificate: pem.clone(),
            associated_hostnames: hosts.clone(),
        };
        match bench.client.create_certificate(bench.scope, &new).await {
            Ok(made) => {
                bench.owns(Kind::Ca, made.id());
                answers.push(format!(
                    "{what}: accepted for {:?}",
                    made.associated_hostnames()
                ));
            }
            Err(error) => answers.push(format!("{what}: {error}")),
        }
    }
    Ok(answers.join("; "))
}

async fn upload_first(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let body = json!({ "name": bench.name("ca"), "certificate": bench.with.ca });
    Ok(told(&bench.make(Kind::Ca, &body).await?))
}

async fn set_hosts(bench: &Bench<'_>, id: &str, hosts: Vec<String>) -> Result<(), ApiError> {
    let update = MtlsCertificateUpdate {
        name: None,
        associated_hostnames: hosts,
    };
    bench
        .client
        .update_certificate(bench.scope, id, &update)
        .await?;
    Ok(())
}

/// With 2 s between them, about a minute.
const MOST_REFUSALS: u32 = 30;
