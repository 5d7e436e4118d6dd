//! The checked configuration: files read, addresses parsed, every cross-field rule applied.
//!
//! The only constructor is [`Settings::load`], and it is the same for start, reload and
//! `gateway check`. It collects every error, not the first.

mod assertions;
mod cloudflare;
mod files;
mod limits;
mod listen;
mod networks;
mod sources;
mod tickets;
mod upstreams;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postern_pki::{TrustAnchors, WhenStale};
use postern_policy::config::ConfigError;
use postern_policy::{ApplicationName, ApplicationSet, HostName};
use rustls::sign::CertifiedKey;
use rustls_pki_types::UnixTime;
use toml::Spanned;

pub(crate) use self::assertions::AssertionSettings;
pub(crate) use self::limits::Limits;
pub use self::listen::ListenAddress;
pub(crate) use self::tickets::TicketSettings;
use crate::cloudflare::BehindCloudflare;
use crate::config::{GatewayConfig, PeerConfig};
use crate::event::EventTarget;
use crate::follow::FollowSettings;
use crate::networks::Networks;
use crate::upstream::UpstreamTls;

/// What the gateway runs on; made by [`Settings::load`] only.
#[derive(Clone)]
pub struct Settings {
    pub(crate) listen: ListenAddress,
    pub(crate) state: PathBuf,
    pub(crate) events: EventTarget,
    /// Load balancers whose connections begin with a PROXY header.
    pub(crate) proxy_protocol: Networks,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) forwarded_for: Networks,
    /// Where figures and health are told.
    pub(crate) metrics: Option<SocketAddr>,
    /// None: plain HTTP, to a tunnel on this machine.
    pub(crate) server_key: Option<Arc<CertifiedKey>>,
    pub(crate) tickets: TicketSettings,
    pub(crate) anchors: TrustAnchors,
    pub(crate) follow: FollowSettings,
    pub(crate) when_stale: WhenStale,
    pub(crate) default_host: Option<HostName>,
    pub(crate) drain: Duration,
    pub(crate) limits: Limits,
    pub(crate) applications: Arc<ApplicationSet>,
    pub(crate) behind_cloudflare: Option<BehindCloudflare>,
    pub(crate) assertions: Option<AssertionSettings>,
    /// Where the keys of assertions are served.
    pub(crate) jwks_listen: Option<SocketAddr>,
    /// Of each application whose upstream speaks TLS.
    pub(crate) upstream_tls: HashMap<ApplicationName, UpstreamTls>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Checks a `[gateway]` table. Relative paths count from `base`, the folder of the file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its place in the file where it has one.
    pub fn load(
        config: GatewayConfig,
        applications: ApplicationSet,
        base: &Path,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let state = base.join(config.state.get_ref());
        let listen = keep(listen::listen(&config.listen, base), &mut errors);
        let proxy_protocol = keep(networks::proxy_protocol(&config), &mut errors);
        let forwarded_for = keep(networks::forwarded_for(&config), &mut errors);
        let server_key = keep(server_key(&config, base), &mut errors);
        let tickets = keep(TicketSettings::load(&config, base), &mut errors);
        let anchors = keep(files::trust_anchors(&config.trust, base), &mut errors);
        let follow = sources::follow(&config, base, state.clone(), anchors.as_ref());
        let follow = keep(follow, &mut errors);
        let when_stale = keep(sources::when_stale(config.when_stale.as_ref()), &mut errors);
        let default_host = keep(
            default_host(config.default_host.as_ref(), &applications),
            &mut errors,
        );
        let drain = keep(limits::duration(config.drain.as_ref(), DRAIN), &mut errors);
        let limits = keep(Limits::load(&config.limits), &mut errors);
        let front = config.behind_cloudflare.as_ref().map(|front| {
            cloudflare::behind_cloudflare(front, listen.as_ref(), &applications, base)
        });
        let behind_cloudflare = keep(front.transpose(), &mut errors);
        let assertions = assertions::assertions(config.assertions.as_ref(), &applications, base);
        let assertions = keep(assertions, &mut errors);
        let jwks_listen = keep(
            assertions::jwks_listen(config.assertions.as_ref()),
            &mut errors,
        );
        let only_for_tunnel = keep(needs_a_tunnel(&config, listen.as_ref()), &mut errors);
        let metrics = keep(
            listen::loopback("metrics", config.metrics.as_ref(), METRICS_HINT),
            &mut errors,
        );
        let upstream_tls = keep(upstreams::upstream_tls(&applications, base), &mut errors);
        let all = (|| {
            Some(Self {
                listen: listen?,
                state,
                events: events(&config, base),
                proxy_protocol: proxy_protocol?,
                forwarded_for: forwarded_for?,
                metrics: metrics?,
                server_key: server_key?,
                tickets: tickets?,
                anchors: anchors?,
                follow: follow?,
                when_stale: when_stale?,
                default_host: default_host?,
                drain: drain?,
                limits: limits?,
                applications: Arc::new(applications),
                behind_cloudflare: only_for_tunnel.and(behind_cloudflare)?,
                assertions: assertions?,
                jwks_listen: jwks_listen?,
                upstream_tls: upstream_tls?,
            })
        })();
        all.ok_or(errors)
    }

    /// The address that will be bound.
    #[must_use]
    pub fn listen(&self) -> &ListenAddress {
        &self.listen
    }

    /// The folder where the pid file and the outcome of the last reload are found.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Where events go.
    #[must_use]
    pub fn events(&self) -> &EventTarget {
        &self.events
    }

    /// The applications behind this gateway.
    #[must_use]
    pub fn applications(&self) -> &ApplicationSet {
        &self.applications
    }

    /// What loads and will not do what it is there for.
    pub(crate) fn warnings(&self, now: UnixTime) -> Vec<String> {
        let unusable = self.anchors.unusable(now);
        unusable
            .map(|(anchor, why)| {
                let subject = anchor.subject();
                format!("the trust anchor {subject} admits nobody: {why}; see `[gateway] trust`")
            })
            .collect()
    }

    /// Tells the warnings to whoever starts or reloads the gateway.
    pub(crate) fn warn(&self, now: UnixTime) {
        for warning in self.warnings(now) {
            tracing::warn!("{warning}");
        }
    }

    /// What a reload to `new` cannot change in a running gateway.
    pub(crate) fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let differs = [
            ("listen", self.listen != new.listen),
            ("state", self.state != new.state),
            ("events", self.events != new.events),
            ("metrics", self.metrics != new.metrics),
            (
                "assertions.jwks_listen",
                self.jwks_listen != new.jwks_listen,
            ),
            (
                "limits.max_connections",
                self.limits.max_connections != new.limits.max_connections,
            ),
            (
                "limits.max_handshakes",
                self.limits.max_handshakes != new.limits.max_handshakes,
            ),
        ];
        differs
            .into_iter()
            .filter_map(|(name, differs)| differs.then_some(name))
            .collect()
    }

    /// The new settings as far as a running gateway can take them.
    pub(crate) fn keeping_what_needs_a_restart(mut self, old: &Self) -> Self {
        self.listen.clone_from(&old.listen);
        self.state.clone_from(&old.state);
        self.follow.state.clone_from(&old.follow.state);
        self.events.clone_from(&old.events);
        self.metrics = old.metrics;
        self.jwks_listen = old.jwks_listen;
        self.limits.max_connections = old.limits.max_connections;
        self.limits.max_handshakes = old.limits.max_handshakes;
        if let (Some(new), Some(old)) = (&mut self.behind_cloudflare, &old.behind_cloudflare)
            && new.keys.source() == old.keys.source()
        {
            new.keys = Arc::clone(&old.keys);
        }
        self
    }
}

