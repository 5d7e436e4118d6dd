//! `Cookie`: one field, and none of its cookies speaks with our voice.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode;

use crate::identity::JWT_COOKIE;

/// RFC 9113 section 8.2.3: HTTP/2 may split the field, HTTP/1.1 may not.
pub(super) fn join(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, cookie);
    }
}

/// Removes an assertion that the client brought: verifiers look for one here too. Some parsers end
/// a cookie at a space or a comma as well, so whatever mentions the name goes, whole.
pub(super) fn remove_assertions(headers: &mut HeaderMap) {
    let Some(cookies) = headers.get(COOKIE) else {
        return;
    };
    let crumbs = || cookies.as_bytes().split(|octet| *octet == b';');
    if !crumbs().any(mentions_assertion) {
        return;
    }
    let kept: Vec<&[u8]> = crumbs()
        .filter(|crumb| !mentions_assertion(crumb))
        .map(<[u8]>::trim_ascii)
        .collect();
    match HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
        Ok(cookies) if !cookies.is_empty() => headers.insert(COOKIE, cookies),
        Ok(_) | Err(_) => headers.remove(COOKIE),
    };
}

/// In any spelling: PHP, for one, decodes names and folds what it does not like into `_`.
fn mentions_assertion(crumb: &[u8]) -> bool {
    let folded: Vec<u8> = percent_decode(crumb)
        .map(|octet| match octet {
            letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
            _ => b'_',
        })
        .collect();
    let name = JWT_COOKIE.to_ascii_lowercase();
    folded
        .windows(name.len())
        .any(|window| window == name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(cookies: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static(cookies));
        remove_assertions(&mut headers);
        let left = headers.get(COOKIE)?;
        Some(left.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_assertion_in_a_cookie_is_removed_in_every_spelling() {
        for cookies in [
            "CF_Authorization=evil",
            "cf_authorization=evil;",
            " CF-Authorization = evil",
            "CF.Authorization=evil",
            "CF%5FAuthorization=evil",
            "%43F_Authorization=evil",
            "CF_Authorization=evil; CF_Authorization=evil",
        ] {
            assert_eq!(left(cookies), None, "{cookies}");
        }
        for cookies in [
            "a=1; CF_Authorization=evil; b=2",
            "a=1;CF_Authorization=evil;b=2",
            "CF_Authorization=evil; a=1; b=2",
            "a=1; c=\"x, CF_Authorization=evil\"; b=2",
            "a=1; c=3 CF_Authorization=evil; b=2",
        ] {
            assert_eq!(left(cookies).as_deref(), Some("a=1; b=2"), "{cookies}");
        }
    }

    #[test]
    fn other_cookies_are_left_octet_for_octet() {
        for cookies in ["a=1;b=2 ;  c", "CF_AppSession=1; __cf_bm=2", ";;"] {
            assert_eq!(left(cookies).as_deref(), Some(cookies));
        }
    }
}
