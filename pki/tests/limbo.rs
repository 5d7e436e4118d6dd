//! The x509-limbo corpus, as client certificates, through the library.
//!
//! Run in place: the corpus is not part of this repository. Without it the test says so and
//! passes.

#![expect(
    clippy::print_stdout,
    reason = "the summary is what this test is read for"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postern_pki::{
    Certificate, LeafProfile, PathVerifier, RevocationIndex, TrustAnchors, UnverifiedCrl,
    VerifiedPath, WhenStale, certificate_ders_from_pem, crls_from_pem_or_der,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;

#[derive(Deserialize)]
struct Corpus {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    tier: Tier,
    expected_result: Expected,
    at: u64,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    crls: Vec<String>,
    max_chain_depth: Option<usize>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "UPPERCASE")]
enum Tier {
    Must,
    Should,
    Policy,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "UPPERCASE")]
enum Expected {
    Success,
    Failure,
}

struct Answer {
    id: String,
    tier: Tier,
    expected: Expected,
    refused: Option<String>,
    took: Duration,
}

impl Answer {
    fn is_as_expected(&self) -> bool {
        self.refused.is_none() == (self.expected == Expected::Success)
    }
}

/// The bars of the issue: every MUST, at most 8 wrongly accepted SHOULDs, nothing slow.
#[test]
fn the_limbo_corpus_is_answered_within_the_bars() {
    let Some(corpus) = corpus() else { return };
    let answers: Vec<_> = corpus.cases.iter().map(answer).collect();
    let wrong = |tier, expected| -> Vec<&str> {
        answers
            .iter()
            .filter(|it| it.tier == tier && it.expected == expected && !it.is_as_expected())
            .map(|it| it.id.as_str())
            .collect()
    };
    let must = answers.iter().filter(|it| it.tier == Tier::Must).count();
    let must_wrong = [
        wrong(Tier::Must, Expected::Success),
        wrong(Tier::Must, Expected::Failure),
    ]
    .concat();
    let accepted = wrong(Tier::Should, Expected::Failure);
    let refused = wrong(Tier::Should, Expected::Success);
    let policy = [
        wrong(Tier::Policy, Expected::Success),
        wrong(Tier::Policy, Expected::Failure),
    ]
    .concat();
    let slowest = answers
        .iter()
        .max_by_key(|it| it.took)
        .expect("the corpus has cases");
    println!(
        "limbo: MUST {}/{must}, SHOULD wrongly accepted {} {accepted:?}, wrongly refused {} \
         {refused:?}, POLICY otherwise {} {policy:?}; slowest {} in {:?}",
        must - must_wrong.len(),
        accepted.len(),
        refused.len(),
        policy.len(),
        slowest.id,
        slowest.took,
    );
    for it in &answers {
        if std::env::var_os("POSTERN_LIMBO_VERBOSE").is_some() {
            println!(
                "{:?} {:?} {} -> {:?}",
                it.tier, it.expected, it.id, it.refused
            );
        }
    }
    assert!(must_wrong.is_empty(), "{must_wrong:?}");
    assert!(accepted.len() <= 8, "{accepted:?}");
}

/// Intermediates that we hold are verified in part when they are loaded: that changes no answer.
#[test]
fn the_limbo_corpus_is_answered_alike_where_its_intermediates_are_held() {
    let Some(corpus) = corpus() else { return };
    let differing: Vec<_> = corpus
        .cases
        .iter()
        .filter(|case| verify(case).is_ok() != verify_holding(case, held(case)).is_ok())
        .map(|case| case.id.as_str())
        .collect();
    assert!(differing.is_empty(), "{differing:?}");
}

/// Those that we could hold: what cannot be read is not published by any CA we follow.
fn held(case: &Case) -> Vec<Certificate> {
    let ders = case.untrusted_intermediates.iter().map(|pem| der(pem));
    ders.filter_map(|der| Certificate::from_der(&der).ok())
        .collect()
}

fn corpus() -> Option<Corpus> {
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites/limbo-client.json");
    let path = std::env::var_os("POSTERN_LIMBO").map_or(beside, PathBuf::from);
    let Ok(json) = std::fs::read(&path) else {
        println!(
            "skipped: no corpus at {}; set POSTERN_LIMBO to its path",
            path.display()
        );
        return None;
    };
    Some(serde_json::from_slice(&json).expect("the corpus has the form described above"))
}

fn answer(case: &Case) -> Answer {
    let start = Instant::now();
    let refused = verify(case).err();
    Answer {
        id: case.id.clone(),
        tier: case.tier,
        expected: case.expected_result,
        refused,
        took: start.elapsed(),
    }
}

/// As `cert verify` does it: what cannot be read is refused.
fn verify(case: &Case) -> Result<VerifiedPath, String> {
    verify_holding(case, Vec::new())
}

fn verify_holding(case: &Case, held: Vec<Certificate>) -> Result<VerifiedPath, String> {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(case.at));
    let trusted = case
        .trusted_certs
        .iter()
        .map(|pem| Certificate::from_der(&der(pem)).map_err(|error| format!("anchor: {error}")))
        .collect::<Result<Vec<_>, _>>()?;
    let anchors = TrustAnchors::new(trusted.clone()).map_err(|error| error.to_string())?;
    let verifier =
        PathVerifier::new(anchors, held, LeafProfile::Strict).with_max_depth(case.max_chain_depth);
    let presented = std::iter::once(&case.peer_certificate).chain(&case.untrusted_intermediates);
    let chain: Vec<_> = presented.map(|pem| der(pem)).collect();
    let path = verifier
        .verify(&chain, now)
        .map_err(|refused| refused.code().to_owned())?;
    if case.crls.is_empty() {
        return Ok(path);
    }
    let index = index(&case.crls, &trusted);
    index
        .check(&path, WhenStale::Refuse, now)
        .map_err(|refused| refused.code().to_owned())
        .map(|()| path)
}

/// A CRL that does not verify is left out, so that nothing is known of its issuer.
fn index(pems: &[String], issuers: &[Certificate]) -> RevocationIndex {
    pems.iter()
        .flat_map(|pem| crls_from_pem_or_der(pem.as_bytes()).unwrap_or_default())
        .filter_map(|crl: UnverifiedCrl| crl.verify_with_any(issuers).ok())
        .fold(RevocationIndex::new(), |index, crl| {
            index.with_crl(crl).expect("one per issuer")
        })
}

fn der(pem: &str) -> CertificateDer<'static> {
    let mut ders = certificate_ders_from_pem(pem.as_bytes()).expect("the corpus is PEM");
    ders.remove(0)
}
