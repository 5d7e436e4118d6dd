//! Certificates and their successors.

use postern_ca::{
    CaError, CertificateAuthority, CertificateRecord, IssuanceError, IssuanceRequest,
    IssuedCertificate, StoreError, SubjectAltName,
};
use postern_pki::RevocationReason;
use postern_policy::SerialNumber;

use crate::support::{Site, new_key, now, request};

fn issue(
    authority: &CertificateAuthority,
    name: &str,
    profile: &str,
    san: &[&str],
) -> SerialNumber {
    let alt_names = san.iter().map(|name| SubjectAltName::parse(name).unwrap());
    let request = IssuanceRequest {
        alt_names: alt_names.collect(),
        owner: Some(String::from("plant-2")),
        ..request(name, profile)
    };
    let unlocked = authority.unlock(None, now()).unwrap();
    unlocked
        .issue(&request, now())
        .unwrap()
        .certificate()
        .serial()
}

fn renew(
    authority: &CertificateAuthority,
    predecessor: SerialNumber,
) -> Result<IssuedCertificate, CaError> {
    let unlocked = authority.unlock(None, now()).unwrap();
    unlocked.renew(predecessor, new_key(), now())
}

fn record(authority: &CertificateAuthority, serial: SerialNumber) -> CertificateRecord {
    authority.store().certificate(&serial).unwrap()
}

fn revoke(authority: &CertificateAuthority, serial: SerialNumber) {
    let reason = RevocationReason::Superseded;
    drop(
        authority
            .revoke(vec![serial], reason, None, None, now())
            .unwrap(),
    );
}

fn not_renewable(refused: Result<IssuedCertificate, CaError>) -> String {
    match refused.map(drop) {
        Err(CaError::Issuance(IssuanceError::Store(StoreError::NotRenewable { why, .. }))) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_successor_is_the_same_but_for_key_serial_and_validity_and_each_knows_the_other() {
    let site = Site::new();
    let authority = site.authority();
    let old = issue(&authority, "device-1.factory.corp", "service", &[]);
    let new = renew(&authority, old).unwrap().certificate().serial();
    let (old, new) = (record(&authority, old), record(&authority, new));
    assert_eq!(
        (&new.common_name, &new.profile, &new.owner, new.issuer),
        (&old.common_name, &old.profile, &old.owner, old.issuer)
    );
    assert!(new.serial != old.serial && new.spki != old.spki);
    let store = authority.store();
    assert_eq!(store.successors(&old).unwrap(), std::slice::from_ref(&new));
    assert_eq!(store.predecessor(&new).unwrap(), Some(old.clone()));
    assert_eq!(store.predecessor(&old).unwrap(), None);
    assert_eq!(store.successors(&new).unwrap(), []);
    let meant = authority.renewable("device-1.factory.corp", now()).unwrap();
    assert_eq!(meant, new, "the one that ends last is renewed next");
}

#[test]
fn a_servers_successor_has_its_alternative_names() {
    let site = Site::new();
    let authority = site.authority();
    let names = [
        "gw.example.com",
        "api.example.com",
        "192.0.2.7",
        "2001:db8::7",
    ];
    let old = issue(&authority, "gw.example.com", "server", &names);
    let new = renew(&authority, old).unwrap();
    let der = |serial| {
        let record = record(&authority, serial);
        authority.store().certificate_der(&record).unwrap().unwrap()
    };
    let (old, new) = (der(old), der(new.certificate().serial()));
    assert_eq!(alt_names(&new), alt_names(&old));
    assert!(!alt_names(&new).is_empty());
}

/// The octets of the subject alternative names.
fn alt_names(der: &[u8]) -> Vec<u8> {
    use x509_parser::prelude::{FromDer as _, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let oid = x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;
    let extension = certificate.get_extension_unique(&oid).unwrap();
    extension
        .map(|found| found.value.to_vec())
        .unwrap_or_default()
}

#[test]
fn a_revoked_certificate_has_no_successor() {
    let site = Site::new();
    let authority = site.authority();
    let serial = issue(&authority, "a", "service", &[]);
    revoke(&authority, serial);
    let before = authority.store().certificates(&Default::default()).unwrap();
    assert_eq!(not_renewable(renew(&authority, serial)), "it is revoked");
    let after = authority.store().certificates(&Default::default()).unwrap();
    assert_eq!(after, before, "nothing was recorded");
    let refused = authority.renewable("a", now()).unwrap_err();
    assert!(refused.to_string().contains("revoked"), "{refused}");
    let unknown = authority.renewable("b", now()).unwrap_err();
    assert!(
        unknown.to_string().contains("there is no certificate"),
        "{unknown}"
    );
}

#[test]
fn a_second_successor_needs_the_first_one_to_be_gone() {
    let site = Site::new();
    let authority = site.authority();
    let old = issue(&authority, "a", "service", &[]);
    let first = renew(&authority, old).unwrap().certificate().serial();
    let why = not_renewable(renew(&authority, old));
    assert!(why.contains(&first.to_string()), "{why}");
    revoke(&authority, first);
    let second = renew(&authority, old).unwrap().certificate().serial();
    let successors = authority
        .store()
        .successors(&record(&authority, old))
        .unwrap();
    let serials: Vec<_> = successors.iter().map(|one| one.serial).collect();
    assert_eq!(serials, [first, second]);
}
