//! What the gateway signs for upstreams, and where its keys are: believed by the verifiers that
//! people have for Cloudflare Access, which are not changed.

mod configuration;
mod forgeries;
mod keys;
mod telling;
mod verifiers;

use std::fs;

use postern_tests::{
    Client, DEVICES, Identity, MIXED, Output, Protocol, Received, Site, TestGateway, free_port,
};
use serde_json::Value;

const HEADER: &str = "Cf-Access-Jwt-Assertion";
const AUDIENCE: &str = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2";
const OTHER_AUDIENCE: &str = "another-application";
const PATH: &str = "/cdn-cgi/access/certs";

/// A site whose applications get assertions.
struct Asserting {
    site: Site,
    issuer: String,
    jwks_port: u16,
}

impl Asserting {
    /// With this issuer, or the place of the keys, and with more lines in `[gateway.assertions]`.
    fn new(issuer: Option<&str>, more: &str) -> Self {
        let jwks_port = free_port();
        let local = format!("http://127.0.0.1:{jwks_port}");
        let issuer = issuer.unwrap_or(&local).to_owned();
        let site = Site::with(&format!(
            "[gateway.assertions]\nissuer = \"{issuer}\"\n\
             jwks_listen = \"127.0.0.1:{jwks_port}\"\n{more}\n"
        ));
        for host in [DEVICES, MIXED] {
            let hosts = format!("hosts = [\"{host}\"]");
            let wants = format!(
                "{hosts}\nidentity = [\"jwt\", \"jwt-cookie\"]\n\
                 audience = [\"{AUDIENCE}\", \"{OTHER_AUDIENCE}\"]"
            );
            site.edit_config(&hosts, &wants);
        }
        Self {
            site,
            issuer,
            jwks_port,
        }
    }

    /// With one key in a file, which the test knows.
    fn with_key(issuer: Option<&str>) -> Self {
        let asserting = Self::new(issuer, "keys = [\"one.key\"]");
        make_key(&asserting.site, "one.key");
        asserting
    }

    fn keys_url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.jwks_port)
    }

    /// `curl` to the listener of the keys.
    fn curl(&self, args: &[&str], path: &str) -> Output {
        let url = format!("http://127.0.0.1:{}{path}", self.jwks_port);
        let all = [
            &["--silent", "--include", "--max-time", "20"],
            args,
            &[&url],
        ]
        .concat();
        self.site.postern.tool("curl", &all)
    }

    /// The key ids that are published, the current one first.
    fn kids(&self) -> Vec<String> {
        let answer = self.curl(&["--no-include"], PATH).stdout;
        let document: Value = serde_json::from_str(&answer).unwrap();
        let keys = document["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A private RSA key in the site's folder.
fn make_key(site: &Site, name: &str) {
    let line = format!(
        "umask 077; openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {name}"
    );
    drop(site.shell(&line).expect_code(0));
}

/// What the upstream received of one request.
async fn received(
    site: &Site,
    gateway: &TestGateway,
    host: &str,
    device: Option<&Identity>,
    path: &str,
    headers: &[(&str, &str)],
) -> Received {
    let client = Client::connect(site, gateway, host, device, Protocol::Http1).await;
    let answer = client.unwrap().get_with(path, headers).await.unwrap();
    assert_eq!(answer.status, 200);
    site.upstream.only(path)
}

/// The assertion in the header, which is there once.
fn assertion(received: &Received) -> String {
    let values = received.values(HEADER);
    assert_eq!(values.len(), 1, "{}", received.text());
    values[0].to_owned()
}

/// Claims and header as they are written, nothing checked.
fn read(assertion: &str) -> (Value, Value) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut parts = assertion.split('.').map(|part| {
        let octets = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&octets).unwrap_or_default()
    });
    (parts.next().unwrap(), parts.next().unwrap())
}

/// The whole file.
fn text(site: &Site, name: &str) -> String {
    fs::read_to_string(site.path(name)).unwrap()
}
