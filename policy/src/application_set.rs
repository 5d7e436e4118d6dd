//! Every application a gateway serves, and which one a request is for.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;
use thiserror::Error;

use crate::{Application, ApplicationName, HostName, PathPrefix, path};

/// The applications of one configuration, found by host and longest path prefix.
#[derive(Clone, Debug, Default)]
pub struct ApplicationSet {
    applications: Vec<Arc<Application>>,
    hosts: HashMap<HostName, Vec<Route>>,
}

/// One path prefix of a host.
#[derive(Clone, Debug)]
struct Route {
    prefix: PathPrefix,
    application: Arc<Application>,
}

impl ApplicationSet {
    /// Makes the set; every pair of applications that could not be told apart is an error.
    pub fn new(applications: Vec<Application>) -> Result<Self, Vec<ApplicationSetError>> {
        let mut set = Self::default();
        let mut errors = Vec::new();
        for (index, application) in applications.into_iter().map(Arc::new).enumerate() {
            if set
                .applications
                .iter()
                .any(|other| other.name() == application.name())
            {
                errors.push(ApplicationSetError::NameTwice {
                    index,
                    application: application.name().clone(),
                });
            }
            set.add_routes(index, &application, &mut errors);
            set.applications.push(application);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        for routes in set.hosts.values_mut() {
            routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.as_str().len()));
        }
        Ok(set)
    }

    /// The client authentication of the handshake for a host; `None` for a host that nobody serves.
    /// What its applications say counts; where they say nothing, what their policies need.
    pub fn client_auth(&self, host: &HostName) -> Option<ClientAuth> {
        let routes = self.hosts.get(host)?;
        // They agree: see `add_routes`.
        let said = routes.first()?.application.client_auth();
        if said.is_some() {
            return said;
        }
        let needed = routes
            .iter()
            .all(|route| route.application.needs_certificate());
        Some(if needed {
            ClientAuth::Required
        } else {
            ClientAuth::Requested
        })
    }

    /// The application for a request, by the path's octets as they came and will be forwarded.
    pub fn route(&self, host: &HostName, path: &str) -> Result<&Arc<Application>, RouteError> {
        let routes = self.hosts.get(host).ok_or(RouteError::UnknownHost)?;
        let path = path.split('?').next().unwrap_or_default();
        if routes.iter().all(|route| route.prefix.is_root()) {
            return routes
                .first()
                .map(|route| &route.application)
                .ok_or(RouteError::NoApplication);
        }
        if path::is_ambiguous(path) {
            return Err(RouteError::AmbiguousPath);
        }
        let exact = routes.iter().position(|route| route.prefix.covers(path));
        let careless = routes
            .iter()
            .position(|route| route.prefix.covers_ignoring_case(path));
        // An upstream that ignores case would serve `/API` as `/api`: under the other application's
        // policies.
        let length = |place: Option<usize>| {
            place
                .and_then(|p| routes.get(p))
                .map_or(0, |r| r.prefix.as_str().len())
        };
        if length(careless) > length(exact) {
            return Err(RouteError::AmbiguousPath);
        }
        exact
            .and_then(|place| routes.get(place))
            .map(|route| &route.application)
            .ok_or(RouteError::NoApplication)
    }

    /// Whether an application answers for the host.
    pub fn serves(&self, host: &HostName) -> bool {
        self.hosts.contains_key(host)
    }

    /// The applications in file order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Application>> {
        self.applications.iter()
    }

    fn add_routes(
        &mut self,
        index: usize,
        application: &Arc<Application>,
        errors: &mut Vec<ApplicationSetError>,
    ) {
        for host in application.hosts() {
            let routes = self.hosts.entry(host.clone()).or_default();
            let other = routes
                .iter()
                .find(|route| route.application.client_auth() != application.client_auth());
            if let Some(other) = other {
                errors.push(ApplicationSetError::ClientAuthDiffers {
                    index,
                    application: application.name().clone(),
                    other: other.application.name().clone(),
                    host: host.clone(),
                });
            }
            for prefix in application.paths() {
                if let Some(taken) = routes.iter().find(|route| route.prefix == *prefix) {
                    // One host in two spellings is no conflict.
                    if Arc::ptr_eq(&taken.application, application) {
                        continue;
                    }
                    errors.push(ApplicationSetError::RouteTwice {
                        index,
                        application: application.name().clone(),
                        other: taken.application.name().clone(),
                        host: host.clone(),
                        path: prefix.clone(),
                    });
                    continue;
                }
                routes.push(Route {
                    prefix: prefix.clone(),
                    application: Arc::clone(application),
                });
            }
        }
    }
}

/// How a handshake treats client certificates.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Nobody is asked for a certificate, so no client can choose a wrong one.
    #[serde(rename = "none")]
    NotAsked,
    /// A certificate is asked for; a client without one may still have another credential.
    Requested,
    /// No request of this host can be admitted without a certificate, so neither is the handshake.
    Required,
}

impl ClientAuth {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "none",
            Self::Requested => "requested",
            Self::Required => "required",
        }
    }
}

/// Why no application was found for a request.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum RouteError {
    /// Nobody serves the host.
    #[error("no application answers for this host")]
    UnknownHost,
    /// The host is served, but not this path.
    #[error("no application of this host answers for this path")]
    NoApplication,
    /// The upstream may read the path differently than we do.
    #[error("the path can be read in more than one way, and this host decides by path")]
    AmbiguousPath,
}

/// Why applications cannot live in one set; `index` is the place of the later one.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ApplicationSetError {
    /// Two applications have one name.
    #[error("two applications are named `{application}`")]
    NameTwice {
        /// The place of the second application.
        index: usize,
        /// The name.
        application: ApplicationName,
    },
    /// Two applications answer for one host and path.
    #[error("applications `{other}` and `{application}` both answer for `{host}{path}`")]
    RouteTwice {
        /// The place of the second application.
        index: usize,
        /// The second application.
        application: ApplicationName,
        /// The first application.
        other: ApplicationName,
        /// The host of both.
        host: HostName,
        /// The path of both.
        path: PathPrefix,
    },
    /// Two applications of one host say different things about its handshake, which is one.
    #[error(
        "applications `{other}` and `{application}` share the host `{host}` and its handshake: write the same `client_auth` in both"
    )]
    ClientAuthDiffers {
        /// The place of the second application.
        index: usize,
        /// The second application.
        application: ApplicationName,
        /// The first application.
        other: ApplicationName,
        /// The host of both.
        host: HostName,
    },
}

impl ApplicationSetError {
    /// The place of the application at fault.
    pub fn index(&self) -> usize {
        match self {
            Self::NameTwice { index, .. }
            | Self::RouteTwice { index, .. }
            | Self::ClientAuthDiffers { index, .. } => *index,
        }
    }
}

#[cfg(test)]
mod tests;
