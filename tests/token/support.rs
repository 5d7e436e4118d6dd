//! A CA, an emulated account with an edge, and one application that people use already.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use postern_fixtures::access::{Emulator, Options};
use postern_tests::{Output, PATIENCE, Postern};
use serde_json::{Value, json};

/// The application's host.
pub(crate) const HOST: &str = "api.example.com";
/// A URL of it.
pub(crate) const URL: &str = "https://api.example.com/health";
/// The token of these tests.
pub(crate) const NAME: &str = "ci-deploy-prod";

/// What a test works on.
pub(crate) struct Stage {
    pub(crate) postern: Postern,
    pub(crate) emulator: Emulator,
    /// The application's id.
    pub(crate) app: String,
    /// The id of the policy for people, which is not ours.
    pub(crate) people: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let emulator = Emulator::start(Options {
            edge: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            ..Options::default()
        })
        .unwrap();
        let postern = Postern::with_ca();
        std::fs::write(postern.path("edge.pem"), emulator.edge_root().unwrap()).unwrap();
        std::fs::create_dir(postern.path("tmp")).unwrap();
        let app = json!({ "type": "self_hosted", "name": "API", "domain": HOST });
        let app = emulator.as_somebody_else("POST", "access/apps", app);
        let app = app["id"].as_str().unwrap().to_owned();
        let people = json!({
            "name": "people", "decision": "allow", "precedence": 1,
            "include": [{ "email_domain": { "domain": "example.com" } }],
        });
        let policies = format!("access/apps/{app}/policies");
        let people = emulator.as_somebody_else("POST", &policies, people);
        let people = people["id"].as_str().unwrap().to_owned();
        Self {
            postern,
            emulator,
            app,
            people,
        }
    }

    /// `postern` with what it needs to reach the account.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.postern.command(args);
        command
            .env("CLOUDFLARE_API_BASE", self.emulator.api())
            .env("CLOUDFLARE_ACCOUNT_ID", self.emulator.account_id())
            .env("CLOUDFLARE_API_TOKEN", self.emulator.api_token())
            .env("TMPDIR", self.postern.path("tmp"));
        command
    }

    /// Runs `postern` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        Output::of(&mut self.command(args))
    }

    /// The same with the flags that lead to the edge.
    pub(crate) fn run_with_edge(&self, args: &[&str]) -> Output {
        let edge = self.emulator.edge().unwrap().to_string();
        let way = [
            "--cacert",
            "edge.pem",
            "--connect-to",
            &edge,
            "--interval",
            "0s",
        ];
        self.run(&[args, &way].concat())
    }

    /// `token create` of [`NAME`] at Cloudflare.
    pub(crate) fn create(&self, more: &[&str]) -> Output {
        let create = ["token", "create", NAME, "--at", "cloudflare", "--app", HOST];
        self.run(&[&create, more].concat())
    }

    /// A stage with [`NAME`] at Cloudflare, its secret in `token`, and a copy of that in `old`.
    pub(crate) fn minted() -> Self {
        let stage = Self::new();
        stage.create(&["--out", "token"]).expect_code(0);
        std::fs::copy(stage.postern.path("token"), stage.postern.path("old")).unwrap();
        stage
    }

    /// `token rotate` of [`NAME`], whose secret is in `token`.
    pub(crate) fn rotate(&self, more: &[&str]) -> Output {
        let rotate = ["token", "rotate", NAME, "--out", "token", "--attempts", "2"];
        self.run_with_edge(&[&rotate[..], more].concat())
    }

    /// Id and secret as `token create --out` wrote them.
    pub(crate) fn pair(&self, file: &str) -> (String, String) {
        let text = std::fs::read_to_string(self.postern.path(file)).unwrap();
        let (id, secret) = text.trim().split_once(':').unwrap();
        (id.to_owned(), secret.to_owned())
    }

    /// Whether the edge admits the credentials in a file.
    pub(crate) fn opens(&self, file: &str) -> bool {
        let test = [
            "token",
            "test",
            "--credentials",
            file,
            "--url",
            URL,
            "--attempts",
            "1",
        ];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tried = self.run_with_edge(&test);
            match tried.code {
                Some(0) => return true,
                Some(4) => return false,
                // A busy machine: nobody answered.
                _ => assert!(Instant::now() < deadline, "{}", tried.stderr),
            }
        }
    }

    /// The tokens at Cloudflare.
    pub(crate) fn tokens(&self) -> Vec<Value> {
        self.list("access/service_tokens")
    }

    /// The application's policies.
    pub(crate) fn policies(&self) -> Vec<Value> {
        self.list(&format!("access/apps/{}/policies", self.app))
    }

    fn list(&self, path: &str) -> Vec<Value> {
        let listed = self.emulator.as_somebody_else("GET", path, Value::Null);
        listed.as_array().unwrap().clone()
    }

    /// The token as the CA's home has it.
    pub(crate) fn record(&self, name: &str) -> Value {
        let listing = self
            .run(&["token", "list", "-o", "json"])
            .expect_code(0)
            .json();
        let items = listing["items"].as_array().unwrap();
        let found = items.iter().find(|item| item["name"] == name);
        found.cloned().unwrap_or_default()
    }

    /// Every secret that the account ever showed.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = self
            .emulator
            .exchanges()
            .iter()
            .filter_map(|call| call.response["result"]["client_secret"].as_str())
            .map(str::to_owned)
            .collect();
        secrets.dedup();
        secrets
    }

    /// How many calls of our client began with these.
    pub(crate) fn calls(&self, method: &str, path: &str) -> usize {
        let requests = self.emulator.requests();
        let fit = requests
            .iter()
            .filter(|(verb, place, _)| verb == method && place.contains(path));
        fit.count()
    }
}
