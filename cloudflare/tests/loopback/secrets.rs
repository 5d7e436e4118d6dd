//! Where the API token and a minted secret do not go.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postern_cloudflare::access::NewServiceToken;
use postern_cloudflare::probe::{Probe, ProbeOptions};
use postern_cloudflare::{ApiToken, Client, ClientOptions, Scope};

use crate::scripted::{Scripted, TOKEN, answer, ok, options, refused};

fn account() -> Scope {
    Scope::Account("acc".to_owned())
}

#[tokio::test]
async fn the_api_token_is_in_its_header_and_nowhere_else() {
    let echo = format!("you sent Bearer {TOKEN}");
    let server = Scripted::start(vec![refused(400, 1, &echo)]).await;
    let client = server.client();
    let refused = client.app(&account(), "9c").await.unwrap_err();
    let told = format!(
        "{refused} {refused:?} {client:?} {:?}",
        options("", Duration::ZERO)
    );
    assert!(!told.contains(TOKEN), "{told}");
    let seen = &server.seen()[0];
    assert!(
        seen.headers
            .contains(&format!("authorization: Bearer {TOKEN}"))
    );
    assert!(seen.headers.contains("user-agent: postern/"));
    assert!(!seen.line.contains(TOKEN));
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_not_in_the_error() {
    let body = r#"{"success":true,"result":{"client_secret":{"now":"canary"},"id":"9c"}}"#;
    let server = Scripted::start(vec![answer(201, "", body)]).await;
    let new = NewServiceToken {
        name: "n".to_owned(),
        duration: "2160h".to_owned(),
    };
    let failed = server
        .client()
        .create_service_token(&account(), &new)
        .await
        .unwrap_err();
    assert!(!format!("{failed} {failed:?}").contains("canary"));
}

#[test]
fn a_token_that_is_no_header_value_is_refused_without_being_told() {
    let options = ClientOptions {
        base: "https://api.example.com".to_owned(),
        token: ApiToken::from("canary\nsecond line".to_owned()),
        timeout: Duration::from_secs(1),
    };
    let refused = Client::new(options).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("canary"));
    assert!(refused.to_string().contains("printable ASCII"), "{refused}");
}

/// At the finest level, and with what the HTTP client logs of its own accord.
#[tokio::test]
async fn no_log_has_the_api_token_or_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let minted = r#"{"id":"9c","client_id":"88.access","client_secret":"canary-secret"}"#;
    let server = Scripted::start(vec![ok(minted), answer(200, "", "")]).await;
    let new = NewServiceToken {
        name: "n".to_owned(),
        duration: "2160h".to_owned(),
    };
    let client = server.client();
    let minted = client.create_service_token(&account(), &new).await.unwrap();
    let options = ProbeOptions::default();
    let probe = Probe::new(server.base(), "88.access", &minted.secret, options).unwrap();
    assert!(probe.run(|_| {}).await.verdict.is_passed());
    let told = log.text();
    assert!(
        told.contains("/accounts/acc/access/service_tokens"),
        "{told}"
    );
    assert!(!told.contains("canary"), "{told}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let octets = self.0.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&octets).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().expect("nobody panics with it");
        log.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
