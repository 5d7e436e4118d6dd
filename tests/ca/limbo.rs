//! x509-limbo's client cases through `cert verify`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use postern_tests::Postern;
use serde_json::Value;

/// POSTERN_LIMBO, or `suites/limbo-client.json` in the `shared` folder beside the workspace.
fn corpus() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = manifest.join("../../shared/suites/limbo-client.json");
    std::env::var_os("POSTERN_LIMBO").map_or(beside, PathBuf::from)
}

/// A case that was not decided as expected.
struct Wrong {
    tier: String,
    expected: &'static str,
    id: String,
    verdict: &'static str,
    told: String,
}

/// Every case once; nothing where the corpus is missing.
fn wrong() -> &'static [Wrong] {
    static WRONG: OnceLock<Vec<Wrong>> = OnceLock::new();
    WRONG.get_or_init(|| {
        let path = corpus();
        let Ok(text) = fs::read_to_string(&path) else {
            eprintln!(
                "SKIPPED: {} is not on this machine (POSTERN_LIMBO)",
                path.display()
            );
            return Vec::new();
        };
        decide(&serde_json::from_str(&text).expect("JSON"))
    })
}

fn decide(corpus: &Value) -> Vec<Wrong> {
    let postern = Postern::new();
    let mut counts: BTreeMap<(String, &str), (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in corpus["cases"].as_array().expect("cases") {
        let field = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let expected = if field("expected_result") == "SUCCESS" {
            "accept"
        } else {
            "reject"
        };
        let (verdict, told) = verdict(&postern, case);
        let (good, all) = counts.entry((field("tier"), expected)).or_default();
        *good += usize::from(verdict == expected);
        *all += 1;
        if verdict != expected {
            let (tier, id) = (field("tier"), field("id"));
            eprintln!("limbo: {tier} {id}: expected {expected}: {told}");
            wrong.push(Wrong {
                tier,
                expected,
                id,
                verdict,
                told,
            });
        }
    }
    for ((tier, expected), (good, all)) in &counts {
        eprintln!("limbo: {tier} {expected}: {good} of {all} decided as expected");
    }
    let must = |expected| {
        counts
            .get(&("MUST".into(), expected))
            .map_or(0, |(_, all)| *all)
    };
    assert_eq!(
        must("accept") + must("reject"),
        88,
        "the corpus is the one that was promised"
    );
    wrong
}

#[test]
fn every_must_case_of_limbo_is_decided_right_and_at_most_eight_should_cases_are_let_in() {
    let must: Vec<_> = wrong().iter().filter(|case| case.tier == "MUST").collect();
    assert!(must.is_empty(), "MUST {} of 88", 88 - must.len());
    let let_in = wrong().iter().filter(|case| {
        (case.tier.as_str(), case.expected, case.verdict) == ("SHOULD", "reject", "accept")
    });
    let let_in = let_in.count();
    assert!(let_in <= 8, "{let_in} SHOULD cases were let in");
}

#[test]
fn every_case_of_limbo_is_accepted_or_rejected_and_nothing_else() {
    for Wrong {
        id, verdict, told, ..
    } in wrong()
    {
        assert_ne!(*verdict, "crash", "{id}: {told}");
    }
}

/// Exit 0 accepts, 1 rejects with a reason; anything else is a crash and counts as neither.
fn verdict(postern: &Postern, case: &Value) -> (&'static str, String) {
    let write = |name: &str, pems: &[&Value]| {
        let texts = pems.iter().filter_map(|pem| pem.as_str());
        let text: String = texts.map(|pem| format!("{}\n", pem.trim_end())).collect();
        fs::write(postern.path(name), text).expect("a file");
    };
    let list = |name: &str| {
        case[name]
            .as_array()
            .map(|all| all.iter().collect::<Vec<_>>())
    };
    write("trust.pem", &list("trusted_certs").unwrap_or_default());
    let intermediates = list("untrusted_intermediates").unwrap_or_default();
    write(
        "chain.pem",
        &[&[&case["peer_certificate"]], &intermediates[..]].concat(),
    );
    let crls = list("crls").unwrap_or_default();
    let names: Vec<String> = (0..crls.len())
        .map(|number| format!("{number}.crl"))
        .collect();
    for (name, crl) in names.iter().zip(crls) {
        write(name, &[crl]);
    }
    let at = case["at"].to_string();
    let depth = case["max_chain_depth"]
        .as_u64()
        .map(|depth| depth.to_string());
    let mut args = vec![
        "cert",
        "verify",
        "--trust",
        "trust.pem",
        "--chain",
        "chain.pem",
    ];
    args.extend(["-o", "json", "--at", &at]);
    args.extend(depth.iter().flat_map(|depth| ["--max-depth", depth]));
    args.extend(names.iter().flat_map(|name| ["--crl", name.as_str()]));
    let output = postern.run(&args);
    let id = &case["id"];
    match output.code {
        Some(0) => ("accept", String::from("accepted")),
        Some(1) => {
            let told = output.json();
            assert_eq!(told["verdict"], "reject", "{id}");
            let reason = told["reason"].as_str().unwrap_or_default();
            let stable = |one: char| one.is_ascii_lowercase() || "_-0123456789".contains(one);
            assert!(
                !reason.is_empty() && reason.chars().all(stable),
                "{id}: {reason:?}"
            );
            ("reject", reason.to_owned())
        }
        code => ("crash", format!("exit {code:?}: {}", output.stderr)),
    }
}
