//! The emulated API over the wire: what curl sees.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postern_fixtures::access::{
    ApiTokenKind, At, Effect, Emulator, Fault, Options, Permission, PermissionGroup, Plan, Struck,
};
use postern_tests::{Contract, Output, PATIENCE, Rehearsal, skip_without};
use serde_json::{Value, json};

/// The first error of an envelope.
fn error(answer: &Value) -> (u64, &str) {
    let error = &answer["errors"][0];
    (
        error["code"].as_u64().unwrap_or(0),
        error["message"].as_str().unwrap_or_default(),
    )
}

/// Everything that the emulator answered by itself keeps the contract; what was asked need not.
fn judge_answers(rehearsal: &Rehearsal) {
    let Some(contract) = Contract::load() else {
        return;
    };
    for one in rehearsal.emulator.exchanges() {
        let routed = one.status.filter(|_| error(&one.response).0 != 7003);
        if let Some(status) = routed.filter(|_| one.path != "/graphql") {
            let judged = contract.check_response(&one.method, &one.path, status, &one.response);
            assert_eq!(
                judged,
                Ok(()),
                "{} {} {}",
                one.method,
                one.path,
                one.response
            );
        }
    }
}

/// No wait: for tests that are not about waiting.
fn at_once() -> Options {
    Options {
        deploy_delay: Duration::ZERO,
        detach_delay: Duration::ZERO,
        ..Options::default()
    }
}

#[test]
fn creates_answer_201_updates_200_settings_202_and_deletes_as_documented() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let app = json!({ "type": "self_hosted", "domain": "api.example.com" });
    let group = json!({ "name": "g", "include": [{ "certificate": {} }] });
    let ca = json!({ "name": "devices", "certificate": access.chain() });
    let token = json!({ "name": "ci" });
    for (resource, body, deleted) in [
        ("access/apps", app, 202),
        ("access/groups", group, 202),
        ("access/certificates", ca, 200),
        ("access/service_tokens", token, 200),
    ] {
        let (status, made) = access.call("POST", resource, &body);
        assert_eq!(status, 201, "{made}");
        assert!(made.get("result_info").is_none(), "{made}");
        let one = format!("{resource}/{}", made["result"]["id"].as_str().unwrap());
        let update = match resource {
            "access/certificates" => json!({ "associated_hostnames": [] }),
            _ => body,
        };
        assert_eq!(access.call("PUT", &one, &update).0, 200);
        assert_eq!(access.call("DELETE", &one, &Value::Null).0, deleted);
        let (status, gone) = access.call("GET", &one, &Value::Null);
        assert_eq!(
            (status, error(&gone).1),
            (404, "access.api.error.not_found")
        );
        assert_eq!(
            (&gone["success"], &gone["result"]),
            (&json!(false), &Value::Null)
        );
    }
    let settings = json!({ "settings": [] });
    assert_eq!(
        access
            .call("PUT", "access/certificates/settings", &settings)
            .0,
        202
    );
    judge_answers(&access);
}

#[test]
fn a_list_ends_with_an_empty_page_and_says_how_many_there_are() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    for number in 0..7 {
        access.token(&format!("t{number}"));
    }
    let sizes = [1, 2, 3, 4].map(|page| {
        let path = format!("access/service_tokens?page={page}&per_page=3");
        let (status, answer) = access.call("GET", &path, &Value::Null);
        assert_eq!(
            (status, &answer["result_info"]["total_count"]),
            (200, &json!(7))
        );
        answer["result"].as_array().unwrap().len()
    });
    assert_eq!(sizes, [3, 3, 1, 0]);
    judge_answers(&access);
}

#[test]
fn a_list_may_leave_out_what_a_get_still_finds() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let (id, _) = access.token("hidden");
    access.emulator.hide_from_lists(&id);
    let (_, list) = access.call("GET", "access/service_tokens", &Value::Null);
    assert_eq!(list["result"], json!([]));
    let one = access.make("GET", &format!("access/service_tokens/{id}"), &Value::Null);
    assert_eq!(one["name"], "hidden");
}

