//! The probe against a server that answers what a script says.

use std::time::Duration;

use postern_cloudflare::access::TokenSecret;
use postern_cloudflare::probe::{
    CredentialHeader, EchoError, Passage, Probe, ProbeOptions, ProbeReport, Verdict,
};

use crate::scripted::{Reply, Scripted, answer};

const SECRET: &str = "cfast_canary";
const LOGIN: &str = "location: https://team.cloudflareaccess.com/cdn-cgi/access/login/x\r\n";

fn quick() -> ProbeOptions {
    ProbeOptions {
        interval: Duration::from_millis(2),
        propagation: Duration::ZERO,
        ..ProbeOptions::default()
    }
}

fn probe(server: &Scripted, options: ProbeOptions) -> Probe {
    let secret = TokenSecret::from(SECRET.to_owned());
    let probe = Probe::new(server.base(), "88.access", &secret, options);
    probe.expect("loopback and plain ASCII")
}

async fn run(script: Vec<Reply>, options: ProbeOptions) -> ProbeReport {
    let server = Scripted::start(script).await;
    probe(&server, options).run(|_| {}).await
}

#[tokio::test]
async fn the_first_attempt_that_passes_is_the_last() {
    let cookie = "set-cookie: CF_Authorization=x; Path=/\r\ncf-ray: 8f-FRA\r\n";
    let script = vec![
        answer(302, LOGIN, ""),
        answer(403, "", ""),
        answer(200, cookie, ""),
    ];
    let server = Scripted::start(script).await;
    let options = ProbeOptions {
        propagation: Duration::from_secs(600),
        ..quick()
    };
    let mut told = Vec::new();
    let report = probe(&server, options)
        .run(|attempt| told.push(attempt.verdict.clone()))
        .await;
    assert_eq!(report.verdict, Verdict::Passed);
    assert_eq!(
        told,
        [
            Verdict::Propagating(302),
            Verdict::Propagating(403),
            Verdict::Passed
        ]
    );
    assert!(report.attempts[2].cookie);
    assert_eq!(report.attempts[2].ray.as_deref(), Some("8f-FRA"));
}

#[tokio::test]
async fn five_attempts_are_made_and_the_last_one_counts() {
    let report = run(vec![answer(302, LOGIN, ""); 9], quick()).await;
    assert_eq!(report.attempts.len(), 5);
    assert_eq!(report.verdict, Verdict::LoginPage);
    assert!(report.verdict.explanation().contains("decision is `allow`"));
}

#[tokio::test]
async fn what_never_answers_says_nothing_about_the_token() {
    let options = ProbeOptions {
        attempts: 1,
        timeout: Duration::from_millis(200),
        ..quick()
    };
    for reply in [Reply::Hang, Reply::Cut] {
        let report = run(vec![reply], options.clone()).await;
        assert!(matches!(report.verdict, Verdict::NoAnswer(_)), "{report:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let elsewhere = Scripted::start(vec![answer(200, "", "")]).await;
    let location = format!("location: {}\r\n", elsewhere.base());
    let report = run(
        vec![answer(302, &location, "")],
        ProbeOptions {
            attempts: 1,
            ..quick()
        },
    )
    .await;
    assert_eq!(
        report.verdict,
        Verdict::Redirected(elsewhere.base().to_owned())
    );
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_token_goes_as_a_pair_or_as_one_header_and_never_into_the_report() {
    let pair = "cf-access-client-secret: cfast_canary";
    let one = r#"authorization: {"cf-access-client-id":"88.access","cf-access-client-secret":"cfast_canary"}"#;
    for (header, line) in [
        (CredentialHeader::Pair, pair),
        (CredentialHeader::Authorization, one),
    ] {
        let server = Scripted::start(vec![answer(200, "", "")]).await;
        let options = ProbeOptions { header, ..quick() };
        let report = probe(&server, options).run(|_| {}).await;
        let told = format!("{report:?} {}", serde_json::to_string(&report).unwrap());
        assert!(!told.contains("canary"), "{told}");
        let seen = &server.seen()[0];
        assert!(seen.headers.contains(line), "{}", seen.headers);
    }
}

#[tokio::test]
async fn an_echo_says_which_headers_arrived_and_keeps_no_value() {
    let body =
        r#"{"headers":{"Cf-Access-Client-Id":"other","CF-ACCESS-CLIENT-SECRET":"cfast_canary"}}"#;
    let server = Scripted::start(vec![answer(200, "", body)]).await;
    let report = probe(&server, quick()).echo().await.unwrap();
    let passages: Vec<_> = report.headers.iter().map(|it| it.passage).collect();
    assert_eq!(
        passages,
        [Passage::Altered, Passage::Arrived, Passage::Missing]
    );
    let told = format!("{report:?} {}", serde_json::to_string(&report).unwrap());
    assert!(!told.contains("canary"), "{told}");
    let lines = report.nginx.join("\n");
    assert!(lines.contains("proxy_set_header CF-Access-Client-Id $http_cf_access_client_id;"));
    assert!(!lines.contains("Client-Secret"), "{lines}");
}

#[tokio::test]
async fn an_echo_that_is_refused_tells_the_verdict() {
    let server = Scripted::start(vec![answer(403, "", "")]).await;
    let refused = probe(&server, quick()).echo().await.unwrap_err();
    assert!(
        matches!(refused, EchoError::NotPassed(Verdict::Forbidden)),
        "{refused}"
    );
}
