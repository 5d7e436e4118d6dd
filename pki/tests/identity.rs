//! Who a certificate says its holder is.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

use postern_fixtures::{Issued, TestPki, rcgen};
use postern_pki::{
    Certificate, CertificateError, PemError, certificates_from_pem, crls_from_pem_or_der,
};

fn read(issued: &Issued) -> Certificate {
    Certificate::from_der(issued.der()).unwrap()
}

fn common_name(issued: &Issued) -> Option<String> {
    read(issued)
        .identity(None)
        .common_name
        .map(|name| name.as_str().to_owned())
}

/// The certificate with `from` in its octets replaced; its signature no longer verifies.
fn patched(issued: &Issued, from: &[u8], to: &[u8]) -> Result<Certificate, CertificateError> {
    assert_eq!(from.len(), to.len());
    let mut der = issued.der().to_vec();
    let at = der
        .windows(from.len())
        .position(|window| window == from)
        .unwrap();
    der[at..at + to.len()].copy_from_slice(to);
    Certificate::from_der(&der)
}

#[test]
fn the_one_common_name_is_the_identity_exactly_as_written() {
    let pki = TestPki::new();
    for name in ["device-1.factory.corp", "Device 1", "gerät-1", "a,b=c+d"] {
        assert_eq!(common_name(&pki.client(name)).as_deref(), Some(name));
    }
}

// A20, A21
#[test]
fn control_characters_make_a_common_name_unusable() {
    let pki = TestPki::new();
    for name in [
        "device-1\0.evil",
        "device-1\0",
        "device-1\n",
        "a\rb",
        "a\tb",
        "\u{1b}[31m",
    ] {
        assert_eq!(common_name(&pki.client(name)), None, "{name:?}");
    }
}

// A22
#[test]
fn string_types_with_two_readings_make_a_common_name_unusable() {
    let pki = TestPki::new();
    assert_eq!(common_name(&pki.bmp_common_name("device-1")), None);
    assert_eq!(common_name(&pki.teletex_common_name("device-1")), None);
    let universal = "device-1".try_into().unwrap();
    let universal = pki.common_name_value(rcgen::DnValue::UniversalString(universal));
    assert_eq!(common_name(&universal), None);
}

// A22
#[test]
fn invalid_utf8_is_never_repaired_into_a_name() {
    let pki = TestPki::new();
    let client = pki.client("device-xyz");
    // A lone continuation octet, an overlong `/`, half a surrogate.
    for bad in [
        b"device-\xbfyz",
        b"device-\xc0\xaf.",
        b"device\xed\xa0\x80.",
    ] {
        let certificate = patched(&client, b"device-xyz", bad).unwrap();
        assert_eq!(certificate.identity(None).common_name, None);
        assert_eq!(certificate.common_names(), Vec::<String>::new());
        assert_eq!(certificate.common_name_count(), 1);
    }
}

// A23
#[test]
fn no_common_name_an_empty_one_or_two_are_no_identity() {
    let pki = TestPki::new();
    assert_eq!(common_name(&pki.no_common_name()), None);
    assert_eq!(common_name(&pki.client("")), None);
    assert_eq!(
        common_name(&pki.two_common_names("device-1", "device-2")),
        None
    );
}

// A23: the unreadable one still counts.
#[test]
fn a_readable_common_name_beside_an_unreadable_one_is_no_identity() {
    let pki = TestPki::new();
    let client = pki.two_common_names("device-1", "device-xyz");
    let certificate = patched(&client, b"device-xyz", b"device-\xffyz").unwrap();
    assert_eq!(certificate.common_name_count(), 2);
    assert_eq!(certificate.identity(None).common_name, None);
}

#[test]
fn a_common_name_over_64_characters_is_no_identity() {
    let pki = TestPki::new();
    assert!(common_name(&pki.client(&"x".repeat(64))).is_some());
    assert_eq!(common_name(&pki.client(&"x".repeat(65))), None);
}

