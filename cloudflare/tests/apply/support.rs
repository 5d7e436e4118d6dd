//! One account, one policy file, and a record in memory.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use postern_cloudflare::{
    Applied, Applier, Breadth, Chain, Client, ClientCertificate, ClientOptions, Consents, Desired,
    Inventory, Ledger, ObjectKind, Owned, Pace, Plan, Recorder, Remote, Scope, Sources, Standing,
    TokenAtEdge, Translation, closing, translate,
};
use postern_fixtures::TestPki;
use postern_fixtures::access::{Emulator, Options};
use postern_pki::Certificate;
use postern_policy::config::{ApplicationConfig, CloudflareConfig};
use postern_policy::{
    ApplicationSet, CertificateIdentity, CommonName, Fingerprint, SerialNumber, TokenName,
};
use serde::Deserialize;

pub(crate) const TWO_POLICIES: &str = r#"
[cloudflare]
ca_name = "Device CA"

[[application]]
name = "telemetry"
hosts = ["telemetry.example.com"]
upstream = "http://127.0.0.1:9000"
cloudflare = { app = "telemetry.example.com", session_duration = "24h", skip_interstitial = true }

[[application.policy]]
name = "factory"
decision = "non_identity"
include = [{ common_name_pattern = '^device-[0-9]+$' }]
edge = "expand"

[[application.policy]]
name = "probes"
decision = "non_identity"
include = [{ common_name = "probe-1" }, { service_token = "ci-deploy-prod" }]
"#;

pub(crate) struct Site {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
    pub(crate) scope: Scope,
    pub(crate) record: Record,
    pub(crate) clients: BTreeMap<String, Standing>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) tokens: BTreeMap<TokenName, TokenAtEdge>,
    pub(crate) consents: Consents,
    file: File,
    pki: TestPki,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    cloudflare: Option<CloudflareConfig>,
    application: Vec<ApplicationConfig>,
}

/// The record, which survives whatever fails.
#[derive(Default)]
pub(crate) struct Record(pub(crate) Vec<Owned>);

impl Recorder for Record {
    fn record(&mut self, object: &Owned) -> Result<(), String> {
        self.0
            .retain(|other| other.kind != object.kind || other.key != object.key);
        self.0.push(object.clone());
        Ok(())
    }

    fn forget(&mut self, kind: ObjectKind, key: &str) -> Result<(), String> {
        self.0
            .retain(|other| other.kind != kind || other.key != key);
        Ok(())
    }
}

impl Site {
    pub(crate) fn new(file: &str) -> Self {
        Self::with(file, Options::default())
    }

    pub(crate) fn with(file: &str, options: Options) -> Self {
        Self::waiting(file, options, Duration::from_secs(20))
    }

    fn waiting(file: &str, options: Options, timeout: Duration) -> Self {
        let quick = Options {
            deploy_delay: Duration::from_millis(5),
            detach_delay: Duration::from_millis(5),
            ..options
        };
        let emulator = Emulator::start(quick).unwrap();
        let options = ClientOptions {
            base: emulator.api(),
            token: emulator.api_token().into(),
            timeout,
        };
        let pace = Pace {
            calls: 1_200,
            retry: Duration::from_millis(1),
            settle: Duration::from_millis(5),
            ..Pace::default()
        };
        let pki = TestPki::new();
        Self {
            client: Client::with_pace(options, pace).unwrap(),
            scope: Scope::Account(emulator.account_id()),
            record: Record::default(),
            clients: BTreeMap::new(),
            chains: vec![chain(&pki)],
            tokens: BTreeMap::new(),
            consents: Consents::default(),
            file: read(file),
            emulator,
            pki,
        }
    }

    /// Three devices, one of them revoked, and a token that was minted there.
    pub(crate) fn populated(file: &str) -> Self {
        Self::new(file).with_clients()
    }

    /// The same with a client that takes a slow answer for none.
    pub(crate) fn impatient(file: &str) -> Self {
        Self::waiting(file, Options::default(), Duration::from_millis(400)).with_clients()
    }

    fn with_clients(mut self) -> Self {
        for name in ["device-1", "device-2", "probe-1"] {
            self.clients.insert(name.to_owned(), Standing::Live);
        }
        self.mint("ci-deploy-prod");
        self
    }

    pub(crate) fn rewrite(&mut self, file: &str) {
        self.file = read(file);
    }

