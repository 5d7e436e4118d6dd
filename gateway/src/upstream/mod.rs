//! To the upstream and back: where permitted requests go, application by application.

mod check;
mod connect;
mod error;
mod group;
mod health;
mod http2;
mod server;
mod tls;

use std::collections::HashMap;
use std::sync::Arc;

use postern_policy::{Application, ApplicationName};

pub(crate) use self::check::check_upstreams;
pub(crate) use self::error::UpstreamError;
pub(crate) use self::group::{Forwarded, Group};
pub(crate) use self::tls::UpstreamTls;
use crate::settings::Settings;

/// The upstreams of every application, each with its connections.
pub(crate) struct Upstreams {
    groups: HashMap<ApplicationName, Arc<Group>>,
}

impl Upstreams {
    /// What the settings say, with the connections of `old` where nothing about them changed.
    pub(crate) fn new(settings: &Settings, old: Option<&Self>) -> Self {
        let groups = settings.applications.iter().map(|application| {
            let name = application.name();
            let new = Group::new(
                application.upstream().clone(),
                settings.upstream_tls.get(name).cloned(),
                &settings.limits,
            );
            let kept = old.and_then(|old| old.groups.get(name));
            let group = kept.filter(|kept| kept.is_as(&new)).cloned();
            (name.clone(), group.unwrap_or_else(|| Arc::new(new)))
        });
        Self {
            groups: groups.collect(),
        }
    }

    fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    /// The upstreams of one of the settings' applications.
    pub(crate) fn of(&self, application: &Application) -> &Group {
        self.groups
            .get(application.name())
            .expect("the groups were made from the same settings as the application")
    }
}
