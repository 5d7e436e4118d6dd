//! Four verifiers that other people wrote, as they are.
//!
//! What a verifier takes although it should not is written down by name: the list is exact, so that
//! a verifier that becomes stricter, or laxer, is noticed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postern_tests::{
    DEVICE, DEVICES, MIXED, Site, TestGateway, node_with, python_with, skip_without,
};
use serde_json::json;

use super::forgeries::{Cases, forgeries};
use super::{AUDIENCE, Asserting, assertion, received};

const TEAM: &str = "example";

/// Names that were believed, by case.
type Believed = BTreeMap<String, Option<String>>;

/// What a request of each kind brings to the upstream, and whom it is about.
async fn good(
    site: &Site,
    gateway: &TestGateway,
    (id, secret): (String, String),
) -> Vec<(&'static str, String, String)> {
    let device = site.client(DEVICE);
    let token = [
        ("cf-access-client-id", id.as_str()),
        ("cf-access-client-secret", secret.as_str()),
    ];
    let of_device = received(site, gateway, DEVICES, Some(&device), "/device", &[]).await;
    let of_token = received(site, gateway, MIXED, None, "/token", &token).await;
    let cookie = of_device.values("cookie")[0].to_owned();
    let cookie = cookie.strip_prefix("CF_Authorization=").unwrap().to_owned();
    vec![
        (
            "good: certificate",
            assertion(&of_device),
            DEVICE.to_owned(),
        ),
        ("good: certificate, cookie", cookie, DEVICE.to_owned()),
        ("good: token", assertion(&of_token), id),
    ]
}

/// Runs a verifier over everything; only the good and the `known` may be believed.
async fn judge(asserting: &Asserting, verifier: &str, run: &mut Command, known: &[&str]) {
    // Before the gateway runs, which hears of a new one a moment later.
    let token = asserting.site.token("ci-deploy-prod");
    let gateway = TestGateway::run(&asserting.site);
    let good = good(&asserting.site, &gateway, token).await;
    let mut cases: Cases = forgeries(asserting, &good[0].1);
    assert!(cases.len() > 20);
    cases.extend(
        good.iter()
            .map(|(name, token, _)| (*name, Some(token.clone()))),
    );
    let input = json!({
        "verifier": verifier, "team": TEAM, "domain": asserting.issuer,
        "keys": asserting.keys_url(), "audience": AUDIENCE, "cases": cases,
    });
    let believed = verify(run, &input.to_string());
    assert_eq!(believed.len(), cases.len());
    for (name, _, who) in &good {
        assert_eq!(believed[*name].as_deref(), Some(who.as_str()), "{name}");
    }
    let wrongly: Vec<_> = believed
        .iter()
        .filter(|(name, who)| who.is_some() && !name.starts_with("good"))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(wrongly, known, "{verifier}");
}

fn verify(run: &mut Command, input: &str) -> Believed {
    let mut child = run
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("gateway/assertions")
        .join(name)
}

fn node() -> Option<Command> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verifiers-node");
    let home = node_with(
        &folder,
        &[
            "hono@4.13.19",
            "@hono/cloudflare-access@0.4.0",
            "@cloudflare/pages-plugin-cloudflare-access@1.0.5",
        ],
    )?;
    let mut node = Command::new("node");
    node.arg(script("verify.mjs")).current_dir(home);
    Some(node)
}

fn python() -> Option<Command> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verifiers-python");
    let packages = ["PyJWT[crypto]==2.15.1", "allowedflare==2026.35.1"];
    let mut python = Command::new(python_with(&folder, &packages)?);
    python.arg(script("verify.py"));
    Some(python)
}

#[tokio::test(flavor = "multi_thread")]
async fn hono_believes_ours_and_no_other() {
    let Some(mut node) = node() else { return };
    if skip_without("openssl") {
        return;
    }
    // It knows team domains only.
    let issuer = format!("https://{TEAM}.cloudflareaccess.com");
    let asserting = Asserting::with_key(Some(&issuer));
    judge(&asserting, "hono", &mut node, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudflares_pages_plugin_believes_ours_and_what_lacks_claims() {
    let Some(mut node) = node() else { return };
    if skip_without("openssl") {
        return;
    }
    let asserting = Asserting::with_key(None);
    // It looks at the claims that are there; ours always are, and our `aud` is a list.
    let known = ["aud as part of a text", "no aud", "no exp", "no iss"];
    judge(&asserting, "pages-plugin", &mut node, &known).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pyjwt_believes_ours_and_what_never_ends() {
    let Some(mut python) = python() else { return };
    if skip_without("openssl") {
        return;
    }
    let asserting = Asserting::with_key(None);
    // Unless it is told to require `exp`.
    judge(&asserting, "pyjwt", &mut python, &["no exp"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn allowedflare_believes_ours_and_does_not_look_at_the_issuer() {
    let Some(mut python) = python() else { return };
    if skip_without("openssl") {
        return;
    }
    let asserting = Asserting::with_key(None);
    let known = ["iss with a slash", "no exp", "no iss", "other iss"];
    judge(&asserting, "allowedflare", &mut python, &known).await;
}
