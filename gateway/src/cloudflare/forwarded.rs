//! A client certificate that Cloudflare forwards in a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::HeaderName;
use rustls_pki_types::CertificateDer;

/// The header that is believed. One alone: another could be the client's own, passed on untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardedBy {
    /// Cloudflare's own, where `client_certificate_forwarding` is on for the hostname.
    CfClientCertDerBase64,
    /// RFC 9440, set by a transform rule.
    ClientCert,
}

/// Why a forwarded certificate cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForwardedError {
    #[error("the request has more than one `{0}`")]
    Duplicate(HeaderName),
    #[error("`{0}` is not a certificate as Cloudflare writes it")]
    Malformed(HeaderName),
}

impl ForwardedBy {
    /// The key in the configuration: the header's name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CfClientCertDerBase64 => "cf-client-cert-der-base64",
            Self::ClientCert => "client-cert",
        }
    }

    /// The header of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::CfClientCertDerBase64, Self::ClientCert]
            .into_iter()
            .find(|one| one.as_str() == name)
    }

    /// The certificate and what stands between it and the root; an empty header is none.
    pub(crate) fn chain(
        self,
        headers: &HeaderMap,
    ) -> Result<Option<Vec<CertificateDer<'static>>>, ForwardedError> {
        let name = HeaderName::from_static(self.as_str());
        let mut values = headers.get_all(&name).iter();
        let leaf = values.next().map(http::HeaderValue::as_bytes);
        if values.next().is_some() {
            return Err(ForwardedError::Duplicate(name));
        }
        let Some(leaf) = leaf.filter(|leaf| !leaf.is_empty()) else {
            return Ok(None);
        };
        let mut chain = Vec::new();
        match self {
            Self::CfClientCertDerBase64 => chain.push(base64(leaf, &name)?),
            Self::ClientCert => {
                chain.push(byte_sequence(leaf, &name)?);
                chain.extend(issuers(headers)?);
            }
        }
        Ok(Some(chain))
    }
}

/// RFC 9440 section 2.3: a list of byte sequences, maybe over several fields.
fn issuers(headers: &HeaderMap) -> Result<Vec<CertificateDer<'static>>, ForwardedError> {
    let fields = headers.get_all(CLIENT_CERT_CHAIN).iter();
    fields
        .filter(|field| !field.is_empty())
        .flat_map(|field| field.as_bytes().split(|octet| *octet == b','))
        .map(|item| byte_sequence(item.trim_ascii(), &CLIENT_CERT_CHAIN))
        .collect()
}

/// RFC 8941 section 3.3.5: base64 between colons.
fn byte_sequence(
    item: &[u8],
    name: &HeaderName,
) -> Result<CertificateDer<'static>, ForwardedError> {
    let inner = item
        .strip_prefix(b":")
        .and_then(|rest| rest.strip_suffix(b":"));
    base64(inner.unwrap_or_default(), name)
}

fn base64(text: &[u8], name: &HeaderName) -> Result<CertificateDer<'static>, ForwardedError> {
    match STANDARD.decode(text) {
        Ok(der) if !der.is_empty() => Ok(der.into()),
        Ok(_) | Err(_) => Err(ForwardedError::Malformed(name.clone())),
    }
}

const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(
        by: ForwardedBy,
        pairs: &[(&'static str, &str)],
    ) -> Result<Option<Vec<Vec<u8>>>, ForwardedError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let found = by.chain(&headers)?;
        Ok(found.map(|chain| chain.iter().map(|one| one.to_vec()).collect()))
    }

    const CLOUDFLARE: ForwardedBy = ForwardedBy::CfClientCertDerBase64;
    const RFC_9440: ForwardedBy = ForwardedBy::ClientCert;

    #[test]
    fn both_forms_are_read() {
        let der = ("cf-client-cert-der-base64", "AQI=");
        assert_eq!(chain(CLOUDFLARE, &[der]), Ok(Some(vec![vec![1, 2]])));
        let leaf = ("client-cert", ":AQI=:");
        assert_eq!(chain(RFC_9440, &[leaf]), Ok(Some(vec![vec![1, 2]])));
        let fields = [
            leaf,
            ("client-cert-chain", ":Aw==:, :BA==:"),
            ("client-cert-chain", ":BQ==:"),
        ];
        let whole = vec![vec![1, 2], vec![3], vec![4], vec![5]];
        assert_eq!(chain(RFC_9440, &fields), Ok(Some(whole)));
    }

    #[test]
    fn the_other_header_is_not_looked_at_and_an_empty_one_is_none() {
        let leaf = ("client-cert", ":AQI=:");
        assert_eq!(chain(CLOUDFLARE, &[leaf]), Ok(None));
        let der = ("cf-client-cert-der-base64", "AQI=");
        assert_eq!(chain(RFC_9440, &[der]), Ok(None));
        assert_eq!(chain(RFC_9440, &[("client-cert", "")]), Ok(None));
        let empty = [leaf, ("client-cert-chain", "")];
        assert_eq!(chain(RFC_9440, &empty), Ok(Some(vec![vec![1, 2]])));
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let name = HeaderName::from_static;
        let leaf = ("client-cert", ":AQI=:");
        let twice = chain(RFC_9440, &[leaf, leaf]);
        assert_eq!(twice, Err(ForwardedError::Duplicate(name("client-cert"))));
        for value in [
            "AQI=",
            ":AQI=",
            ":AQI=:;x",
            "::",
            ":",
            ":A Q:",
            ":AQI=:,:AQI=:",
        ] {
            let refused = chain(RFC_9440, &[("client-cert", value)]);
            let expected = ForwardedError::Malformed(name("client-cert"));
            assert_eq!(refused, Err(expected), "{value}");
        }
        let item = chain(RFC_9440, &[leaf, ("client-cert-chain", ":Aw==:,")]);
        assert_eq!(item, Err(ForwardedError::Malformed(CLIENT_CERT_CHAIN)));
    }
}
