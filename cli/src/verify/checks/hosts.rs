//! Two hosts behind one address, with different rules about clients.

use std::sync::Arc;

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::{ClientConfig, NamedGroup};
use rustls_pki_types::ServerName;

use super::resumed;
use crate::verify::answer::{Answer, Failure};
use crate::verify::client::Client;
use crate::verify::suite::Suite;
use crate::verify::tls::{Protocol, Version};
use crate::verify::verdict::{Finding, NotRun};

/// V1 (CVE-2025-23419), V2, V6: a session of one host opens no other.
pub(super) async fn session(suite: &Suite, version: Version) -> Result<Finding, NotRun> {
    let (host, name) = other(suite)?;
    let client = suite.pki.client();
    let mut config = suite.dialer.config(Some(&client), version, Protocol::Http1);
    config.resumption = Resumption::store(Arc::new(OneForAll::new(suite)));
    let config = Arc::new(config);
    let offered = resumed::session(suite, &config).await?;
    let (answer, resumed) = match at(suite, &config, name, host).await {
        Ok((answer, resumed)) => (answer, resumed),
        Err(failure) => (failure.into(), false),
    };
    Ok(match (answer, resumed) {
        (answer @ Answer::Admitted(_), true) => Finding::fail(format!("resumed, {answer}")),
        (answer, true) => Finding::pass(format!("resumed, {answer}")),
        (answer, false) if offered => Finding::pass(format!("not resumed there; {answer}")),
        (_, false) => Finding::pass("no session is ever resumed"),
    })
}

async fn at(
    suite: &Suite,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
    host: &str,
) -> Result<(Answer, bool), Failure> {
    let stream = suite.dialer.tls_as(config, name).await?;
    let authority = suite.dialer.target.authority_of(host);
    let mut client = Client::over(stream, authority).await?;
    let answer = client.get(&suite.dialer.target.path).await;
    Ok((answer, client.is_resumed()))
}

/// V10: a handshake for another host, without a certificate, reaches nothing of the target's.
pub(super) async fn misdirected(suite: &Suite) -> Result<Finding, NotRun> {
    let (_, name) = other(suite)?;
    let config = suite.dialer.config(None, Version::Any, Protocol::Http1);
    let asked = async {
        let stream = suite.dialer.tls_as(&Arc::new(config), name).await?;
        let mut client = Client::over(stream, suite.dialer.target.authority.clone()).await?;
        Ok::<_, Failure>(client.get(&suite.dialer.target.path).await)
    };
    match asked.await.unwrap_or_else(Answer::from) {
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