#[test]
fn a_wrong_api_token_path_or_account_is_refused_with_the_known_number() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(Options {
        api_token: ApiTokenKind::User,
        ..Options::default()
    });
    let (status, answer) = access.call("GET", "tokens/verify", &Value::Null);
    assert_eq!((status, error(&answer)), (401, (1000, "Invalid API Token")));
    let (status, answer) = access.call("GET", "access/nothing", &Value::Null);
    assert_eq!(
        (status, error(&answer)),
        (404, (7003, "No route for the URI"))
    );
    let (status, answer) = access.call("GET", "access/apps/not-an-id", &Value::Null);
    assert_eq!((status, error(&answer).0), (404, 7003));
    let elsewhere = "../00000000000000000000000000000000/access/apps";
    let (status, answer) = access.call("GET", elsewhere, &Value::Null);
    assert_eq!((status, error(&answer).0), (403, 9109));
    let ended = Rehearsal::start(Options {
        api_token: ApiTokenKind::Expired,
        ..Options::default()
    });
    let (status, answer) = ended.call("GET", "access/apps", &Value::Null);
    assert_eq!(
        (status, error(&answer)),
        (401, (10_000, "Authentication error"))
    );
}

#[test]
fn a_missing_permission_is_403_with_10000_and_reading_is_not_writing() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(Options {
        permissions: Some(vec![
            Permission::read(PermissionGroup::ServiceTokens),
            Permission::write(PermissionGroup::Organizations),
        ]),
        ..at_once()
    });
    let refused = |method: &str, path: &str, body: &Value| {
        let (status, answer) = access.call(method, path, body);
        (status, error(&answer).0) == (403, 10_000)
    };
    assert!(!refused("GET", "access/service_tokens", &Value::Null));
    assert!(refused(
        "POST",
        "access/service_tokens",
        &json!({ "name": "ci" })
    ));
    assert!(refused("GET", "access/certificates", &Value::Null));
    assert!(refused("GET", "access/apps", &Value::Null));
    assert!(!refused("GET", "access/groups", &Value::Null));
    judge_answers(&access);
}

#[test]
fn an_account_without_access_mtls_says_so_when_it_is_read() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(Options {
        plan: Plan::Free,
        ..Options::default()
    });
    let (status, answer) = access.call("GET", "access/certificates", &Value::Null);
    assert_eq!(status, 403);
    assert!(
        error(&answer).1.starts_with("access.api.error.not_enabled"),
        "{answer}"
    );
    access.token("works-on-every-plan");
}

#[test]
fn past_the_limit_every_call_is_429_and_says_when_to_try_again() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(Options {
        call_limit: 2,
        ..Options::default()
    });
    let ask = || access.request("GET", "access/apps", &Value::Null);
    assert_eq!(ask().header("x-ratelimit-remaining"), Some("1"));
    assert_eq!(ask().status, 200);
    let refused = ask();
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("300"))
    );
    let reset = refused.header("x-ratelimit-reset").unwrap();
    assert!(reset.ends_with(" GMT"), "{reset}");
    access.emulator.advance(Duration::from_secs(301));
    assert_eq!(ask().status, 200);
    judge_answers(&access);
}