fn events(config: &GatewayConfig, base: &Path) -> EventTarget {
    match config.events.as_ref().map(Spanned::get_ref) {
        None => EventTarget::Stdout,
        Some(word) if word == "stdout" => EventTarget::Stdout,
        Some(path) => EventTarget::File(base.join(path)),
    }
}

/// Splits results so that all errors are told, not only the first.
fn keep<T>(result: Result<T, Vec<ConfigError>>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.map_err(|found| errors.extend(found)).ok()
}

/// Whether a URL leads to this machine, by its address.
fn is_loopback(url: &reqwest::Url) -> bool {
    url.host_str()
        .and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok())
        .is_some_and(|address| address.is_loopback())
}

/// One error at a place in the file.
fn error<T>(at: &Spanned<T>, message: String, hint: &str) -> Vec<ConfigError> {
    vec![ConfigError {
        span: Some(at.span()),
        message,
        hint: Some(hint.to_owned()),
    }]
}

/// The server certificate; a tunnel needs none, and one that is there would mislead.
fn server_key(
    config: &GatewayConfig,
    base: &Path,
) -> Result<Option<Arc<CertifiedKey>>, Vec<ConfigError>> {
    let front = config.behind_cloudflare.as_ref();
    let is_tunnel = front.is_some_and(|front| matches!(front.peer.get_ref(), PeerConfig::Tunnel));
    match (&config.certificate, &config.key) {
        (None, None) if is_tunnel => Ok(None),
        (Some(unused), _) | (None, Some(unused)) if is_tunnel => Err(error(
            unused,
            "cloudflared connects without TLS, and no certificate is shown to it".to_owned(),
            "remove `certificate` and `key`",
        )),
        (Some(certificate), Some(key)) => {
            files::certified_key(certificate, key, "server", base).map(Some)
        }
        (None, _) | (_, None) => Err(vec![ConfigError {
            span: None,
            message: "`[gateway]` needs the server's `certificate` and its `key`".to_owned(),
            hint: Some("write certificate = \"server.crt\" and key = \"server.key\"".to_owned()),
        }]),
    }
}

/// Whoever else may connect speaks TLS over TCP.
fn needs_a_tunnel(
    config: &GatewayConfig,
    listen: Option<&ListenAddress>,
) -> Result<(), Vec<ConfigError>> {
    match (listen, &config.behind_cloudflare) {
        (Some(ListenAddress::Unix(_)), None) => Err(error(
            &config.listen,
            "a Unix socket is for cloudflared".to_owned(),
            "add [gateway.behind_cloudflare] with peer = \"tunnel\", or listen on an address",
        )),
        _ => Ok(()),
    }
}

fn default_host(
    value: Option<&Spanned<String>>,
    applications: &ApplicationSet,
) -> Result<Option<HostName>, Vec<ConfigError>> {
    let Some(value) = value else { return Ok(None) };
    let host = HostName::parse(value.get_ref()).map_err(|why| {
        error(
            value,
            format!("`default_host` is no host name: {why}"),
            HOST_HINT,
        )
    })?;
    match applications.client_auth(&host) {
        Some(_) => Ok(Some(host)),
        None => {
            let message = format!(
                "`default_host` is {:?}, which no application has",
                value.get_ref()
            );
            Err(error(value, message, HOST_HINT))
        }
    }
}

const METRICS_HINT: &str =
    "write metrics = \"127.0.0.1:9464\"; a collector elsewhere gets there by a tunnel or a sidecar";
const DRAIN: Duration = Duration::from_secs(30);
const HOST_HINT: &str =
    "give one of the applications' hosts, or leave it out to refuse such clients";
