//! Headers at the border: hop-by-hop fields end here, identity fields are stripped, then set.
//!
//! Strip first, set last: whatever the client wrote, nominated in `Connection`, spelled with `_` or
//! sent twice, the upstream sees exactly one value of ours or none.
//!
//! A request's field whose name holds anything but letters, digits and `-` ends here as well, as
//! nginx does it by default: servers of the CGI kind fold such octets into `_`, as they do `-`, and
//! then `Client_Cert` and `Client.Cert` are the same variable as ours.

mod cookies;
mod names;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use self::names::is_identity;
use crate::event::RequestId;
use crate::identity::{UpstreamIdentity, ascii};

/// What the gateway asserts about a request it forwards.
pub(crate) struct Assertions<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) identity: UpstreamIdentity<'a>,
    pub(crate) address: std::net::IpAddr,
    /// The authority the client asked for, in its one spelling.
    pub(crate) authority: &'a str,
}

/// Whether a message has a body: what the upstream's HTTP/1.1 framing depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    Body,
    NoBody,
}

/// Why nobody can say where a request's body ends, or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingError {
    #[error("`Transfer-Encoding` is not `chunked` alone")]
    TransferEncoding,
    #[error("there are several `Content-Length`, and they differ")]
    LengthsDiffer,
}

/// Refuses what would lose its meaning on the way: every other transfer coding ends at this hop.
pub(crate) fn check_framing(headers: &HeaderMap) -> Result<(), FramingError> {
    let mut codings = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
    let chunked = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let is_chunked = codings.next().is_none_or(chunked) && codings.next().is_none();
    if !is_chunked {
        return Err(FramingError::TransferEncoding);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next();
    if lengths.any(|length| Some(length) != first) {
        return Err(FramingError::LengthsDiffer);
    }
    Ok(())
}

/// Makes a client's headers fit for the upstream: strip, then set.
pub(crate) fn prepare_request(
    headers: &mut HeaderMap,
    framing: Framing,
    assertions: &Assertions<'_>,
) {
    strip_hop_by_hop(headers);
    remove_where(headers, |name| !is_plain(name.as_str()));
    strip_identity(headers);
    cookies::join(headers);
    cookies::remove_assertions(headers);
    // They are equal: see `check_framing`.
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        headers.insert(CONTENT_LENGTH, length);
    }
    // Answered by us: the client got its 100 from the gateway as soon as the body is asked for.
    headers.remove(EXPECT);
    // hyper sends no body with GET and HEAD unless the framing is explicit.
    if framing == Framing::Body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    assert(headers, assertions);
}

/// The same for the trailers of a client's body: they are headers, in another place.
pub(crate) fn prepare_trailers(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    remove_where(trailers, |name| !is_plain(name.as_str()));
    strip_identity(trailers);
}

/// Makes an upstream's headers fit for the client: nothing that looks like our own assertions.
pub(crate) fn prepare_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    strip_identity(headers);
}

/// Removes every field that a client or upstream could use to speak with our voice.
pub(crate) fn strip_identity(headers: &mut HeaderMap) {
    remove_where(headers, |name| is_identity(name.as_str()));
}

/// RFC 9110 section 7.6.1: `Connection`, what it nominates, and the fields known to be hop-by-hop.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // Nominating these would change how the message is framed or where it goes.
        .filter(|name| *name != CONTENT_LENGTH && *name != HOST)
        .collect();
    for name in nominated {
        headers.remove(name);
    }
    remove_where(headers, |name| {
        HOP_BY_HOP.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
    });
}

/// Letters, digits and `-`: a name that every server reads alike.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

fn assert(headers: &mut HeaderMap, assertions: &Assertions<'_>) {
    assertions.identity.tell(headers);
    headers.insert(X_REQUEST_ID, ascii(&assertions.request_id.to_string()));
    headers.insert(X_FORWARDED_FOR, ascii(&assertions.address.to_string()));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    headers.insert(X_FORWARDED_HOST, ascii(assertions.authority));
    headers.insert(HOST, ascii(assertions.authority));
}

fn remove_where(headers: &mut HeaderMap, condemned: impl Fn(&HeaderName) -> bool) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| condemned(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Our own on requests and, the same value, on responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Set by us; read only where a listed proxy set it.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

#[cfg(test)]
mod tests;
