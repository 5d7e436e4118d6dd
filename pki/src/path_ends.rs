//! Where the search for a path may end, and what stands above each end.

use std::ptr;

use rustls_pki_types::TrustAnchor;
use webpki::EndEntityCert;

use crate::signed::verify_signed;
use crate::{Certificate, TrustAnchors};

/// The anchors, then the intermediates we hold that an anchor signed without constraints.
///
/// Those signatures are checked once, here, and not in every handshake. Nothing that a peer
/// presents gets in. A path that ends at an intermediate is judged up to its anchor like any
/// other; only what webpki would have asked of it has to hold already: signature, purpose, and
/// that no name constraint is to be applied. It ends there with a leaf only: what is below a CA
/// that is below it, webpki counts against its path length.
#[derive(Debug, Clone)]
pub(crate) struct PathEnds {
    ends: Vec<TrustAnchor<'static>>,
    /// For each end its certificate, and the anchor's where that is another one.
    certificates: Vec<Vec<Certificate>>,
}

impl PathEnds {
    pub(crate) fn new(anchors: &TrustAnchors, held: &[Certificate]) -> Self {
        let mut this = Self {
            ends: anchors.anchors().to_vec(),
            certificates: anchors
                .certificates()
                .iter()
                .map(|it| vec![it.clone()])
                .collect(),
        };
        for intermediate in held {
            for anchor in anchors.certificates() {
                if signed_without_constraints(intermediate, anchor) {
                    this.add(intermediate, anchor);
                }
            }
        }
        this
    }

    fn add(&mut self, intermediate: &Certificate, anchor: &Certificate) {
        if let Ok(end) = webpki::anchor_from_trusted_cert(intermediate.der()) {
            self.ends.push(end.to_owned());
            self.certificates
                .push(vec![intermediate.clone(), anchor.clone()]);
        }
    }

    pub(crate) fn ends(&self) -> &[TrustAnchor<'static>] {
        &self.ends
    }

    /// The certificates of one of [`Self::ends`], the anchor's last. Compared by address: two
    /// anchors may share name and key (a renewed root) and differ in everything else.
    pub(crate) fn certificates_of(&self, found: &TrustAnchor<'_>) -> Option<&[Certificate]> {
        let at = self
            .ends
            .iter()
            .position(|end| ptr::addr_eq(ptr::from_ref(end), ptr::from_ref(found)))?;
        self.certificates.get(at).map(Vec::as_slice)
    }
}

/// RFC 5280 section 6.1, as far as `chain_lint::check_path` does not ask it of every path.
fn signed_without_constraints(intermediate: &Certificate, anchor: &Certificate) -> bool {
    let is_for_clients = intermediate
        .extensions()
        .extended_key_usage
        .is_none_or(|purposes| purposes.client_auth);
    let is_constrained = |one: &Certificate| one.extensions().has_name_constraints;
    // Read as strictly as in a path: webpki lets an anchor have critical extensions it knows not.
    EndEntityCert::try_from(intermediate.der()).is_ok()
        && intermediate.issuer_der() == anchor.subject_der()
        && is_for_clients
        && !is_constrained(intermediate)
        && !is_constrained(anchor)
        && verify_signed(intermediate.der(), anchor.spki_der()).is_ok()
}

#[cfg(test)]
mod tests {
    use postern_fixtures::{Authority, TestPki, rcgen};

    use super::*;

    fn read(authority: &Authority) -> Certificate {
        Certificate::from_der(authority.der()).unwrap()
    }

    fn ends(pki: &TestPki, held: &Authority) -> usize {
        let anchors = TrustAnchors::new(vec![read(pki.root())]).unwrap();
        PathEnds::new(&anchors, &[read(held)]).ends().len()
    }

    #[test]
    fn an_intermediate_that_an_anchor_signed_is_one() {
        let pki = TestPki::new();
        assert_eq!(ends(&pki, pki.intermediate()), 2);
    }

    #[test]
    fn one_that_no_anchor_signed_or_with_a_constraint_or_for_servers_only_is_none() {
        let pki = TestPki::new();
        assert_eq!(ends(&pki, TestPki::new().intermediate()), 1, "same names");
        let below = pki
            .intermediate()
            .subordinate("Below", pki.date_time(), |_| {});
        assert_eq!(ends(&pki, &below), 1);
        let with = |change: fn(&mut rcgen::CertificateParams)| {
            TestPki::with_intermediate(pki.date_time(), change)
        };
        let constrained = with(|params| {
            let permitted = rcgen::GeneralSubtree::DnsName("corp".to_owned());
            params.name_constraints = Some(rcgen::NameConstraints {
                permitted_subtrees: vec![permitted],
                excluded_subtrees: Vec::new(),
            });
        });
        assert_eq!(ends(&constrained, constrained.intermediate()), 1);
        let servers = with(|params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        });
        assert_eq!(ends(&servers, servers.intermediate()), 1);
        let critical = with(|params| {
            let oid = [1, 3, 6, 1, 4, 1, 55555, 1];
            let mut unknown = rcgen::CustomExtension::from_oid_content(&oid, vec![5, 0]);
            unknown.set_criticality(true);
            params.custom_extensions.push(unknown);
        });
        assert_eq!(ends(&critical, critical.intermediate()), 1);
    }
}