#[test]
fn a_fault_before_leaves_nothing_and_a_fault_after_leaves_the_object() {
    if skip_without("curl") {
        return;
    }
    for (effect, status) in [
        (Effect::Cut { at: At::Before }, 0),
        (
            Effect::ServerError {
                status: 502,
                at: At::Before,
            },
            502,
        ),
        (Effect::TooManyCalls { retry_after: 7 }, 429),
        (Effect::Forbidden, 403),
        (Effect::Cut { at: At::After }, 0),
        (
            Effect::ServerError {
                status: 500,
                at: At::After,
            },
            500,
        ),
    ] {
        let access = Rehearsal::start(at_once());
        access
            .emulator
            .inject(Fault::on("POST", "*/service_tokens", effect));
        let seen = access.request("POST", "access/service_tokens", &json!({ "name": "ci" }));
        assert_eq!(seen.status, status, "{effect:?}");
        let took_effect = matches!(
            effect,
            Effect::Cut { at: At::After } | Effect::ServerError { at: At::After, .. }
        );
        let left = access.make("GET", "access/service_tokens", &Value::Null);
        assert_eq!(
            left.as_array().unwrap().len(),
            usize::from(took_effect),
            "{effect:?}"
        );
        assert_eq!(access.emulator.exchanges()[0].struck, Struck::ByFault);
        if status == 429 {
            assert_eq!(seen.header("retry-after"), Some("7"));
        }
        judge_answers(&access);
    }
}

#[test]
fn a_call_that_times_out_gets_no_answer_and_holds_nobody_else_up() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let silence = Effect::Timeout { at: At::After };
    access
        .emulator
        .inject(Fault::on("POST", "*/access/groups", silence));
    let base = access.emulator.api();
    let address = base
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let mut hung = TcpStream::connect(&address).unwrap();
    let group = json!({ "name": "g", "include": [{ "certificate": {} }] }).to_string();
    let head = format!(
        "POST /client/v4/accounts/{}/access/groups HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        access.emulator.account_id(),
        access.emulator.api_token(),
        group.len()
    );
    hung.write_all((head + &group).as_bytes()).unwrap();
    let took_effect = || {
        let groups = access.make("GET", "access/groups", &Value::Null);
        !groups.as_array().unwrap().is_empty()
    };
    let deadline = Instant::now() + PATIENCE;
    while !took_effect() {
        assert!(Instant::now() < deadline, "the call never arrived");
    }
    hung.set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let error = hung.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn partial_success_reports_success_and_shows_what_really_holds() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    access.emulator.inject(Fault::at_call(1, Effect::Partial));
    let ca = json!({
        "name": "devices", "certificate": access.chain(),
        "associated_hostnames": ["a.example.com", "b.example.com"],
    });
    let (status, made) = access.call("POST", "access/certificates", &ca);
    assert_eq!(status, 201);
    assert_eq!(
        made["result"]["associated_hostnames"],
        json!(["a.example.com"])
    );
}

#[test]
fn a_fingerprint_is_openssls_md5_and_what_openssl_signs_with_pss_is_refused() {
    if skip_without("curl") || skip_without("openssl") {
        return;
    }
    let access = Rehearsal::start(at_once());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let upload = |pem: &str| {
        let ca = json!({ "name": "devices", "certificate": pem });
        access.call("POST", "access/certificates", &ca)
    };
    let root = access.pki.root().pem();
    std::fs::write(file("root.crt"), &root).unwrap();
    let args = [
        "x509",
        "-in",
        &file("root.crt"),
        "-noout",
        "-fingerprint",
        "-md5",
    ];
    let printed = Output::of(Command::new("openssl").args(args))
        .expect_code(0)
        .stdout;
    let (_, made) = upload(&root);
    let fingerprint = made["result"]["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.to_lowercase(), printed.trim().to_lowercase());
    let args = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=PSS",
        "-days",
        "30",
        "-sigopt",
        "rsa_padding_mode:pss",
        "-sha256",
        "-keyout",
        &file("pss.key"),
        "-out",
        &file("pss.crt"),
    ];
    let _made = Output::of(Command::new("openssl").args(args)).expect_code(0);
    let (status, refused) = upload(&std::fs::read_to_string(file("pss.crt")).unwrap());
    assert_eq!(status, 400, "{refused}");
    assert!(
        error(&refused)
            .1
            .contains("neither RSA (PKCS #1) nor ECDSA"),
        "{refused}"
    );
}

