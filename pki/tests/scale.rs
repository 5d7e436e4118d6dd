//! What a fleet of a million devices costs.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]
#![expect(
    clippy::print_stdout,
    reason = "the figures are what these tests are read for"
)]

use std::time::Instant;

use postern_fixtures::TestPki;
use postern_fixtures::rcgen::RevocationReason as Encoded;
use postern_pki::{Certificate, Crl, IssuerId, RevocationIndex, RevocationStatus};
use postern_policy::SerialNumber;

/// Loads a CRL of this many entries, looks all of them up, and prints how long both took.
fn measure(count: u32) {
    let pki = TestPki::new();
    // Serial numbers as a CA makes them: 16 octets that look random.
    let serials: Vec<[u8; 16]> = (0..count)
        .map(|number| {
            let mixed = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            (mixed >> 1 | 1 << 120).to_be_bytes()
        })
        .collect();
    let revoked: Vec<(&[u8], Encoded)> = serials
        .iter()
        .map(|serial| (&serial[..], Encoded::Superseded))
        .collect();
    let crl = pki.crl(1, &revoked);
    let issuer = Certificate::from_der(pki.intermediate().der()).unwrap();
    let start = Instant::now();
    let verified = Crl::verify(crl.der(), &issuer).unwrap();
    let index = RevocationIndex::new().with_crl(verified).unwrap();
    let loaded = start.elapsed();
    let start = Instant::now();
    for serial in &serials {
        let serial = SerialNumber::from_octets(serial).unwrap();
        let status = index.status(IssuerId::of(&issuer), &serial, pki.now());
        assert!(matches!(status, RevocationStatus::Revoked { .. }));
    }
    let looked_up = start.elapsed() / count;
    println!("{count} entries: loaded in {loaded:?}, one look-up in {looked_up:?}");
}

// A47: `cargo test --release -p postern-pki --test scale -- --include-ignored --nocapture` prints
// the figures.
#[test]
fn a_crl_of_a_hundred_thousand_entries_loads_and_answers() {
    measure(100_000);
}

#[test]
#[ignore = "takes long where the code is not optimised"]
fn a_crl_of_a_million_entries_loads_and_answers() {
    measure(1_000_000);
}
