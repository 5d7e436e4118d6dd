//! Which CRLs count, and why others do not.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

use postern_fixtures::rcgen::RevocationReason as Encoded;
use postern_fixtures::{Authority, TestPki, rcgen};
use postern_pki::{
    Certificate, Crl, CrlError, IssuerId, RevocationReason, SignatureError, UnverifiedCrl,
    crls_from_pem_or_der,
};
use time::Duration;

fn read(authority: &Authority) -> Certificate {
    Certificate::from_der(authority.der()).unwrap()
}

fn issuer(pki: &TestPki) -> IssuerId {
    IssuerId::of(&read(pki.intermediate()))
}

#[test]
fn a_crl_gives_its_number_times_and_sorted_entries() {
    let pki = TestPki::new();
    let entries: [(&[u8], Encoded); 3] = [
        (&[9], Encoded::KeyCompromise),
        (&[1, 0], Encoded::Superseded),
        (&[3], Encoded::Unspecified),
    ];
    let crl = Crl::verify(pki.crl(700, &entries).der(), &read(pki.intermediate())).unwrap();
    assert_eq!(crl.number(), 700);
    assert_eq!(crl.this_update(), pki.now().as_secs());
    assert_eq!(crl.next_update(), pki.after(Duration::days(7)).as_secs());
    assert_eq!(crl.issuer(), issuer(&pki));
    let read: Vec<_> = crl
        .entries()
        .iter()
        .map(|entry| (entry.serial.to_string(), entry.reason))
        .collect();
    let mut sorted = crl.entries().to_vec();
    sorted.sort_by_key(|entry| entry.serial);
    assert_eq!(sorted, crl.entries());
    assert_eq!(read.len(), 3);
    assert!(
        read.contains(&("09".to_owned(), RevocationReason::KeyCompromise)),
        "{read:?}"
    );
}

#[test]
fn crls_are_read_from_pem_and_from_der() {
    let pki = TestPki::new();
    let crl = pki.crl(1, &[]);
    for octets in [crl.pem().as_bytes(), crl.der()] {
        let read = crls_from_pem_or_der(octets).unwrap();
        let [only] = read.as_slice() else {
            panic!("one CRL expected")
        };
        assert_eq!(only.der(), crl.der());
        assert!(only.verify_with_any([&self::read(pki.root())]).is_err());
        let issuers = [self::read(pki.root()), self::read(pki.intermediate())];
        assert!(only.verify_with_any(&issuers).is_ok());
    }
}

// A47
#[test]
fn a_truncated_crl_is_refused_wherever_it_is_cut() {
    let pki = TestPki::new();
    let crl = pki.crl(1, &[(&[1], Encoded::KeyCompromise)]);
    for length in 0..crl.der().len() {
        let refused = UnverifiedCrl::parse(&crl.der()[..length]).unwrap_err();
        assert_eq!(refused, CrlError::Malformed, "{length}");
    }
    let trailing = [crl.der(), &[0]].concat();
    assert_eq!(
        UnverifiedCrl::parse(&trailing).unwrap_err(),
        CrlError::Malformed
    );
}

// A47
#[test]
fn a_crl_by_another_key_of_the_same_name_is_refused() {
    let (pki, other) = (TestPki::new(), TestPki::new());
    let crl = other.crl(1, &[]);
    let refused = Crl::verify(crl.der(), &read(pki.intermediate())).unwrap_err();
    assert!(matches!(refused, CrlError::OtherKey { .. }), "{refused:?}");
}

// A47
#[test]
fn a_crl_by_an_issuer_of_another_name_is_refused() {
    let pki = TestPki::new();
    let refused = Crl::verify(pki.root_crl(1, &[]).der(), &read(pki.intermediate())).unwrap_err();
    assert!(
        matches!(refused, CrlError::OtherIssuer { .. }),
        "{refused:?}"
    );
}

// A47
#[test]
fn a_crl_by_an_issuer_without_crl_sign_is_refused() {
    let pki = TestPki::with_intermediate(time::OffsetDateTime::now_utc(), |params| {
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    });
    let refused = Crl::verify(pki.crl(1, &[]).der(), &read(pki.intermediate())).unwrap_err();
    assert!(
        matches!(refused, CrlError::MayNotSign { .. }),
        "{refused:?}"
    );
}

#[test]
fn an_altered_crl_is_refused() {
    let pki = TestPki::new();
    let serial = [0x77, 0x66, 0x55];
    let crl = pki.crl(1, &[(&serial, Encoded::KeyCompromise)]);
    let at = crl.der().windows(3).position(|it| it == serial).unwrap();
    let mut other_serial = crl.der().to_vec();
    other_serial[at + 2] = 0x56;
    let refused = Crl::verify(&other_serial, &read(pki.intermediate())).unwrap_err();
    assert_eq!(refused, CrlError::Signature(SignatureError::Invalid));
}

#[test]
fn a_crl_without_a_number_or_for_a_part_only_is_refused_for_that() {
    let pki = TestPki::new();
    let der = pki.crl(1, &[]).der().to_vec();
    // cRLNumber is 2.5.29.20; the last octet makes it another extension.
    let id_ce_20 = [0x06, 0x03, 0x55, 0x1d];
    let at = der
        .windows(5)
        .position(|it| it == [0x06, 0x03, 0x55, 0x1d, 20])
        .unwrap();
    let with = |last| {
        let mut der = der.clone();
        der[at + id_ce_20.len()] = last;
        UnverifiedCrl::parse(&der).unwrap_err()
    };
    assert_eq!(with(99), CrlError::NumberMissing);
    assert_eq!(with(27), CrlError::Delta);
    assert_eq!(with(28), CrlError::Partitioned);
}
