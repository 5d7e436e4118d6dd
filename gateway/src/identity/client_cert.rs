//! `Client-Cert` and `Client-Cert-Chain` (RFC 9440).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::HeaderName;
use postern_pki::Certificate;

use super::text::ascii;

/// Section 2.2: the leaf.
pub(super) fn set_leaf(headers: &mut HeaderMap, leaf: &Certificate) {
    headers.insert(CLIENT_CERT, ascii(&byte_sequence(leaf)));
}

/// Section 2.3: the issuers as in a TLS handshake, so without the trust anchor, which is the last.
/// A structured field without members is not sent (RFC 8941 section 3.1).
pub(super) fn set_chain(headers: &mut HeaderMap, issuers: &[Certificate]) {
    let Some((_anchor, intermediates @ [_, ..])) = issuers.split_last() else {
        return;
    };
    let members: Vec<_> = intermediates.iter().map(byte_sequence).collect();
    let list = members.join(", ");
    headers.insert(CLIENT_CERT_CHAIN, ascii(&list));
}

/// RFC 8941 section 3.3.5.
fn byte_sequence(certificate: &Certificate) -> String {
    let mut text = String::from(":");
    STANDARD.encode_string(certificate.der(), &mut text);
    text.push(':');
    text
}

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
