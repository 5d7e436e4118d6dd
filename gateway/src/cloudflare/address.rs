//! The client's address, as Cloudflare tells it.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::HeaderName;

use super::CloudflareRefusal;

/// The address in `Cf-Connecting-IP`. Without it rules about addresses could not be answered, and
/// the connection's own address is Cloudflare's.
pub(super) fn of_client(headers: &HeaderMap) -> Result<IpAddr, CloudflareRefusal> {
    let mut values = headers.get_all(CF_CONNECTING_IP).iter();
    let address = values
        .next()
        .and_then(|value| value.to_str().ok()?.parse::<IpAddr>().ok());
    match (address, values.next()) {
        (Some(address), None) => Ok(address.to_canonical()),
        (_, Some(_)) | (None, None) => Err(CloudflareRefusal::NoClientAddress),
    }
}

const CF_CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_address_or_none() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CF_CONNECTING_IP, http::HeaderValue::from_static(value));
            }
            of_client(&headers).ok().map(|address| address.to_string())
        };
        assert_eq!(of(&["192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(of(&["2001:db8::7"]).as_deref(), Some("2001:db8::7"));
        assert_eq!(of(&["::ffff:192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        for wrong in [
            &[][..],
            &["192.0.2.7, 10.0.0.1"],
            &["192.0.2.7", "192.0.2.7"],
            &["192.0.2.7:443"],
            &["192.0.2.7", "x"],
            &["localhost"],
        ] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
