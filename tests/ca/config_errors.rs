//! `postern.toml`: every mistake at once, each with its line and column.

use std::fs;

use postern_tests::{Output, Postern};

const APPLICATION: &str = r#"[[application]]
name     = "telemetry"
hosts    = ["telemetry.example.com"]
upstream = "http://127.0.0.1:9000"
"#;

fn check(text: &str) -> Output {
    let postern = Postern::new();
    fs::write(postern.path("postern.toml"), text).expect("a file");
    postern.run(&["policy", "list"])
}

fn policy(rules: &str) -> String {
    format!("{APPLICATION}\n[[application.policy]]\nname     = \"p\"\n{rules}\n")
}

#[test]
fn a_right_configuration_is_listed_as_it_decides() {
    let text = policy("decision = \"non_identity\"\ninclude = [{ certificate = {} }]");
    let output = check(&text).expect_code(0);
    assert!(output.stdout.contains("telemetry"), "{}", output.stdout);
}

#[test]
fn an_unknown_key_is_an_error_with_its_line_and_column() {
    for (text, place, key) in [
        ("[gateway]\nlistne = \"x\"\n", "postern.toml:2:1:", "listne"),
        ("\n\nnonsense = 1\n", "postern.toml:3:1:", "nonsense"),
        (
            "[ca.profile.device]\nlifetme = \"1d\"\n",
            "postern.toml:2:1:",
            "lifetme",
        ),
    ] {
        let output = check(text).expect_code(6);
        assert!(
            output.stderr.contains(place) && output.stderr.contains(key),
            "{}",
            output.stderr
        );
    }
    let text = policy("decision = \"non_identity\"\nincldue = []");
    let output = check(&text).expect_code(6);
    assert!(
        output.stderr.contains("postern.toml:9:1:"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("incldue"), "{}", output.stderr);
}

#[test]
fn what_is_no_toml_is_an_error_with_its_line_and_column() {
    for text in ["[gateway\n", "listen = \n", "a = 1\na = 2\n", "\u{0}"] {
        let output = check(text).expect_code(6);
        assert!(
            output.stderr.starts_with("error: postern.toml:"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let profile =
        "[ca.profile.device]\nlifetime = \"soon\"\n[ca.profile.other]\ncommon_name = \"(\"\n";
    let rules = "decision = \"allow\"\ninclude = [{ common_name_pattern = \".*\" }]\n\
                 exclude = [{ common_name = \"device-.*\" }, { ip = \"nowhere\" }]";
    let output = check(&format!("{profile}{}", policy(rules))).expect_code(6);
    for place in [":2:", ":4:", ":12:", ":13:", ":14:"] {
        let place = format!("postern.toml{place}");
        assert!(output.stderr.contains(&place), "{place}: {}", output.stderr);
    }
    assert!(
        output.stderr.matches("postern.toml:").count() >= 6,
        "{}",
        output.stderr
    );
}

#[test]
fn bad_and_match_all_patterns_are_refused() {
    for pattern in ["(", "", "device-[", "a{99999999}", "(?:){4294967295}"] {
        let rules = format!(
            "decision = \"non_identity\"\ninclude = [{{ common_name_pattern = '{pattern}' }}]"
        );
        let output = check(&policy(&rules)).expect_code(6);
        assert!(
            output.stderr.contains("postern.toml:9:"),
            "{pattern}: {}",
            output.stderr
        );
    }
    for pattern in [".*", "^.*$", ".+", "(?s).*"] {
        let rules = format!(
            "decision = \"non_identity\"\ninclude = [{{ common_name_pattern = '{pattern}' }}]"
        );
        let output = check(&policy(&rules)).expect_code(6);
        assert!(
            output.stderr.contains("certificate"),
            "{pattern}: {}",
            output.stderr
        );
    }
}

#[test]
fn a_pattern_written_as_a_name_is_refused_with_the_hint() {
    let rules = "decision = \"non_identity\"\ninclude = [{ common_name = '^device-[0-9]+$' }]";
    let output = check(&policy(rules)).expect_code(6);
    assert!(
        output
            .stderr
            .contains("exact name; did you mean `common_name_pattern`?"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_policy_that_names_nobody_does_not_mean_everybody() {
    for rules in [
        "decision = \"non_identity\"",
        "decision = \"non_identity\"\ninclude = []",
        "decision = \"bypass\"\ninclude = []",
    ] {
        let output = check(&policy(rules)).expect_code(6);
        assert!(
            output.stderr.contains("an empty list never means everyone"),
            "{}",
            output.stderr
        );
    }
    check(APPLICATION).expect_code(6);
}

#[test]
fn allow_is_refused_and_the_right_word_is_named() {
    let rules = "decision = \"allow\"\ninclude = [{ certificate = {} }]";
    let output = check(&policy(rules)).expect_code(6);
    assert!(
        output.stderr.contains("postern.toml:8:12:"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("write `non_identity`"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_bad_configuration_stops_issuing_and_never_a_revocation() {
    let postern = Postern::with_ca();
    let missing = [
        "cert",
        "issue",
        "a",
        "--out",
        ".",
        "--config",
        "nowhere.toml",
    ];
    postern.run(&missing).expect_code(3);
    postern
        .run(&["cert", "issue", "b", "--out", "."])
        .expect_code(0);
    fs::write(
        postern.path("postern.toml"),
        "[ca.profile.device]\nlifetime = \"0d\"\n",
    )
    .expect("a file");
    let issue = ["cert", "issue", "a", "--profile", "device", "--out", "."];
    postern.run(&issue).expect_code(6);
    assert!(!postern.path("a.key").exists());
    postern.run(&["gateway", "check"]).expect_code(6);
    postern.run(&["cert", "revoke", "b"]).expect_code(0);
}

#[test]
fn a_hostile_file_is_an_error_and_nothing_worse() {
    let deep = format!("a = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = format!("a = \"{}\"", "x".repeat(3_000_000));
    for text in [&deep, &long, &"[a.".repeat(10_000), "\u{feff}[nonsense]\n"] {
        check(text).expect_code(6);
    }
}
