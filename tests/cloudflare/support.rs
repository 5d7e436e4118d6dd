//! A home, a configuration, and an account.

use std::fs;
use std::process::Command;
use std::time::Duration;

use postern_fixtures::access::{Emulator, Options};
use postern_tests::{Contract, Output, Postern};
use serde_json::Value;

pub(crate) const CONFIG: &str = r#"
[cloudflare]
ca_name = "Device CA"

[[application]]
name = "telemetry"
hosts = ["telemetry.example.com"]
upstream = "http://127.0.0.1:9000"

[application.cloudflare]
app = "telemetry.example.com"
session_duration = "24h"

[[application.policy]]
name = "factory"
decision = "non_identity"
include = [{ common_name_pattern = '^device-[0-9]+$' }]
edge = "expand"

[[application.policy]]
name = "probes"
decision = "non_identity"
include = [{ common_name_pattern = '^probe-[0-9]+$' }]
edge = "certificate+gateway"
"#;

/// A home with two devices and a probe, and an account that holds nothing.
pub(crate) struct Account {
    pub(crate) postern: Postern,
    pub(crate) emulator: Emulator,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let postern = Postern::with_ca();
        for name in ["device-1", "device-2", "probe-1"] {
            let issue = ["cert", "issue", name, "--out", "clients"];
            drop(postern.run(&issue).expect_code(0));
        }
        let account = Self {
            postern,
            emulator: Emulator::start(quick(options)).unwrap(),
        };
        account.configure(CONFIG);
        account
    }

    /// The same after `apply`.
    pub(crate) fn applied() -> Self {
        let account = Self::new();
        drop(account.run(&["cloudflare", "apply"]).expect_code(0));
        account
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.postern.path("postern.toml"), text).unwrap();
    }

    /// `postern` with the account and its API token in the environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        command(&self.postern, &self.emulator, args)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.command(args))
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        self.run(&args).json()
    }

    /// What somebody else sees in the account.
    pub(crate) fn look(&self, path: &str) -> Value {
        self.emulator.as_somebody_else("GET", path, Value::Null)
    }

    pub(crate) fn app_id(&self) -> String {
        self.look("access/apps")[0]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Everything that was sent and answered is as Cloudflare's schema has it.
    pub(crate) fn check_contract(&self) {
        if let Some(contract) = Contract::load() {
            let checked = contract.expect_all(&self.emulator.exchanges());
            assert!(checked > 0, "calls were recorded");
        }
    }
}

/// An account that waits for nothing.
pub(crate) fn quick(options: Options) -> Options {
    Options {
        deploy_delay: Duration::from_millis(1),
        detach_delay: Duration::from_millis(1),
        ..options
    }
}

/// `postern` with an account and its API token in the environment.
pub(crate) fn command(postern: &Postern, emulator: &Emulator, args: &[&str]) -> Command {
    let mut command = postern.command(args);
    command
        .env("CLOUDFLARE_API_BASE", emulator.api())
        .env("CLOUDFLARE_ACCOUNT_ID", emulator.account_id())
        .env("CLOUDFLARE_API_TOKEN", emulator.api_token());
    command
}
