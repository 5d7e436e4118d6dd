//! The emulated edge: what a client meets at the door that the API configured.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use postern_fixtures::access::{CertificateForwarding, Options, Origin};
use postern_tests::{Contract, Rehearsal, Seen, Upstream, skip_without};
use serde_json::{Value, json};

const URL: &str = "https://api.example.com/";

fn policy(name: &str, decision: &str, include: Value) -> Value {
    json!({ "name": name, "decision": decision, "include": [include] })
}

fn common_name(name: &str) -> Value {
    json!({ "common_name": { "common_name": name } })
}

fn token_rule(id: &str) -> Value {
    json!({ "service_token": { "token_id": id } })
}

fn at_once() -> Options {
    Options {
        deploy_delay: Duration::ZERO,
        detach_delay: Duration::ZERO,
        ..Options::default()
    }
}

/// A host with a CA and one Service Auth policy for `device-1`.
fn for_device_1() -> Rehearsal {
    let access = Rehearsal::start(at_once());
    access.upload(&["api.example.com"]);
    access.app(
        "api.example.com",
        &[policy("mTLS", "non_identity", common_name("device-1"))],
    );
    access
}

fn with_token(access: &Rehearsal, headers: &[(&'static str, String)]) -> Seen {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    access.visit(URL, None, &headers)
}

fn strict(access: &Rehearsal) {
    let strict = json!({ "strict_service_token_auth": true });
    access.make("PUT", "access/organizations", &strict);
}

/// The claims of the JWT that reached the origin, verified as an origin verifies them.
fn claims(access: &Rehearsal, seen: &Seen, aud: &str) -> Value {
    let jwt = seen.json()["headers"]["cf-access-jwt-assertion"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let set = access.visit(
        "https://example.cloudflareaccess.com/cdn-cgi/access/certs",
        None,
        &[],
    );
    let set: JwkSet = serde_json::from_str(&set.body).unwrap();
    assert_eq!(set.keys.len(), 2);
    let kid = decode_header(&jwt).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[aud]);
    validation.set_issuer(&["https://example.cloudflareaccess.com"]);
    decode::<Value>(&jwt, &key, &validation).unwrap().claims
}

fn aud(access: &Rehearsal) -> String {
    let apps = access.make("GET", "access/apps", &Value::Null);
    apps[0]["aud"].as_str().unwrap().to_owned()
}

#[test]
fn exactly_the_named_common_name_is_admitted() {
    if skip_without("curl") {
        return;
    }
    let access = for_device_1();
    let status = |name: &str| {
        access
            .visit(URL, Some(&access.pki.client(name)), &[])
            .status
    };
    assert_eq!(status("device-1"), 200);
    for other in ["device-2", "device-11", "Device-1", "device-1 "] {
        assert_eq!(status(other), 403, "{other:?}");
    }
    assert_eq!(access.visit(URL, None, &[]).status, 403);
}

#[test]
fn a_pattern_as_common_name_is_taken_and_matches_nobody() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    access.upload(&["api.example.com"]);
    let pattern = policy("pattern", "non_identity", common_name("device-.*"));
    access.app("api.example.com", &[pattern]);
    let device = access.pki.client("device-1");
    assert_eq!(access.visit(URL, Some(&device), &[]).status, 403);
    let literal = access.pki.client("device-.*");
    assert_eq!(access.visit(URL, Some(&literal), &[]).status, 200);
}

#[test]
fn a_certificate_that_leads_to_no_uploaded_ca_is_flagged_and_refused_by_policy() {
    if skip_without("curl") {
        return;
    }
    let access = for_device_1();
    for client in [
        access.pki.expired("device-1"),
        access.pki.by_unknown_ca("device-1"),
        access.pki.forged("device-1"),
    ] {
        assert_eq!(access.visit(URL, Some(&client), &[]).status, 403);
    }
    let two = access.pki.two_common_names("device-1", "device-2");
    assert_eq!(access.visit(URL, Some(&two), &[]).status, 403);
}

#[test]
fn a_ca_without_the_host_means_that_no_certificate_is_asked_for() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let ca = access.upload(&["other.example.com"]);
    let anyone = policy("any", "non_identity", json!({ "certificate": {} }));
    access.app("api.example.com", &[anyone]);
    let device = access.pki.client("device-1");
    assert_eq!(access.visit(URL, Some(&device), &[]).status, 403);
    let hosts = json!({ "associated_hostnames": ["api.example.com"] });
    access.make("PUT", &format!("access/certificates/{ca}"), &hosts);
    assert_eq!(access.visit(URL, Some(&device), &[]).status, 200);
}

