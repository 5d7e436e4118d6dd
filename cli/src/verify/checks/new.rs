//! Connections that begin after the change.

use rcgen::RevocationReason;

use crate::verify::answer::Answer;
use crate::verify::crl::Lists;
use crate::verify::suite::{Suite, Wait};
use crate::verify::tls::Protocol;
use crate::verify::verdict::{Finding, NotRun};

/// R1.
pub(super) async fn revoked(suite: &mut Suite) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    suite
        .ask(&client)
        .await
        .must_admit("the client, before it is revoked")?;
    let lists = Lists::of([client.serial.clone()]);
    let began = suite.revoker.publish(&suite.pki, &lists).await?;
    let wait = suite.until_refused(async || suite.ask(&client).await).await;
    Ok(wait.finding("new handshake", began))
}

/// R8: the root revokes the intermediate that signed the client.
pub(super) async fn intermediate(suite: &mut Suite) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    suite.ask(&client).await.must_admit("the client, before")?;
    let began = suite
        .revoker
        .publish(&suite.pki, &Lists::of_intermediate(&suite.pki))
        .await?;
    let wait = suite.until_refused(async || suite.ask(&client).await).await;
    Ok(wait.finding("new handshake", began))
}

/// R8 on a connection that is there already.
pub(super) async fn intermediate_live(suite: &mut Suite) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    let mut live = suite.live(&client, Protocol::Http1).await?;
    let began = suite
        .revoker
        .publish(&suite.pki, &Lists::of_intermediate(&suite.pki))
        .await?;
    let path = suite.dialer.target.path.clone();
    let wait = suite.until_refused(async || live.get(&path).await).await;
    Ok(wait.finding("next request on the live connection", began))
}

/// R10: the root's list names a serial that only the intermediate gave to anybody.
pub(super) async fn other_issuer(suite: &mut Suite) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    suite.ask(&client).await.must_admit("the client, before")?;
    let entry = (client.serial.clone(), RevocationReason::KeyCompromise);
    let lists = Lists {
        by_root: vec![entry],
        ..Lists::default()
    };
    suite.put_in_force(lists).await?;
    match suite.ask(&client).await {
        answer @ Answer::Admitted(_) => Ok(Finding::pass(format!("the client is {answer}"))),
        answer @ Answer::Refused(_) => Ok(Finding::fail(format!("the client is {answer}"))),
        Answer::Unclear(why) => Err(NotRun::because(why)),
    }
}

/// R11: held, then released.
pub(super) async fn hold(suite: &mut Suite) -> Result<Finding, NotRun> {
    let client = suite.pki.client();
    suite.ask(&client).await.must_admit("the client, before")?;
    let entry = (client.serial.clone(), RevocationReason::CertificateHold);
    let lists = Lists {
        by_intermediate: vec![entry],
        ..Lists::default()
    };
    let began = suite.revoker.publish(&suite.pki, &lists).await?;
    let wait = suite.until_refused(async || suite.ask(&client).await).await;
    let Wait::Refused { how, at } = wait else {
        return Ok(wait.finding("on hold", began));
    };
    let took = at.saturating_duration_since(began);
    suite.revoker.publish(&suite.pki, &Lists::default()).await?;
    Ok(match suite.until_admitted(&client).await {
        Ok(_) => Finding::pass(format!("on hold: {how}; released: let in")).took(took),
        Err(answer) => Finding::fail(format!("on hold: {how}; released: {answer}")).took(took),
    })
}
