//! Two hosts behind one address, with different rules about clients.

use std::sync::Arc;

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::{ClientConfig, NamedGroup};
use rustls_pki_types::ServerName;

use crate::verify::answer::{Answer, Failure};
use crate::verify::client::Client;
use crate::verify::suite::Suite;
use crate::verify::tls::{Protocol, Version};
use crate::verify::verdict::{Finding, NotRun};

/// V1 (CVE-2025-23419), V2, V6: a session that began at the other host, where no certificate was
/// asked for, is no way round asking for one here.
pub(super) async fn session(suite: &Suite, version: Version) -> Result<Finding, NotRun> {
    let (host, name) = other(suite)?;
    let target = &suite.dialer.target;
    let mut config = suite.dialer.config(None, version, Protocol::Http1);
    config.resumption = Resumption::store(Arc::new(OneForAll::new(suite)));
    let config = Arc::new(config);
    let there = async || at(suite, &config, name.clone(), target.authority_of(host)).await;
    for _ in 0..2 {
        if let (Answer::Unclear(why), _) = there().await {
            return Err(NotRun::because(format!("{host}: {why}")));
        }
    }
    let (first, offered) = there().await;
    if let Answer::Refused(how) = first {
        let why = format!("{host} lets nobody in without a certificate: {how}");
        return Err(NotRun::not_applicable(why));
    }
    let here = at(
        suite,
        &config,
        target.name.clone(),
        target.authority.clone(),
    );
    let (answer, resumed) = here.await;
    let what = match (offered, resumed) {
        (_, true) => "resumed",
        (true, false) => "not resumed",
        (false, false) => "no session is ever resumed",
    };
    match answer {
        Answer::Refused(how) => Ok(Finding::pass(format!("{what}; {how}"))),
        answer @ Answer::Admitted(_) => Ok(Finding::fail(format!("{what}; {answer}"))),
        Answer::Unclear(why) => Err(NotRun::because(format!("{what}; {why}"))),
    }
}

/// One request on a new connection, and whether its handshake was abbreviated.
async fn at(
    suite: &Suite,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
    authority: String,
) -> (Answer, bool) {
    let asked = async {
        let stream = suite.dialer.tls_as(config, name).await?;
        let mut client = Client::over(stream, authority).await?;
        let answer = client.get(&suite.dialer.target.path).await;
        Ok::<_, Failure>((answer, client.is_resumed()))
    };
    asked
        .await
        .unwrap_or_else(|failure| (failure.into(), false))
}

/// V10: a handshake for another host, without a certificate, reaches nothing of the target's.
pub(super) async fn misdirected(suite: &Suite) -> Result<Finding, NotRun> {
    let (_, name) = other(suite)?;
    let config = suite.dialer.config(None, Version::Any, Protocol::Http1);
    let authority = suite.dialer.target.authority.clone();
    match at(suite, &Arc::new(config), name, authority).await.0 {
        Answer::Refused(how) => Ok(Finding::pass(how)),
        answer @ Answer::Admitted(_) => Ok(Finding::fail(answer)),
        Answer::Unclear(why) => Err(NotRun::because(why)),
    }
}

fn other(suite: &Suite) -> Result<(&str, ServerName<'static>), NotRun> {
    let missing = || NotRun::because("no --other-host");
    let host = suite.options.other_host.as_deref().ok_or_else(missing)?;
    let name = ServerName::try_from(host.to_owned()).map_err(NotRun::because)?;
    Ok((host, name))
}

/// Sessions of the target, presented to whomever.
#[derive(Debug)]
struct OneForAll {
    sessions: ClientSessionMemoryCache,
    name: ServerName<'static>,
}

impl OneForAll {
    fn new(suite: &Suite) -> Self {
        Self {
            sessions: ClientSessionMemoryCache::new(8),
            name: suite.dialer.target.name.clone(),
        }
    }
}

impl ClientSessionStore for OneForAll {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.sessions.set_kx_hint(self.name.clone(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.sessions.kx_hint(&self.name)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.sessions.set_tls12_session(self.name.clone(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.sessions.tls12_session(&self.name)
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.sessions.remove_tls12_session(&self.name);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.sessions.insert_tls13_ticket(self.name.clone(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.sessions.take_tls13_ticket(&self.name)
    }
}