#[test]
fn service_auth_comes_before_block_so_only_exclude_stops_a_client() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    access.upload(&["api.example.com"]);
    let block = policy("block", "deny", common_name("device-1"));
    let admit = policy("mTLS", "non_identity", json!({ "certificate": {} }));
    let app = access.app("api.example.com", &[block, admit.clone()]);
    let device = access.pki.client("device-1");
    assert_eq!(access.visit(URL, Some(&device), &[]).status, 200);
    let policies = format!("access/apps/{app}/policies");
    let second = access.make("GET", &policies, &Value::Null)[1]["id"].clone();
    let mut excluding = admit;
    excluding["exclude"] = json!([common_name("device-1")]);
    let path = format!("{policies}/{}", second.as_str().unwrap());
    access.make("PUT", &path, &excluding);
    assert_eq!(access.visit(URL, Some(&device), &[]).status, 403);
}

#[test]
fn include_is_or_require_is_and_over_values_and_groups_nest() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    access.upload(&["api.example.com"]);
    let names = json!([common_name("device-1"), common_name("device-2")]);
    let group = json!({ "name": "fleet", "include": names });
    let group = access.make("POST", "access/groups", &group);
    let rule = json!({ "group": { "id": group["id"] } });
    let (token, headers) = access.token("second-factor");
    let mut both = policy("both", "non_identity", rule);
    both["require"] = json!([token_rule(&token)]);
    access.app("api.example.com", &[both]);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let status = |name: &str, headers: &[(&str, &str)]| {
        access
            .visit(URL, Some(&access.pki.client(name)), headers)
            .status
    };
    assert_eq!(status("device-1", &headers), 200);
    assert_eq!(status("device-2", &headers), 200);
    assert_eq!(status("device-3", &headers), 403);
    assert_eq!(status("device-1", &[]), 403);
}

#[test]
fn the_longest_path_decides_and_bypass_reaches_the_origin_without_a_jwt() {
    if skip_without("curl") {
        return;
    }
    let access = for_device_1();
    let open = policy("open", "bypass", json!({ "everyone": {} }));
    access.app("api.example.com/health", &[open]);
    let forged = [
        ("Cf-Access-Jwt-Assertion", "forged"),
        ("Cf-Client-Cert-Sha256", "forged"),
    ];
    let seen = access.visit("https://api.example.com/health/live", None, &forged);
    assert_eq!(seen.status, 200);
    assert!(
        !seen.body.contains("forged") && !seen.body.contains("jwt"),
        "{}",
        seen.body
    );
    assert_eq!(
        access
            .visit("https://api.example.com/healthy", None, &[])
            .status,
        403
    );
}

#[test]
fn a_token_in_an_allow_policy_ends_at_the_login_page() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let (token, headers) = access.token("ci");
    access.app(
        "api.example.com",
        &[policy("wrong", "allow", token_rule(&token))],
    );
    let seen = with_token(&access, &headers);
    let location = seen.header("location").unwrap();
    assert_eq!(seen.status, 302);
    let login = "https://example.cloudflareaccess.com/cdn-cgi/access/login/api.example.com?kid=";
    assert!(location.starts_with(login), "{location}");
}

#[test]
fn a_stale_token_beside_an_allow_policy_is_302_and_in_strict_mode_401() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let (token, mut headers) = access.token("ci");
    let people = policy(
        "people",
        "allow",
        json!({ "email_domain": { "domain": "example.com" } }),
    );
    access.app(
        "api.example.com",
        &[policy("ci", "non_identity", token_rule(&token)), people],
    );
    let good = with_token(&access, &headers);
    assert_eq!(good.status, 200);
    assert!(
        good.header("set-cookie")
            .unwrap()
            .starts_with("CF_Authorization=")
    );
    let (_, other) = access.token("not-in-the-policy");
    headers[1].1 = "stale".to_owned();
    assert_eq!(with_token(&access, &headers).status, 302);
    strict(&access);
    assert_eq!(with_token(&access, &headers).status, 401);
    assert_eq!(with_token(&access, &headers[..1]).status, 401);
    assert_eq!(with_token(&access, &other).status, 403);
    assert_eq!(access.visit(URL, None, &[]).status, 302); // nobody showed a token
}

#[test]
fn in_strict_mode_no_cookie_comes_back_and_doubled_headers_are_refused() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    strict(&access);
    let (token, headers) = access.token("ci");
    access.app(
        "api.example.com",
        &[policy("ci", "non_identity", token_rule(&token))],
    );
    let seen = with_token(&access, &headers);
    assert_eq!((seen.status, seen.header("set-cookie")), (200, None));
    let doubled = [headers.clone(), headers].concat();
    assert_eq!(with_token(&access, &doubled).status, 401);
}

