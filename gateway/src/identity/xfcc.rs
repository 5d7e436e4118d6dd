//! `X-Forwarded-Client-Cert`, one element as Envoy writes it.
//!
//! `By` is left out: it is the URI of the proxy's own certificate, and ours has none.

use http::HeaderMap;
use http::header::HeaderName;
use postern_pki::Certificate;

use super::text::{ascii, ascii_name, escaped_pem};

/// Sets the one element.
pub(super) fn set(headers: &mut HeaderMap, leaf: &Certificate) {
    let mut pairs = vec![
        format!("Hash={}", leaf.fingerprint()),
        format!("Cert=\"{}\"", escaped_pem(leaf)),
        format!("Subject=\"{}\"", ascii_name(&leaf.subject())),
    ];
    pairs.extend(names("URI", leaf.san_uri()));
    pairs.extend(names("DNS", leaf.san_dns()));
    headers.insert(X_FORWARDED_CLIENT_CERT, ascii(&pairs.join(";")));
}

fn names(key: &str, values: &[String]) -> impl Iterator<Item = String> {
    let values = values.iter().filter(|value| is_readable(value));
    values.map(move |value| format!("{key}={}", quoted(value)))
}

/// Readers differ on what a backslash in quotes means; no URI and no host name holds one.
fn is_readable(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\'))
}

/// Quotes what would look like the end of the value.
fn quoted(value: &str) -> String {
    if value.contains([',', ';', '=']) {
        format!("\"{value}\"")
    } else {
        value.to_owned()
    }
}

const X_FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_never_ends_its_pair() {
        let values = [
            "spiffe://a/b",
            "urn:x=1;URI=spiffe://evil,",
            "a\";URI=evil",
            r"a\",
            "a b",
            "a\nb",
            "",
        ];
        let values = values.map(str::to_owned);
        let written: Vec<_> = names("URI", &values).collect();
        assert_eq!(
            written,
            ["URI=spiffe://a/b", "URI=\"urn:x=1;URI=spiffe://evil,\""]
        );
    }
}
