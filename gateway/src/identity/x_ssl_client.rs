//! `X-SSL-Client-*` with the values of nginx's `$ssl_client_*`, under the names that sites give them.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use postern_pki::{Certificate, VerifiedPath};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::text::{ascii, ascii_name, escaped_pem, is_plain};

/// Sets all of them; without a certificate the one that says so.
pub(super) fn set(headers: &mut HeaderMap, path: Option<&VerifiedPath>, now: u64) {
    let Some(path) = path else {
        headers.insert(VERIFY, HeaderValue::from_static("NONE"));
        return;
    };
    headers.insert(VERIFY, HeaderValue::from_static("SUCCESS"));
    for (name, value) in values(path.leaf(), now) {
        headers.insert(name, ascii(&value));
    }
    let common_name = path.identity().common_name.as_ref();
    if let Some(name) = common_name.filter(|name| is_plain(name.as_str())) {
        headers.insert(COMMON_NAME, ascii(name.as_str()));
    }
}

fn values(leaf: &Certificate, now: u64) -> [(HeaderName, String); 9] {
    let remaining = leaf.not_after().saturating_sub(now) / DAY;
    [
        (SUBJECT, ascii_name(&leaf.subject())),
        (ISSUER, ascii_name(&leaf.issuer())),
        (SERIAL, leaf.serial().to_string().to_uppercase()),
        (FINGERPRINT, sha1(leaf)),
        (SHA256, leaf.fingerprint().to_string()),
        (START, openssl_time(leaf.not_before())),
        (END, openssl_time(leaf.not_after())),
        (REMAIN, remaining.to_string()),
        (CERTIFICATE, escaped_pem(leaf)),
    ]
}

/// As nginx has it, for tables that are keyed by it. Nothing here relies on it.
fn sha1(leaf: &Certificate) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, leaf.der());
    let octets = digest.as_ref().iter();
    octets.map(|octet| format!("{octet:02x}")).collect()
}

/// OpenSSL's `ASN1_TIME_print`. A certificate's last time has a year of four digits.
fn openssl_time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok();
    time.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(OPENSSL_TIME).ok())
        .unwrap_or_default()
}

const OPENSSL_TIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[month repr:short] [day padding:space] [hour]:[minute]:[second] [year] GMT"
);
const DAY: u64 = 24 * 60 * 60;
const VERIFY: HeaderName = HeaderName::from_static("x-ssl-client-verify");
const SUBJECT: HeaderName = HeaderName::from_static("x-ssl-client-s-dn");
const ISSUER: HeaderName = HeaderName::from_static("x-ssl-client-i-dn");
const COMMON_NAME: HeaderName = HeaderName::from_static("x-ssl-client-cn");
const SERIAL: HeaderName = HeaderName::from_static("x-ssl-client-serial");
const FINGERPRINT: HeaderName = HeaderName::from_static("x-ssl-client-fingerprint");
const SHA256: HeaderName = HeaderName::from_static("x-ssl-client-sha256");
const START: HeaderName = HeaderName::from_static("x-ssl-client-v-start");
const END: HeaderName = HeaderName::from_static("x-ssl-client-v-end");
const REMAIN: HeaderName = HeaderName::from_static("x-ssl-client-v-remain");
const CERTIFICATE: HeaderName = HeaderName::from_static("x-ssl-client-cert");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_openssls() {
        assert_eq!(openssl_time(0), "Jan  1 00:00:00 1970 GMT");
        assert_eq!(
            openssl_time(1_893_456_000 + 86_400 * 9),
            "Jan 10 00:00:00 2030 GMT"
        );
        assert_eq!(openssl_time(253_402_300_799), "Dec 31 23:59:59 9999 GMT");
    }
}
