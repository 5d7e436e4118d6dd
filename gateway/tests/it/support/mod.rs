//! A gateway between a client and an upstream, all in this process.

mod client;
mod publisher;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_fixtures::{Issued, TestPki};
use postern_gateway::{Gateway, GatewayConfig, GatewayHandle, LoadError, RunError, Settings};
use postern_policy::config::{ApplicationConfig, applications};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use client::{
    AnyBody, Client, Protocol, client_config, connect, empty as empty_body, full as full_body, raw,
    raw_version,
};
pub(crate) use publisher::{Publisher, TOKEN_ID, TOKEN_SECRET};
pub(crate) use upstream::Upstream;

pub(crate) const DEVICES: &str = "devices.example.com";
pub(crate) const MIXED: &str = "mixed.example.com";
pub(crate) const OPEN: &str = "open.example.com";
/// Long enough for the slowest machine; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Everything one test needs.
pub(crate) struct World {
    pub(crate) pki: TestPki,
    pub(crate) upstream: Upstream,
    pub(crate) publisher: Publisher,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) handle: GatewayHandle,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<Result<(), RunError>>,
}

#[derive(Deserialize)]
struct ConfigFile {
    gateway: GatewayConfig,
    application: Vec<ApplicationConfig>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more lines in `[gateway]`.
    pub(crate) async fn start_with(extra: &str) -> Self {
        Self::build(TestPki::new(), extra, None, |_| {}).await
    }

    /// With something done to the folder before the gateway opens it.
    pub(crate) async fn start_after(prepare: impl FnOnce(&Path)) -> Self {
        Self::build(TestPki::new(), "", None, prepare).await
    }

    /// With another upstream than the echo.
    pub(crate) async fn start_in_front_of(authority: &str, extra: &str) -> Self {
        Self::build(TestPki::new(), extra, Some(authority), |_| {}).await
    }

    async fn build(
        pki: TestPki,
        extra: &str,
        authority: Option<&str>,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        let publisher = Publisher::publish(&pki, folder.path().join("public"));
        let server = pki.server(&[DEVICES, MIXED, OPEN]);
        write_private(&folder.path().join("server.key"), &server.key_pem());
        std::fs::write(folder.path().join("server.crt"), server.chain_pem()).unwrap();
        std::fs::write(folder.path().join("root.crt"), pki.root().pem()).unwrap();
        let authority = authority.map_or_else(|| upstream.address.to_string(), str::to_owned);
        write_config(folder.path(), &config(&authority, extra));
        prepare(folder.path());
        let path = folder.path().to_owned();
        let load = move || load(&path);
        let gateway = Gateway::bind(load().unwrap(), Arc::new(load)).unwrap();
        let (address, handle) = (gateway.address().tcp().unwrap(), gateway.handle());
        let (stop, stopped) = oneshot::channel::<()>();
        let run = tokio::spawn(gateway.run(async move {
            stopped.await.ok();
        }));
        let stop = Some(stop);
        Self {
            pki,
            upstream,
            publisher,
            folder,
            address,
            handle,
            stop,
            run,
        }
    }

    pub(crate) async fn connect(
        &self,
        sni: &str,
        certificate: Option<&Issued>,
        protocol: Protocol,
    ) -> std::io::Result<Client> {
        connect(self.address, &self.pki, sni, certificate, protocol).await
    }

    /// Changes the configuration file; a reload makes it count.
    pub(crate) fn rewrite_config(&self, change: impl Fn(String) -> String) {
        let path = self.folder.path().join("postern.toml");
        let old = std::fs::read_to_string(path).unwrap();
        write_config(self.folder.path(), &change(old));
    }

    /// The first event line that fits, as soon as it is there.
    pub(crate) async fn event(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let events = self.events();
            if let Some(event) = events.iter().find(|event| fits(event)) {
                return event.clone();
            }
            assert!(
                started.elapsed() < PATIENCE,
                "no such event among {events:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl")).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asks it to stop and waits until it has; its folder stays for looking.
    pub(crate) async fn stop(&mut self) {
        self.begin_stop();
        tokio::time::timeout(PATIENCE, &mut self.run)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    /// Starts another one on the folder of one that has stopped.
    pub(crate) fn start_again(&mut self) {
        let path = self.folder.path().to_owned();
        let load = move || load(&path);
        let gateway = Gateway::bind(load().unwrap(), Arc::new(load)).unwrap();
        (self.address, self.handle) = (gateway.address().tcp().unwrap(), gateway.handle());
        let (stop, stopped) = oneshot::channel::<()>();
        self.run = tokio::spawn(gateway.run(async move {
            stopped.await.ok();
        }));
        self.stop = Some(stop);
    }

    pub(crate) fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
    }
}

pub(crate) fn load(folder: &Path) -> Result<Settings, LoadError> {
    let text = std::fs::read_to_string(folder.join("postern.toml")).map_err(LoadError::new)?;
    let file: ConfigFile = toml::from_str(&text).map_err(LoadError::new)?;
    let applications = applications(file.application, &[])
        .map_err(|errors| LoadError::new(format!("{errors:?}")))?;
    Settings::load(file.gateway, applications, folder)
        .map_err(|errors| LoadError::new(format!("{errors:?}")))
}

fn write_config(folder: &Path, text: &str) {
    std::fs::write(folder.join("postern.toml"), text).unwrap();
}

fn write_private(path: &PathBuf, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn config(upstream: &str, extra: &str) -> String {
    format!(
        r#"
[gateway]
listen = "127.0.0.1:0"
certificate = "server.crt"
key = "server.key"
state = "state"
events = "events.jsonl"
trust = ["root.crt"]
follow = ["public"]
when_stale = "refuse"
{extra}

[[application]]
name = "devices"
hosts = ["{DEVICES}"]
upstream = "http://{upstream}"
[[application.policy]]
name = "factory-devices"
decision = "non_identity"
include = [{{ common_name_pattern = '^device-[a-z0-9-]+\.factory\.corp$' }}]
exclude = [{{ common_name = "device-stolen.factory.corp" }}]

[[application]]
name = "mixed"
hosts = ["{MIXED}"]
upstream = "http://{upstream}"
[[application.policy]]
name = "devices"
decision = "non_identity"
include = [{{ common_name_pattern = '^device-[a-z0-9-]+\.factory\.corp$' }}]
[[application.policy]]
name = "ci"
decision = "non_identity"
include = [{{ service_token = "ci-deploy-prod" }}]

[[application]]
name = "open"
hosts = ["{OPEN}"]
upstream = "http://{upstream}"
[[application.policy]]
name = "all-devices"
decision = "non_identity"
include = [{{ common_name = "device-1.factory.corp" }}, {{ ip = "192.0.2.0/24" }}]
"#
    )
}
