//! Asking servers whether they are well, without waiting for a request to find out.

use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Request};
use postern_policy::UpstreamHealth;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::group::Group;
use super::server::Server;
use crate::state::State;

/// Asks whoever is to be asked, each as often as its application says, for ever.
pub(crate) async fn check_upstreams(state: &State) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running = JoinSet::new();
    let mut tick = 0_u64;
    loop {
        ticks.tick().await;
        for group in state.snapshot().upstreams.groups() {
            if group
                .health()
                .is_some_and(|health| tick.is_multiple_of(health.every.as_secs()))
            {
                let group = Arc::clone(group);
                running.spawn(async move { group.ask_all().await });
            }
        }
        while running.try_join_next().is_some() {}
        tick += 1;
    }
}

impl Group {
    async fn ask_all(&self) {
        if let Some(health) = self.health() {
            for server in self.servers() {
                self.ask(server, health).await;
            }
        }
    }

    async fn ask(&self, server: &Server, health: &UpstreamHealth) {
        let mut request = Request::new(());
        *request.uri_mut() = health.path.parse().expect("a checked path is a URI");
        request.headers_mut().insert(USER_AGENT, AGENT);
        let (parts, ()) = request.into_parts();
        let answer = timeout(PATIENCE.min(health.every), self.ask_for(server, parts)).await;
        let is_well = matches!(&answer, Ok(Ok(answer)) if answer.status().is_success());
        if !server.health.asked(is_well) {
            return;
        }
        let (upstream, path) = (&server.upstream, &health.path);
        match answer {
            Ok(Ok(_)) if is_well => tracing::info!("the upstream {upstream} is well again"),
            Ok(Ok(answer)) => tracing::warn!(
                "the upstream {upstream} answers {path} with {}; the others are asked in its place",
                answer.status()
            ),
            Ok(Err(error)) => tracing::warn!("{error}; the others are asked in its place"),
            Err(_elapsed) => tracing::warn!(
                "the upstream {upstream} does not answer {path}; the others are asked in its place"
            ),
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("postern/", env!("CARGO_PKG_VERSION"), " (health)"));
