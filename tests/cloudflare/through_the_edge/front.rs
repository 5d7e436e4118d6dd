//! The site, the account, the edge and the gateway behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_fixtures::TestPki;
use postern_fixtures::access::{CertificateForwarding, Emulator, Options, Origin};
use postern_tests::{
    DEVICES, GATEWAY, Identity, LOGS, MIXED, Output, PATIENCE, Seen, Site, TestGateway, tls, visit,
};
use rustls::ClientConfig;
use rustls::version::TLS13;
use serde_json::Value;

use crate::support;

/// A site whose hosts lead to an edge, and nowhere else.
pub(crate) struct Front {
    pub(crate) site: Site,
    pub(crate) emulator: Emulator,
    pub(crate) gateway: TestGateway,
}

/// How the gateway tells the edge from everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It connects from an address of its own.
    Address,
    /// It shows a certificate.
    OriginPull,
    /// It is at the end of a tunnel on this machine, without TLS.
    Tunnel,
}

impl Front {
    /// Applied, running, and with the certificate on every request.
    pub(crate) fn new() -> Self {
        Self::over(Way::Address, CertificateForwarding::EveryRequest)
    }

    pub(crate) fn over(way: Way, forwarding: CertificateForwarding) -> Self {
        let site = Site::new();
        let options = Options {
            edge: Some(([127, 0, 0, 1], 0).into()),
            forwarding,
            ..support::quick(Options::default())
        };
        let emulator = Emulator::start(options).unwrap();
        let text = way.config(&site, &emulator);
        site.write_config(&text);
        let pull = TestPki::new();
        std::fs::write(site.path("origin-pull.crt"), pull.root().pem()).unwrap();
        let mut apply = support::command(&site.postern, &emulator, &["cloudflare", "apply"]);
        drop(Output::of(&mut apply).expect_code(0));
        // The tags are Cloudflare's to choose, so the gateway comes second.
        site.write_config(&with_audiences(text, &emulator));
        let gateway = TestGateway::run(&site);
        let pull = site.keep(&pull.client("edge"), "pull");
        emulator.send_to(way.origin(&site, &gateway, &pull));
        Self {
            site,
            emulator,
            gateway,
        }
    }

    /// `postern` with the account in its environment; it must succeed.
    pub(crate) fn run(&self, args: &[&str]) {
        let mut command = support::command(&self.site.postern, &self.emulator, args);
        drop(Output::of(&mut command).expect_code(0));
    }

    /// One page through the edge.
    pub(crate) fn visit(&self, host: &str, path: &str, client: Option<&Identity>) -> Seen {
        self.visit_with(host, path, client, &[])
    }

    pub(crate) fn visit_with(
        &self,
        host: &str,
        path: &str,
        client: Option<&Identity>,
        headers: &[(&str, &str)],
    ) -> Seen {
        let url = format!("https://{host}{path}");
        visit(&self.emulator, &[&url], client, headers).remove(0)
    }

    /// The gateway's event of an answer that came from it or through it.
    pub(crate) fn event(&self, seen: &Seen) -> Value {
        let id = seen.header("x-request-id");
        self.gateway
            .event_of(id.expect("it comes from the gateway"))
    }

    /// Asks until the answer is this one: the gateway follows the journal.
    pub(crate) fn becomes(&self, status: u16, ask: impl Fn() -> Seen) -> Seen {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = ask();
            if seen.status == status {
                return seen;
            }
            assert!(Instant::now() < deadline, "never {status}: {seen:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The edge's own page: the request went no further.
pub(crate) fn stopped_at_the_edge(seen: &Seen) -> bool {
    seen.status == 403
        && seen.body.contains("Cloudflare Access (emulated)")
        && seen.header("x-request-id").is_none()
}

impl Way {
    /// What the gateway calls it.
    fn peer(self) -> &'static str {
        match self {
            // A client that goes round the edge has another one.
            Self::Address => r#"["127.0.0.1/32"]"#,
            Self::OriginPull => r#"{ origin_pull_ca = "origin-pull.crt" }"#,
            Self::Tunnel => r#""tunnel""#,
        }
    }

    /// The one file, with no audience in it yet.
    fn config(self, site: &Site, emulator: &Emulator) -> String {
        let without_tls = |line: &&str| {
            self != Self::Tunnel || !(line.starts_with("certificate") || line.starts_with("key"))
        };
        let gateway: Vec<_> = GATEWAY.lines().filter(without_tls).collect();
        let table = BEHIND
            .replace("{peer}", self.peer())
            .replace("{team}", &emulator.team_domain())
            .replace("{jwks}", &emulator.jwks_url());
        let applications = APPLICATIONS
            .replace("{upstream}", &site.upstream.authority())
            .replace("{devices}", DEVICES)
            .replace("{press}", LOGS)
            .replace("{mixed}", MIXED);
        format!("{}{table}{applications}", gateway.join("\n"))
    }

    /// How the edge connects to the gateway.
    fn origin(self, site: &Site, gateway: &TestGateway, pull: &Identity) -> Origin {
        let address = gateway.address.to_string();
        let with =
            |shown| -> Arc<ClientConfig> { Arc::new(tls(site, shown, b"http/1.1", &[&TLS13])) };
        match self {
            Self::Address => Origin::Https(address, with(None)),
            Self::OriginPull => Origin::Https(address, with(Some(pull))),
            Self::Tunnel => Origin::Http(address),
        }
    }
}

/// The same with the tags that the account gave the applications.
fn with_audiences(mut text: String, emulator: &Emulator) -> String {
    let apps = emulator.as_somebody_else("GET", "access/apps", Value::Null);
    for app in apps.as_array().unwrap() {
        let domain = format!("app = {}\n", app["domain"]);
        assert!(text.contains(&domain), "{domain}");
        text = text.replace(&domain, &format!("{domain}aud = {}\n", app["aud"]));
    }
    text
}

const BEHIND: &str = r#"
[gateway.behind_cloudflare]
peer = {peer}
team_domain = "{team}"
identity = "refuse"
client_certificate = "cf-client-cert-der-base64"
jwks = "{jwks}"
"#;

const APPLICATIONS: &str = r#"
[cloudflare]
ca_name = "Device CA"

[[application]]
name = "telemetry"
hosts = ["{devices}"]
upstream = "http://{upstream}"

[application.cloudflare]
app = "{devices}"

[[application.policy]]
name = "factory"
decision = "non_identity"
include = [{ common_name_pattern = '^device-[0-9]+$' }]
exclude = [{ common_name_pattern = '^device-9[0-9]+$' }]
edge = "certificate+gateway"

[[application]]
name = "press"
hosts = ["{press}"]
upstream = "http://{upstream}"

[application.cloudflare]
app = "{press}"

[[application.policy]]
name = "presses"
decision = "non_identity"
include = [{ common_name_pattern = '^press-[0-9]+$' }]
edge = "expand"

[[application]]
name = "mixed"
hosts = ["{mixed}"]
upstream = "http://{upstream}"

[application.cloudflare]
app = "{mixed}"

[[application.policy]]
name = "ci"
decision = "non_identity"
include = [{ service_token = "ci-deploy-prod" }]
"#;
