//! Rehearsals against the emulated Access: its API and its edge, asked with curl.

use postern_fixtures::access::{Emulator, Options};
use postern_fixtures::{Issued, TestPki};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Identity;
use crate::visit::{Seen, curl, visit};

/// An emulator with an edge, and a PKI whose CA can be uploaded to it.
pub struct Rehearsal {
    /// The emulated account.
    pub emulator: Emulator,
    /// Who issues the clients' certificates.
    pub pki: TestPki,
    folder: TempDir,
}

impl Rehearsal {
    /// Starts an account of its own.
    ///
    /// # Panics
    /// Where that fails.
    pub fn start(options: Options) -> Self {
        let edge = options.edge.unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        let options = Options {
            edge: Some(edge),
            ..options
        };
        Self {
            emulator: Emulator::start(options).expect("loopback has free ports"),
            pki: TestPki::new(),
            folder: tempfile::tempdir().expect("a folder for the test"),
        }
    }

    /// The chain as Access takes it: the intermediate, then its root.
    pub fn chain(&self) -> String {
        self.pki.intermediate().pem() + &self.pki.root().pem()
    }

    /// Calls the API below the account: `access/apps`. The account takes it or the test ends.
    ///
    /// # Panics
    /// Where the account refuses.
    pub fn make(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer["result"].clone()
    }

    /// Calls the API below the account, and gives status and envelope.
    ///
    /// # Panics
    /// Where the answer is no JSON.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let seen = self.request(method, path, body);
        let answer = serde_json::from_str(&seen.body).unwrap_or(Value::Null);
        (seen.status, answer)
    }

    /// The same, with the headers.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> Seen {
        let url = format!(
            "{}/accounts/{}/{path}",
            self.emulator.api(),
            self.emulator.account_id()
        );
        let token = format!("Authorization: Bearer {}", self.emulator.api_token());
        let mut config = vec![
            ("request", method.to_owned()),
            ("url", url),
            ("header", token),
        ];
        if !body.is_null() {
            config.push(("header", "Content-Type: application/json".to_owned()));
            config.push(("data-binary", body.to_string()));
        }
        Seen::parse(&curl(&config))
    }

    /// Asks the edge for a page, with a client's certificate where there is one.
    ///
    /// # Panics
    /// Where the URL has no host.
    pub fn visit(&self, url: &str, client: Option<&Issued>, headers: &[(&str, &str)]) -> Seen {
        let client = client.map(|client| {
            let path = self.folder.path().join("client.pem");
            let pem = client.chain_pem() + &client.key_pem();
            std::fs::write(&path, pem).expect("the folder can be written");
            Identity {
                certificate: path.clone(),
                key: path,
            }
        });
        let mut seen = visit(&self.emulator, &[url], client.as_ref(), headers);
        seen.pop().expect("one answer a URL")
    }

    /// Mints a token; gives its id and the two headers that present it.
    pub fn token(&self, name: &str) -> (String, [(&'static str, String); 2]) {
        let minted = self.make("POST", "access/service_tokens", &json!({ "name": name }));
        let text = |key: &str| minted[key].as_str().unwrap_or_default().to_owned();
        let headers = [
            ("CF-Access-Client-Id", text("client_id")),
            ("CF-Access-Client-Secret", text("client_secret")),
        ];
        (text("id"), headers)
    }

    /// An application for a host, with these policies in their order; gives its id.
    pub fn app(&self, domain: &str, policies: &[Value]) -> String {
        let app = json!({ "type": "self_hosted", "name": domain, "domain": domain });
        let app = self.make("POST", "access/apps", &app);
        let id = app["id"].as_str().unwrap_or_default().to_owned();
        for policy in policies {
            self.make("POST", &format!("access/apps/{id}/policies"), policy);
        }
        id
    }

    /// Uploads the chain for these hosts; gives the CA's id.
    pub fn upload(&self, hosts: &[&str]) -> String {
        let ca = json!({
            "name": "devices", "certificate": self.chain(), "associated_hostnames": hosts,
        });
        let ca = self.make("POST", "access/certificates", &ca);
        ca["id"].as_str().unwrap_or_default().to_owned()
    }
}