#[test]
fn one_header_may_carry_both_credentials_where_the_application_reads_it() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let (token, headers) = access.token("ci");
    let app = access.app(
        "api.example.com",
        &[policy("ci", "non_identity", token_rule(&token))],
    );
    let json = json!({
        "cf-access-client-id": headers[0].1, "cf-access-client-secret": headers[1].1,
    });
    let single = [("Authorization", json.to_string())];
    assert_eq!(with_token(&access, &single).status, 403);
    let path = format!("access/apps/{app}");
    let shown = access.make("GET", &path, &Value::Null);
    let update = json!({
        "type": "self_hosted", "domain": "api.example.com",
        "policies": [{ "id": shown["policies"][0]["id"], "precedence": 1 }],
        "read_service_tokens_from_header": "Authorization",
    });
    access.make("PUT", &path, &update);
    assert_eq!(with_token(&access, &single).status, 200);
}

#[test]
fn rotation_keeps_the_old_secret_for_the_grace_and_no_longer() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let (token, old) = access.token("ci");
    access.app(
        "api.example.com",
        &[policy("ci", "non_identity", token_rule(&token))],
    );
    let in_an_hour = time::OffsetDateTime::now_utc() + Duration::from_secs(3_600);
    let end = in_an_hour
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let path = format!("access/service_tokens/{token}");
    let grace = json!({ "previous_client_secret_expires_at": end });
    let rotated = access.make("POST", &format!("{path}/rotate"), &grace);
    let mut new = old.clone();
    new[1].1 = rotated["client_secret"].as_str().unwrap().to_owned();
    let both = || {
        [
            with_token(&access, &old).status,
            with_token(&access, &new).status,
        ]
    };
    assert_eq!(both(), [200, 200]);
    access.make("PUT", &path, &json!({ "enabled": false }));
    assert_eq!(both(), [403, 403]);
    access.make("PUT", &path, &json!({ "enabled": true }));
    access.emulator.advance(Duration::from_secs(3_601));
    assert_eq!(both(), [403, 200]);
    access.make("POST", &format!("{path}/rotate"), &Value::Null);
    assert_eq!(both(), [403, 403]); // without a grace end the old secret dies now
}

#[test]
fn a_token_ends_with_its_duration_and_a_refresh_gives_it_a_year_more() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let (token, headers) = access.token("ci");
    access.app(
        "api.example.com",
        &[policy("ci", "non_identity", token_rule(&token))],
    );
    let path = format!("access/service_tokens/{token}");
    access.make("PUT", &path, &json!({ "duration": "1h" }));
    assert_eq!(with_token(&access, &headers).status, 200);
    access.emulator.advance(Duration::from_secs(3_601));
    assert_eq!(with_token(&access, &headers).status, 403);
    access.make("POST", &format!("{path}/refresh"), &Value::Null);
    assert_eq!(with_token(&access, &headers).status, 200);
}

#[test]
fn the_jwt_of_a_token_names_its_client_id_and_the_jwt_of_a_certificate_its_common_name() {
    if skip_without("curl") {
        return;
    }
    let access = for_device_1();
    let device = access.pki.client("device-1");
    let seen = access.visit(URL, Some(&device), &[]);
    let mtls = claims(&access, &seen, &aud(&access));
    assert_eq!(
        (&mtls["common_name"], &mtls["sub"]),
        (&json!("device-1"), &json!(""))
    );
    assert_eq!(
        (&mtls["type"], mtls.get("email"), mtls.get("nbf")),
        (&json!("app"), None, None)
    );
    access.make("POST", "access/keys/rotate", &Value::Null);
    let (token, headers) = access.token("ci");
    let apps = access.make("GET", "access/apps", &Value::Null);
    let policies = format!("access/apps/{}/policies", apps[0]["id"].as_str().unwrap());
    access.make(
        "POST",
        &policies,
        &policy("ci", "non_identity", token_rule(&token)),
    );
    let after = with_token(&access, &headers);
    assert_eq!(
        claims(&access, &after, &aud(&access))["common_name"],
        json!(headers[0].1)
    );
    // The key before the rotation still verifies.
    claims(&access, &seen, &aud(&access));
}

#[test]
fn localhost_as_a_zone_needs_no_name_server() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(Options {
        zones: vec!["localhost".to_owned()],
        ..at_once()
    });
    access.upload(&["localhost"]);
    access.app(
        "localhost",
        &[policy("mTLS", "non_identity", common_name("device-1"))],
    );
    let device = access.pki.client("device-1");
    assert_eq!(
        access
            .visit("https://localhost/", Some(&device), &[])
            .status,
        200
    );
    assert_eq!(access.visit("https://localhost/", None, &[]).status, 403);
}

