//! How a secret reaches its destination, and who sees it on the way.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::{NAME, Stage, URL};

#[test]
fn every_format_is_read_back_and_opens_the_edge() {
    let stage = Stage::new();
    for format in ["pair", "json", "dotenv", "headers", "k8s"] {
        let name = format!("ci-{format}-prod");
        let create = [
            "token",
            "create",
            &name,
            "--at",
            "cloudflare",
            "--app",
            &stage.app,
            "--out",
            format,
            "--format",
            format,
        ];
        stage.run(&create).expect_code(0);
        let mode = stage
            .postern
            .path(format)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{format}");
        assert!(stage.opens(format), "{format}");
    }
    let manifest = std::fs::read_to_string(stage.postern.path("k8s")).unwrap();
    assert!(manifest.contains("name: ci-k8s-prod") && manifest.contains("client-secret: "));
}

#[test]
fn a_command_gets_the_secret_on_its_standard_input_and_nowhere_else() {
    let stage = Stage::new();
    let spy = "cat >got; tr '\\0' '\\n' </proc/$$/environ >environ; tr '\\0' '\\n' </proc/$$/cmdline >cmdline";
    stage
        .create(&["--pipe", spy, "--format", "json"])
        .expect_code(0);
    let got = std::fs::read_to_string(stage.postern.path("got")).unwrap();
    let got: Value = serde_json::from_str(&got).unwrap();
    let secret = got["client_secret"].as_str().unwrap();
    assert!(stage.secrets().contains(&secret.to_owned()));
    let api_token = stage.emulator.api_token();
    for file in ["environ", "cmdline"] {
        let seen = std::fs::read_to_string(stage.postern.path(file)).unwrap();
        assert!(!seen.contains(secret), "{file}");
        assert!(
            !seen.contains(&api_token),
            "the API token is none of the child's business"
        );
    }
    let environ = std::fs::read_to_string(stage.postern.path("environ")).unwrap();
    assert!(
        environ.contains("POSTERN_TOKEN=ci-deploy-prod"),
        "{environ}"
    );
}

#[test]
fn a_command_that_fails_is_partly_done_and_the_next_run_gives_it_another_secret() {
    let stage = Stage::new();
    let noisy = "cat >&2; test -e ready && exit 0; echo 'permission denied' >&2; exit 9";
    let failed = stage.create(&["--pipe", noisy]).expect_code(7);
    assert!(
        failed.stderr.contains("permission denied"),
        "{}",
        failed.stderr
    );
    for secret in stage.secrets() {
        assert!(!failed.stderr.contains(&secret), "{}", failed.stderr);
    }
    std::fs::write(stage.postern.path("ready"), "").unwrap();
    let again = stage.create(&["--pipe", noisy]).expect_code(0);
    assert!(
        again.stderr.contains("was lost before it was delivered"),
        "{}",
        again.stderr
    );
    assert_eq!(stage.tokens().len(), 1);
    assert_eq!(stage.policies().len(), 2);
    // Who has no way to read it back cannot try it.
    stage
        .create(&["--pipe", noisy, "--test", URL])
        .expect_code(2);
}

#[test]
fn a_command_that_hangs_is_told_of_and_ended_and_the_next_run_goes_on() {
    let stage = Stage::new();
    let hanging = "cat >/dev/null; echo $$ >pid; exec sleep 600";
    let failed = stage.create(&["--pipe", hanging, "--pipe-timeout", "6s"]);
    let failed = failed.expect_code(7);
    for told in ["is still running", "--pipe-timeout"] {
        assert!(failed.stderr.contains(told), "{}", failed.stderr);
    }
    let pid = std::fs::read_to_string(stage.postern.path("pid")).unwrap();
    let process = std::path::Path::new("/proc").join(pid.trim());
    assert!(!process.exists(), "it was ended");
    stage.create(&["--pipe", "cat >/dev/null"]).expect_code(0);
    assert_eq!(stage.tokens().len(), 1);
}

#[test]
fn a_file_that_holds_anything_else_than_the_tokens_own_secret_is_not_replaced() {
    let stage = Stage::new();
    for name in ["pay-sync-prod", "pay-push-prod"] {
        let create = ["token", "create", name, "--out", name];
        stage.run(&create).expect_code(0);
    }
    let notes = stage.postern.path("notes");
    std::fs::write(&notes, "no secret at all").unwrap();
    let other = stage.pair("pay-push-prod");
    for file in ["pay-push-prod", "notes"] {
        let rotate = ["token", "rotate", "pay-sync-prod", "--out", file];
        let refused = stage.run(&rotate).expect_code(5);
        assert!(
            refused.stderr.contains("nothing was minted"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(stage.pair("pay-push-prod"), other);
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "no secret at all");
    let listed = stage.run(&["token", "rotate", "--status", "-o", "json"]);
    assert_eq!(listed.json()["items"], serde_json::json!([]));
    // Its own is replaced, and a run that goes on finds the successor's there.
    let own = stage.pair("pay-sync-prod");
    let rotate = [
        "token",
        "rotate",
        "pay-sync-prod",
        "--parallel",
        "--out",
        "pay-sync-prod",
    ];
    for _ in 0..2 {
        stage.run(&rotate).expect_code(10);
    }
    assert_ne!(stage.pair("pay-sync-prod"), own);
}

#[test]
fn the_gateway_accepts_what_cloudflare_minted() {
    let stage = Stage::new();
    stage.create(&["--out", "token"]).expect_code(0);
    let (id, _) = stage.pair("token");
    let mut identify = stage.command(&["token", "identify"]);
    let file = std::fs::File::open(stage.postern.path("token")).unwrap();
    let found = postern_tests::Output::of(identify.stdin(file)).expect_code(0);
    assert!(
        found.stdout.contains(NAME) && found.stdout.contains(&id),
        "{}",
        found.stdout
    );
}