    /// A token that is good at the edge.
    pub(crate) fn mint(&mut self, name: &str) -> String {
        let token = self.emulator.as_somebody_else(
            "POST",
            "access/service_tokens",
            serde_json::json!({ "name": name }),
        );
        let id = token["id"].as_str().unwrap().to_owned();
        let place = TokenAtEdge::Minted(id.clone());
        self.tokens.insert(TokenName::parse(name).unwrap(), place);
        id
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.record.0.clone())
    }

    pub(crate) fn translation(&self) -> Translation {
        let applications = self.applications();
        let settings = self.file.cloudflare.clone().map(|config| {
            postern_policy::config::cloudflare(&config).expect("the settings are checked")
        });
        let settings = settings.unwrap();
        let clients = self
            .clients
            .iter()
            .map(|(name, standing)| ClientCertificate {
                identity: self.identity(name),
                standing: *standing,
            });
        let inventory = Inventory::new(clients.collect());
        let sources = Sources {
            applications: &applications,
            settings: &settings,
            chains: &self.chains,
            inventory: &inventory,
            tokens: &self.tokens,
            successors: &BTreeMap::new(),
        };
        translate(&sources).unwrap()
    }

    /// Reads what is there and compares.
    pub(crate) async fn plan(&self) -> Result<Plan, postern_cloudflare::ApiError> {
        let desired = self.translation().desired;
        let ledger = self.ledger();
        let remote = Remote::fetch(&self.client, &self.scope, &desired, &ledger, Breadth::Ours);
        Ok(Plan::new(
            &desired,
            &remote.await?,
            &ledger,
            self.consents,
            now(),
        ))
    }

    pub(crate) async fn apply(&mut self, plan: &Plan) -> Applied {
        let ledger = self.ledger();
        let now = now();
        let (client, scope) = (&self.client, &self.scope);
        let mut applier = Applier::new(client, scope, ledger, &mut self.record, now);
        applier.apply(plan, |_| {}).await
    }

    /// Closes the edge to names, and says with which changes.
    pub(crate) async fn close(&mut self, names: &[&str]) -> Plan {
        let (nothing, ledger) = (Desired::default(), self.ledger());
        let everything = Breadth::Everything;
        let remote = Remote::fetch(&self.client, &self.scope, &nothing, &ledger, everything).await;
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let plan = Plan {
            changes: closing(&remote.unwrap(), &ledger, &names),
            ..Plan::default()
        };
        let applied = self.apply(&plan).await;
        assert!(applied.failure.is_none(), "{:?}", applied.failure);
        plan
    }

    /// Plans and applies; both succeed, and nothing is left to do.
    pub(crate) async fn converge(&mut self) {
        let plan = self.plan().await.unwrap();
        assert_eq!(plan.conflicts, []);
        let applied = self.apply(&plan).await;
        assert!(applied.failure.is_none(), "{:?}", applied.failure);
        self.assert_settled().await;
    }

    pub(crate) async fn assert_settled(&self) {
        let plan = self.plan().await.unwrap();
        assert_eq!(lines(&plan), Vec::<String>::new());
        assert_eq!(plan.conflicts, []);
    }

    pub(crate) fn app_id(&self) -> String {
        let apps = self.all("access/apps");
        apps[0]["id"].as_str().unwrap().to_owned()
    }

    /// The policies of the first application, in their order.
    pub(crate) fn policies(&self) -> Vec<(u64, String)> {
        let policies = self.all(&format!("access/apps/{}/policies", self.app_id()));
        let mut places: Vec<(u64, String)> = policies
            .iter()
            .map(|policy| {
                let place = policy["precedence"].as_u64().unwrap();
                (place, policy["name"].as_str().unwrap().to_owned())
            })
            .collect();
        places.sort();
        places
    }

    pub(crate) fn all(&self, path: &str) -> Vec<serde_json::Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = format!("{path}?page={page}&per_page=50");
            let listed = self
                .emulator
                .as_somebody_else("GET", &path, serde_json::Value::Null);
            let items = listed.as_array().cloned().unwrap_or_default();
            if items.is_empty() {
                break;
            }
            all.extend(items);
        }
        all
    }

    fn applications(&self) -> ApplicationSet {
        postern_policy::config::applications(self.file.application.clone(), &[]).unwrap()
    }

    fn identity(&self, name: &str) -> CertificateIdentity {
        let issuer = Certificate::from_der(self.pki.intermediate().der()).unwrap();
        CertificateIdentity {
            common_name: CommonName::parse(name).ok(),
            serial: SerialNumber::from_octets(&[1]).unwrap(),
            fingerprint: Fingerprint::from([0; 32]),
            issuer_common_name: Some(String::from("Test Intermediate CA")),
            issuer_fingerprint: Some(issuer.fingerprint()),
            organizations: Vec::new(),
            countries: Vec::new(),
            san_dns: Vec::new(),
            san_uri: Vec::new(),
            not_after: u64::MAX,
        }
    }
}

/// The changes of a plan, as they are told; what needs consent too.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    let changes = plan.changes.iter().chain(&plan.withheld);
    changes.map(ToString::to_string).collect()
}

/// The words of the actions.
pub(crate) fn kinds(plan: &Plan) -> Vec<&'static str> {
    plan.changes
        .iter()
        .map(|change| change.action.kind())
        .collect()
}

pub(crate) fn chain(pki: &TestPki) -> Chain {
    let read = |der| Certificate::from_der(der).unwrap();
    Chain::new(vec![read(pki.intermediate().der()), read(pki.root().der())]).unwrap()
}

fn read(file: &str) -> File {
    toml::from_str(file).unwrap()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}
