use postern_fixtures::TestPki;
use postern_fixtures::rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ED25519};
use postern_pki::Certificate;

use super::*;

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

#[test]
fn the_intermediate_comes_first_and_the_root_last_whatever_order_they_came_in() {
    let pki = TestPki::new();
    let (root, intermediate) = (read(pki.root().der()), read(pki.intermediate().der()));
    for order in [
        vec![root.clone(), intermediate.clone()],
        vec![intermediate.clone(), root.clone()],
    ] {
        let chain = Chain::new(order).unwrap();
        assert_eq!(chain.fingerprint(), intermediate.fingerprint());
        let again = certificates_from_pem(chain.to_pem().as_bytes()).unwrap();
        assert_eq!(
            again
                .iter()
                .map(Certificate::fingerprint)
                .collect::<Vec<_>>(),
            [intermediate.fingerprint(), root.fingerprint()]
        );
    }
}

#[test]
fn a_private_key_anywhere_in_the_file_is_refused() {
    let pki = TestPki::new();
    let text = format!(
        "{}{}",
        pki.client("a").pem(),
        KeyPair::generate().unwrap().serialize_pem()
    );
    assert!(matches!(
        Chain::from_pem(text.as_bytes()),
        Err(ChainError::PrivateKey)
    ));
}

#[test]
fn a_client_certificate_in_the_chain_is_refused() {
    let pki = TestPki::new();
    let leaf = read(pki.client("device-1").der());
    let error = Chain::new(vec![leaf, read(pki.root().der())]).unwrap_err();
    assert!(matches!(error, ChainError::NotACa { .. }), "{error}");
}

#[test]
fn a_chain_without_its_root_is_refused_and_names_what_is_missing() {
    let pki = TestPki::new();
    let error = Chain::new(vec![read(pki.intermediate().der())]).unwrap_err();
    let ChainError::Incomplete { issuer, .. } = error else {
        panic!("{error}");
    };
    assert!(issuer.contains("Test Root CA"), "{issuer}");
}

#[test]
fn another_root_of_the_same_name_completes_nothing() {
    let (pki, other) = (TestPki::new(), TestPki::new());
    let chain = Chain::new(vec![
        read(pki.intermediate().der()),
        read(other.root().der()),
    ]);
    assert!(matches!(chain, Err(ChainError::Incomplete { .. })));
}

#[test]
fn ed25519_is_refused_because_the_edge_does_not_verify_it() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let error = Chain::new(vec![read(root.der())]).unwrap_err();
    assert!(matches!(error, ChainError::Algorithm { .. }), "{error}");
}