// A28
#[test]
fn a_subject_alt_name_never_stands_in_for_the_common_name() {
    let pki = TestPki::new();
    let name = rcgen::SanType::DnsName("admin.factory.corp".try_into().unwrap());
    let with_name = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names = vec![name.clone()];
    };
    let both = pki.client_with("device-1.factory.corp", with_name);
    assert_eq!(common_name(&both).as_deref(), Some("device-1.factory.corp"));
    let only_alt = pki.client_with("", |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![name.clone()];
    });
    assert_eq!(common_name(&only_alt), None);
    assert_eq!(read(&only_alt).san_dns(), ["admin.factory.corp"]);
}

#[test]
fn the_identity_holds_what_rules_look_at() {
    let pki = TestPki::new();
    let client = pki.client_with("device-1", |params| {
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "Example");
        params
            .distinguished_name
            .push(rcgen::DnType::CountryName, "DE");
        let uri = "spiffe://factory.corp/device-1".try_into().unwrap();
        params.subject_alt_names = vec![rcgen::SanType::URI(uri)];
    });
    let issuer = Certificate::from_der(pki.intermediate().der()).unwrap();
    let identity = read(&client).identity(Some(&issuer));
    assert_eq!(identity.organizations, ["Example"]);
    assert_eq!(identity.countries, ["DE"]);
    assert_eq!(identity.san_uri, ["spiffe://factory.corp/device-1"]);
    assert_eq!(
        identity.issuer_common_name.as_deref(),
        Some("Test Intermediate CA")
    );
    assert_eq!(identity.issuer_fingerprint, Some(issuer.fingerprint()));
    assert_eq!(identity.serial.as_octets(), client.serial());
}

// A21: names for people are printable whatever is in them.
#[test]
fn names_for_people_escape_what_would_break_a_line_or_a_name() {
    let pki = TestPki::new();
    let client = pki.client_with("a\nb,O=Evil", |params| {
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, " x ");
    });
    let subject = read(&client).subject();
    assert_eq!(subject, r"O=\ x\ ,CN=a\0Ab\,O\=Evil");
    assert_eq!(read(&client).issuer(), "CN=Test Intermediate CA");
}

#[test]
fn octets_after_a_certificate_are_refused() {
    let mut der = TestPki::new().client("device-1").der().to_vec();
    der.extend([0, 0]);
    let refused = Certificate::from_der(&der).unwrap_err();
    assert_eq!(refused, CertificateError::TrailingOctets { octets: 2 });
}

#[test]
fn a_serial_number_of_more_than_20_octets_or_zero_is_refused() {
    let pki = TestPki::new();
    for serial in [vec![1; 21], vec![0]] {
        let client = pki.client_with("device-1", |params| {
            params.serial_number = Some(rcgen::SerialNumber::from(serial));
        });
        let refused = Certificate::from_der(client.der()).unwrap_err();
        assert!(
            matches!(refused, CertificateError::SerialNumber { .. }),
            "{refused:?}"
        );
    }
}

#[test]
fn a_pem_file_gives_every_certificate_in_its_order() {
    let pki = TestPki::new();
    let client = pki.client("device-1");
    let text = format!("some text\n{}", client.chain_pem());
    let read = certificates_from_pem(text.as_bytes()).unwrap();
    let ders: Vec<_> = read
        .iter()
        .map(|certificate| certificate.der().clone())
        .collect();
    assert_eq!(ders, client.chain());
}

#[test]
fn a_file_without_a_certificate_is_an_error() {
    let key = TestPki::new().client("device-1").key_pem();
    for text in ["", "hello", &key] {
        let refused = certificates_from_pem(text.as_bytes()).unwrap_err();
        assert!(
            matches!(
                refused,
                PemError::Empty {
                    label: "CERTIFICATE"
                }
            ),
            "{refused:?}"
        );
    }
    assert!(matches!(
        crls_from_pem_or_der(b"").unwrap_err(),
        PemError::Empty { .. }
    ));
}
