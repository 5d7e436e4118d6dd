//! Rehearsals against the emulated Access: its API and its edge, asked with curl.

use std::io::Write as _;
use std::process::{Command, Stdio};

use postern_fixtures::access::{Emulator, Options};
use postern_fixtures::{Issued, TestPki};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An emulator with an edge, and a PKI whose CA can be uploaded to it.
pub struct Rehearsal {
    /// The emulated account.
    pub emulator: Emulator,
    /// Who issues the clients' certificates.
    pub pki: TestPki,
    folder: TempDir,
}

/// What curl saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The status code; 0 where there was no answer.
    pub status: u16,
    /// The header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
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
        let emulator = Emulator::start(options).expect("loopback has free ports");
        let folder = tempfile::tempdir().expect("a folder for the test");
        let root = emulator.edge_root().expect("it has an edge");
        std::fs::write(folder.path().join("edge.crt"), root).expect("the folder can be written");
        Self {
            emulator,
            pki: TestPki::new(),
            folder,
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
        curl(&config)
    }

    /// Asks the edge for a page, with a client's certificate where there is one.
    ///
    /// # Panics
    /// Where the URL has no host.
    pub fn visit(&self, url: &str, client: Option<&Issued>, headers: &[(&str, &str)]) -> Seen {
        let edge = self.emulator.edge().expect("it has an edge");
        let host = url.split('/').nth(2).expect("a URL with a host");
        let root = self.folder.path().join("edge.crt").display().to_string();
        let port = edge.port();
        let url = url.replacen(host, &format!("{host}:{port}"), 1);
        let resolve = format!("{host}:{port}:127.0.0.1");
        let mut config = vec![("url", url), ("resolve", resolve), ("cacert", root)];
        if let Some(client) = client {
            let path = self.folder.path().join("client.pem");
            let pem = client.chain_pem() + &client.key_pem();
            std::fs::write(&path, pem).expect("the folder can be written");
            config.push(("cert", path.display().to_string()));
        }
        let lines = headers
            .iter()
            .map(|(name, value)| ("header", format!("{name}: {value}")));
        config.extend(lines);
        curl(&config)
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

impl Seen {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs curl with a configuration on its standard input, where no other process reads it.
fn curl(config: &[(&str, String)]) -> Seen {
    let mut child = Command::new("curl")
        .args([
            "--disable",
            "--silent",
            "--include",
            "--max-time",
            "30",
            "--config",
            "-",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl starts");
    let quoted = |value: &String| value.replace('\\', r"\\").replace('"', r#"\""#);
    let lines: String = config
        .iter()
        .map(|(option, value)| format!("{option} = \"{}\"\n", quoted(value)))
        .collect();
    let mut input = child.stdin.take().expect("it was piped");
    input
        .write_all(lines.as_bytes())
        .expect("curl reads its configuration");
    drop(input);
    let output = child.wait_with_output().expect("curl ends");
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(text: &str) -> Seen {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let fields = lines.filter_map(|line| line.split_once(':'));
    let headers = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Seen {
        status: status.unwrap_or(0),
        headers: headers.collect(),
        body: body.to_owned(),
    }
}
