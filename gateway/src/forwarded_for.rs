//! `X-Forwarded-For`: whose request a proxy passes on, as far as proxies that are listed wrote it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::headers::X_FORWARDED_FOR;
use crate::networks::Networks;

/// What stands where the client's address should.
#[derive(Debug, thiserror::Error)]
#[error(
    "`X-Forwarded-For` of a proxy that is listed in `forwarded_for` has {0:?}, which is no address"
)]
pub(crate) struct ForwardedForError(String);

/// The client's address: of those that were passed on the last one that is no proxy's. Whatever
/// stands left of it was written by the client.
pub(crate) fn client_address(
    headers: &HeaderMap,
    peer: IpAddr,
    proxies: &Networks,
) -> Result<IpAddr, ForwardedForError> {
    let values = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut entries = values.flat_map(|value| value.as_bytes().rsplit(|octet| *octet == b','));
    let mut address = peer;
    while proxies.contains(address) {
        // The first proxy asks for itself.
        let Some(entry) = entries.next() else { break };
        let entry = String::from_utf8_lossy(entry.trim_ascii());
        address = parse(&entry).ok_or_else(|| ForwardedForError(entry.into_owned()))?;
    }
    Ok(address)
}

/// An address, with a port or brackets as some proxies write it.
fn parse(entry: &str) -> Option<IpAddr> {
    let alone = || entry.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|it| it.ip());
    let in_brackets = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address: IpAddr = alone().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// From a proxy at 10.0.0.1; every address in 10.0.0.0/8 is a proxy's.
    fn client_of(peer: &str, values: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let proxies = Networks::from(vec!["10.0.0.0/8".parse().unwrap()]);
        let address = client_address(&headers, peer.parse().unwrap(), &proxies);
        address.ok().map(|address| address.to_string())
    }

    #[test]
    fn a_listed_proxy_tells_the_client_and_the_client_nothing() {
        let proxy = "10.0.0.1";
        for (values, expected) in [
            (&["192.0.2.7"][..], "192.0.2.7"),
            (&["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
            (&["evil, 192.0.2.7"], "192.0.2.7"),
            (&["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
            (&["192.0.2.7, 10.0.0.2", "10.0.0.3"], "192.0.2.7"),
            (&["192.0.2.7 ,\t10.0.0.2"], "192.0.2.7"),
            (&["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["[2001:db8::7]:443"], "2001:db8::7"),
            (&["192.0.2.7:50000"], "192.0.2.7"),
            (&["192.0.2.7, ::ffff:10.0.0.2"], "192.0.2.7"),
            (&[], proxy),
        ] {
            let client = client_of(proxy, values);
            assert_eq!(client.as_deref(), Some(expected), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_address_where_the_client_should_be_is_refused() {
        for values in [
            &[""][..],
            &["unknown"],
            &["192.0.2.7,"],
            &["192.0.2.7, 10.0.0.2, _hidden"],
            &["192.0.2.7", ""],
            &["192.0.2.07"],
            &["192.0.2.7 10.0.0.2"],
            &["localhost"],
        ] {
            assert_eq!(client_of("10.0.0.1", values), None, "{values:?}");
        }
    }

    #[test]
    fn from_anybody_else_it_means_nothing() {
        for values in [&["192.0.2.7"][..], &["unknown"], &["10.0.0.1"]] {
            let address = client_of("203.0.113.9", values);
            assert_eq!(address.as_deref(), Some("203.0.113.9"), "{values:?}");
        }
    }
}
