//! Service tokens: the fallback where a policy names one, and nothing anywhere else.

use std::io::Write as _;
use std::process::Stdio;

use postern_tests::{
    BOTH, Client, DEVICE, DEVICES, Identity, MIXED, Output, PLAIN, Protocol, Site, TestGateway,
    skip_without,
};
use serde_json::Value;

const TOKEN: &str = "ci-deploy-prod";
const ID: &str = "CF-Access-Client-Id";
const SECRET: &str = "CF-Access-Client-Secret";

/// Status and reason of one request.
async fn ask_by(
    protocol: Protocol,
    site: &Site,
    gateway: &TestGateway,
    (host, identity): (&str, Option<&Identity>),
    headers: &[(&str, &str)],
) -> (u16, String) {
    let client = Client::connect(site, gateway, host, identity, protocol).await;
    let answer = client.unwrap().get_with("/token", headers).await.unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let reason = body["reason"].as_str().unwrap_or_default().to_owned();
    (answer.status, reason)
}

/// The same over HTTP/1.1 and HTTP/2, which agree.
async fn ask(
    site: &Site,
    gateway: &TestGateway,
    host: &str,
    identity: Option<&Identity>,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let first = ask_by(Protocol::Http1, site, gateway, (host, identity), headers).await;
    let second = ask_by(Protocol::Http2, site, gateway, (host, identity), headers).await;
    assert_eq!(first, second, "HTTP/1.1 and HTTP/2 agree");
    first
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_passes_only_where_a_policy_names_it_and_is_ignored_elsewhere() {
    let site = Site::new();
    let (id, secret) = site.token(TOKEN);
    let (other_id, other_secret) = site.token("team-other-prod");
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let good = [(ID, id.as_str()), (SECRET, secret.as_str())];
    assert_eq!(ask(&site, &gateway, MIXED, None, &good).await.0, 200);
    // A token that is good, of which this application does not speak.
    let other = [(ID, other_id.as_str()), (SECRET, other_secret.as_str())];
    assert_eq!(
        ask(&site, &gateway, MIXED, None, &other).await,
        refused(403, "no_policy_matched")
    );
    // No policy of these applications names a token: the headers mean nothing, right or wrong.
    assert_eq!(
        ask(&site, &gateway, PLAIN, None, &good).await,
        refused(401, "no_credentials")
    );
    let nonsense = [(ID, "x"), (ID, "y"), (SECRET, "z")];
    assert_eq!(
        ask(&site, &gateway, DEVICES, Some(&device), &nonsense)
            .await
            .0,
        200
    );
    for received in site.upstream.received() {
        let text = received.text().to_lowercase();
        assert!(
            !text.contains("cf-access") && !text.contains(&secret),
            "{text}"
        );
        assert!(!text.contains(&id), "{text}");
    }
    let event = gateway.event(|event| event["method"] == "service_token");
    assert_eq!(event["client_id"], id);
    assert_eq!(event["policy"], "ci");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_duplicated_or_incomplete_token_is_401_even_beside_a_valid_certificate() {
    let site = Site::new();
    let (id, secret) = site.token(TOKEN);
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let (id, secret) = (id.as_str(), secret.as_str());
    let wrong = format!("{}x", &secret[..secret.len() - 1]);
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[(ID, id), (SECRET, &wrong)], "token_invalid"),
        (&[(ID, "nobody.access"), (SECRET, secret)], "token_invalid"),
        (&[(ID, id), (SECRET, "")], "token_invalid"),
        (&[(ID, ""), (SECRET, secret)], "token_invalid"),
        (&[(ID, id)], "token_incomplete"),
        (&[(SECRET, secret)], "token_incomplete"),
        (&[(ID, id), (ID, id), (SECRET, secret)], "token_duplicate"),
        (
            &[(ID, id), (SECRET, secret), (SECRET, secret)],
            "token_duplicate",
        ),
    ];
    for (headers, reason) in cases {
        for identity in [None, Some(&device)] {
            let got = ask(&site, &gateway, MIXED, identity, headers).await;
            assert_eq!(got, refused(401, reason), "{headers:?} with {identity:?}");
        }
    }
    assert_eq!(site.upstream.count(), 0);
    // What the client is not told, the operator is.
    for reason in ["token_wrong_secret", "token_unknown"] {
        gateway.event(|event| event["reason"] == reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_and_never_locks_the_right_one_out() {
    let site = Site::new();
    let (id, secret) = site.token(TOKEN);
    let gateway = TestGateway::run(&site);
    let mut client = Client::connect(&site, &gateway, MIXED, None, Protocol::Http2)
        .await
        .unwrap();
    let mut answers = Vec::new();
    for guess in 0..300 {
        let guess = format!("guess-{guess}");
        let headers = [(ID, id.as_str()), (SECRET, guess.as_str())];
        answers.push(client.get_with("/", &headers).await.unwrap());
    }
    let first = answers.iter().position(|answer| answer.status == 429);
    assert!(first.is_some_and(|first| first >= 100), "{first:?}");
    let slowed = answers.last().unwrap();
    assert_eq!(slowed.json()["reason"], "token_throttled");
    assert!(
        slowed.headers.contains_key("retry-after"),
        "{:?}",
        slowed.headers
    );
    let right = [(ID, id.as_str()), (SECRET, secret.as_str())];
    assert_eq!(client.get_with("/", &right).await.unwrap().status, 200);
    gateway.event(|event| event["reason"] == "token_throttled");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_header_carries_both_halves_where_the_application_says_which() {
    let site = Site::new();
    let (id, secret) = site.token(TOKEN);
    let both = format!(r#"{{"cf-access-client-id":"{id}","cf-access-client-secret":"{secret}"}}"#);
    let single = [("authorization", both.as_str())];
    let gateway = TestGateway::run(&site);
    let before = ask(&site, &gateway, MIXED, None, &single).await;
    assert_eq!(before, refused(401, "no_credentials"));
    gateway.stop();

    site.edit_config(
        "name = \"mixed\"\n",
        "name = \"mixed\"\ntoken_header = \"Authorization\"\n",
    );
    let gateway = TestGateway::run(&site);
    assert_eq!(ask(&site, &gateway, MIXED, None, &single).await.0, 200);
    let pair = [(ID, id.as_str()), (SECRET, secret.as_str())];
    assert_eq!(ask(&site, &gateway, MIXED, None, &pair).await.0, 200);
    let basic = [("authorization", "Basic YTpi"), pair[0], pair[1]];
    assert_eq!(ask(&site, &gateway, MIXED, None, &basic).await.0, 200);
    let twice = [single[0], pair[0], pair[1]];
    let twice = ask(&site, &gateway, MIXED, None, &twice).await;
    assert_eq!(twice, refused(401, "token_duplicate"));
    let received = site.upstream.received();
    assert_eq!(received.len(), 6);
    for (request, kept) in received.iter().zip([0, 0, 0, 0, 1, 1]) {
        let names = request.headers.iter().map(|(name, _)| name);
        let authorization = names.filter(|name| name.eq_ignore_ascii_case("authorization"));
        assert_eq!(authorization.count(), kept, "{:?}", request.headers);
        assert!(!format!("{request:?}").contains(&secret), "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn require_makes_the_token_a_second_factor_beside_the_certificate() {
    let site = Site::new();
    let (id, secret) = site.token(TOKEN);
    let device = site.client(DEVICE);
    let gateway = TestGateway::run(&site);
    let good = [(ID, id.as_str()), (SECRET, secret.as_str())];
    assert_eq!(
        ask(&site, &gateway, BOTH, Some(&device), &good).await.0,
        200
    );
    let alone = ask(&site, &gateway, BOTH, Some(&device), &[]).await;
    assert_eq!(alone, refused(403, "requirement_not_met"));
    let wrong = [(ID, id.as_str()), (SECRET, "wrong")];
    let got = ask(&site, &gateway, BOTH, Some(&device), &wrong).await;
    assert_eq!(got, refused(401, "token_invalid"));
    for received in site.upstream.received() {
        assert!(!received.text().contains(&secret), "{}", received.text());
    }
}

/// Repeats until the answer is the one expected: the gateway follows the journal.
async fn becomes(site: &Site, gateway: &TestGateway, headers: &[(&str, &str)], status: u16) {
    let deadline = std::time::Instant::now() + postern_tests::PATIENCE;
    while ask_by(Protocol::Http1, site, gateway, (MIXED, None), headers)
        .await
        .0
        != status
    {
        assert!(std::time::Instant::now() < deadline, "never {status}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(ask(site, gateway, MIXED, None, headers).await.0, status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_disabled_enabled_again_and_deleted_without_a_restart() {
    let site = Site::new();
    let gateway = TestGateway::run(&site);
    let (id, secret) = site.token(TOKEN);
    let good = [(ID, id.as_str()), (SECRET, secret.as_str())];
    becomes(&site, &gateway, &good, 200).await;
    drop(
        site.postern
            .run(&["token", "disable", TOKEN])
            .expect_code(0),
    );
    becomes(&site, &gateway, &good, 401).await;
    gateway.event(|event| event["reason"] == "token_disabled");
    drop(site.postern.run(&["token", "enable", TOKEN]).expect_code(0));
    becomes(&site, &gateway, &good, 200).await;
    drop(site.postern.run(&["token", "delete", TOKEN]).expect_code(0));
    becomes(&site, &gateway, &good, 401).await;
    gateway.event(|event| event["reason"] == "token_unknown");
    let listed = site
        .postern
        .run(&["token", "list", "-o", "json"])
        .expect_code(0);
    assert!(!listed.stdout.contains(&id), "{}", listed.stdout);
}

#[test]
fn the_file_of_token_create_is_what_curl_takes() {
    use std::os::unix::fs::PermissionsExt as _;
    if skip_without("curl") {
        return;
    }
    let site = Site::new();
    let create = |format: &str| {
        let args = [
            "token", "create", TOKEN, "--out", format, "--format", format,
        ];
        let made = site.postern.run(&args).expect_code(0);
        let path = site.path(format);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains("pst_") && !made.stdout.contains("pst_"),
            "{}",
            made.stdout
        );
        assert!(!made.stderr.contains("pst_"), "{}", made.stderr);
        text
    };
    let gateway = TestGateway::run(&site);
    let url = gateway.url(MIXED, "/");
    let status = |headers: &[&str]| {
        let mut args = vec!["--retry", "0", "-o", "body", "-w", "%{http_code}"];
        args.extend(headers);
        args.push(&url);
        gateway.curl(&site, &args).expect_code(0).stdout
    };
    let by_pair = |id: &str, secret: &str| {
        let lines = format!("{ID}: {id}\n{SECRET}: {secret}\n");
        std::fs::write(site.path("by-hand"), lines).unwrap();
        eventually(|| status(&["-H", "@by-hand"]) == "200");
        drop(site.postern.run(&["token", "delete", TOKEN]).expect_code(0));
        eventually(|| status(&["-H", "@by-hand"]) == "401");
    };
    create("headers");
    eventually(|| status(&["-H", "@headers"]) == "200");
    drop(site.postern.run(&["token", "delete", TOKEN]).expect_code(0));

    let pair = create("pair");
    let (id, secret) = pair.trim().split_once(':').unwrap();
    by_pair(id, secret);
    let json: Value = serde_json::from_str(&create("json")).unwrap();
    by_pair(
        json["client_id"].as_str().unwrap(),
        json["client_secret"].as_str().unwrap(),
    );
    let dotenv = create("dotenv");
    let value = |name: &str| {
        dotenv
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .to_owned()
    };
    by_pair(
        &value("CF_ACCESS_CLIENT_ID="),
        &value("CF_ACCESS_CLIENT_SECRET="),
    );
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + postern_tests::PATIENCE;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it never came true");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn a_found_id_or_secret_is_identified_from_standard_input() {
    let site = Site::new();
    let (id, secret) = site.token(TOKEN);
    let identify = |text: &str| {
        let mut command = site.postern.command(&["token", "identify", "-o", "json"]);
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    for text in [
        id.clone(),
        secret.clone(),
        format!("log: token={secret}, lost\n"),
    ] {
        let found = identify(&text).expect_code(0);
        assert!(found.stdout.contains(TOKEN), "{}", found.stdout);
        assert!(!format!("{}{}", found.stdout, found.stderr).contains(&secret));
    }
    let unknown = identify("nothing of ours").expect_code(3);
    assert!(
        unknown.stderr.contains("no token of this home"),
        "{}",
        unknown.stderr
    );
}