#[test]
fn the_edge_acts_only_after_the_change_has_arrived() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(Options {
        propagation: Duration::from_secs(600),
        ..at_once()
    });
    let (token, headers) = access.token("ci");
    access.app(
        "api.example.com",
        &[policy("ci", "non_identity", token_rule(&token))],
    );
    let here = "https://api.example.com/";
    let echoed = access.visit(here, None, &[]);
    assert_eq!(echoed.status, 200); // the application is not at the edge yet: the host is open
    access.emulator.advance(Duration::from_secs(601));
    assert_eq!(access.visit(here, None, &[]).status, 403);
    assert_eq!(with_token(&access, &headers).status, 200);
}

#[test]
fn the_origin_gets_the_jwt_and_the_certificate_where_the_settings_forward_it() {
    if skip_without("curl") {
        return;
    }
    let upstream = Upstream::start();
    let access = Rehearsal::start(Options {
        origin: Some(Origin::Http(upstream.authority())),
        forwarding: CertificateForwarding::EveryRequest,
        ..at_once()
    });
    access.upload(&["api.example.com"]);
    access.app(
        "api.example.com",
        &[policy("mTLS", "non_identity", common_name("device-1"))],
    );
    let device = access.pki.client("device-1");
    let forged = [
        ("Cf-Connecting-IP", "203.0.113.9"),
        ("Cf-Client-Cert-Der-Base64", "AA=="),
    ];
    assert_eq!(
        access
            .visit("https://api.example.com/one", Some(&device), &forged)
            .status,
        200
    );
    let setting = json!({
        "hostname": "api.example.com", "china_network": false,
        "client_certificate_forwarding": true,
    });
    let settings = json!({ "settings": [setting] });
    access.make("PUT", "access/certificates/settings", &settings);
    assert_eq!(
        access
            .visit("https://api.example.com/two", Some(&device), &forged)
            .status,
        200
    );
    let [without, with] = ["/one", "/two"].map(|path| upstream.only(path));
    assert_eq!(without.values("Cf-Client-Cert-Der-Base64"), [""; 0]);
    assert_eq!(with.values("Cf-Client-Cert-Sha256").len(), 1);
    let sent = with.values("Cf-Client-Cert-Der-Base64");
    let der = STANDARD.encode(device.der());
    assert_eq!(sent, [der.as_str()]);
    assert_eq!(with.values("Cf-Connecting-IP"), ["127.0.0.1"]);
    assert_eq!(with.values("Cf-Access-Jwt-Assertion").len(), 1);
    assert_eq!(with.values("Host").len(), 1);
}

#[test]
fn logins_of_machines_are_in_graphql_alone_and_those_of_people_in_the_rest_log() {
    if skip_without("curl") {
        return;
    }
    let access = for_device_1();
    access.visit(URL, Some(&access.pki.client("device-1")), &[]);
    access.visit(URL, Some(&access.pki.client("device-2")), &[]);
    let apps = access.make("GET", "access/apps", &Value::Null);
    access
        .emulator
        .log_in(apps[0]["id"].as_str().unwrap(), "a@example.com");
    let rest = access.make("GET", "access/logs/access_requests?limit=10", &Value::Null);
    assert_eq!(
        (rest.as_array().unwrap().len(), &rest[0]["user_email"]),
        (1, &json!("a@example.com"))
    );
    let query =
        "query L($tag: string!, $from: Time) { viewer { accounts(filter: {accountTag: $tag}) {
        accessLoginRequestsAdaptiveGroups(limit: 100, orderBy: [mtlsCommonName_ASC],
            filter: {datetime_geq: $from, identityProvider: \"nonidentity\"}) {
            dimensions { name: mtlsCommonName isSuccessfulLogin mtlsStatus approvingPolicyId }
        } } } }";
    let variables = json!({ "tag": access.emulator.account_id(), "from": "2020-01-01T00:00:00Z" });
    let body = json!({ "query": query, "variables": variables });
    let (status, answer) = access.call("POST", "../../graphql", &body);
    assert_eq!((status, &answer["errors"]), (200, &Value::Null), "{answer}");
    let groups = &answer["data"]["viewer"]["accounts"][0]["accessLoginRequestsAdaptiveGroups"];
    let logins = groups.as_array().unwrap();
    let said = |login: &Value| {
        let dimensions = &login["dimensions"];
        (
            dimensions["name"].clone(),
            dimensions["isSuccessfulLogin"].clone(),
        )
    };
    let expected = [(json!("device-1"), json!(1)), (json!("device-2"), json!(0))];
    assert_eq!(logins.iter().map(said).collect::<Vec<_>>(), expected);
    assert_eq!(logins[1]["dimensions"]["mtlsStatus"], "SUCCESS");
    let wrong = json!({ "query": "{ viewer { nothing } }" });
    let (status, answer) = access.call("POST", "../../graphql", &wrong);
    assert_eq!((status, &answer["data"]), (200, &Value::Null));
    if let Some(contract) = Contract::load() {
        assert!(contract.expect_all(&access.emulator.exchanges()) > 4);
    }
}