#[test]
fn a_zone_has_objects_of_its_own_and_no_reusable_policies_or_rotation() {
    if skip_without("curl") {
        return;
    }
    let access = Rehearsal::start(Options {
        zones: vec!["example.com".to_owned(), "example.org".to_owned()],
        ..at_once()
    });
    let zone = format!("../../zones/{}", access.emulator.zone_id());
    let app = json!({ "type": "self_hosted", "domain": "api.example.com" });
    access.make("POST", &format!("{zone}/access/apps"), &app);
    assert_eq!(access.make("GET", "access/apps", &Value::Null), json!([]));
    let other = json!({ "type": "self_hosted", "domain": "api.example.org" });
    assert_eq!(
        access
            .call("POST", &format!("{zone}/access/apps"), &other)
            .0,
        400
    );
    let hosts = json!({
        "name": "devices", "certificate": access.chain(),
        "associated_hostnames": ["api.example.org"],
    });
    let (status, refused) = access.call("POST", &format!("{zone}/access/certificates"), &hosts);
    assert_eq!((status, error(&refused).0), (400, 12_036));
    let token = json!({ "name": "ci" });
    let token = access.make("POST", &format!("{zone}/access/service_tokens"), &token);
    let path = format!(
        "{zone}/access/service_tokens/{}",
        token["id"].as_str().unwrap()
    );
    assert_eq!(access.call("GET", &path, &Value::Null).0, 200);
    for (method, path) in [
        ("POST", format!("{path}/rotate")),
        ("GET", format!("{zone}/access/policies")),
    ] {
        let (status, refused) = access.call(method, &path, &Value::Null);
        assert_eq!((status, error(&refused).0), (404, 7_003), "{path}");
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The binary beside this test's folder, built once.
fn binary() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "-p",
            "postern-fixtures",
            "--bin",
            "access-emulator",
        ])
        .status();
    assert!(built.unwrap().success());
    let this = std::env::current_exe().unwrap();
    this.ancestors().nth(2).unwrap().join("access-emulator")
}

#[test]
fn the_binary_prints_one_line_of_json_and_takes_faults_from_a_file_and_over_the_wire() {
    if skip_without("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let faults = folder.path().join("faults.json");
    let first = json!({ "method": "GET", "path": "/zones", "effect": { "kind": "forbidden" } });
    std::fs::write(&faults, first.to_string()).unwrap();
    let child = Command::new(binary())
        .args(["--edge", "127.0.0.1:0", "--faults"])
        .arg(&faults)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let site: Value = serde_json::from_str(&line).unwrap();
    let text = |key: &str| site[key].as_str().unwrap().to_owned();
    assert_eq!((text("account_id").len(), text("zone_id").len()), (32, 32));
    assert!(text("edge_root").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(text("edge").starts_with("127.0.0.1:"));
    assert_eq!(text("team_domain"), "example.cloudflareaccess.com");
    let status = |args: &[&str]| {
        let code = [
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ];
        Output::of(Command::new("curl").args(code).args(args)).stdout
    };
    let header = format!("Authorization: Bearer {}", text("api_token"));
    let zones = format!("{}/zones", text("api"));
    let zones = ["--header", &header, &zones];
    assert_eq!([status(&zones), status(&zones)], ["403", "200"]);
    let admin = text("api").replace("/client/v4", "/emulator/faults");
    let again = first.to_string();
    assert_eq!(status(&["--data", &again, &admin]), "200");
    assert_eq!([status(&zones), status(&zones)], ["403", "200"]);
    assert_eq!(status(&["--data", "{}", &admin]), "400");
    assert_eq!(status(&[&text("jwks")]), "200");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let elsewhere = "192.0.2.1:0".parse().unwrap();
    for options in [
        Options {
            listen: elsewhere,
            ..Options::default()
        },
        Options {
            edge: Some(elsewhere),
            ..Options::default()
        },
    ] {
        let refused = Emulator::start(options).unwrap_err();
        assert!(refused.to_string().contains("not on loopback"), "{refused}");
    }
    let output = Output::of(Command::new(binary()).args(["--listen", "0.0.0.0:0"]));
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("not on loopback"),
        "{}",
        output.stderr
    );
}
