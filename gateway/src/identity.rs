//! Whom a request is from, told to its upstream in the forms that its application lists.
//!
//! Everything here is set after the client's own fields were removed: see `headers`.

mod client_cert;
pub(crate) mod jwks;
mod key_folder;
mod keys;
mod minter;
mod signing_key;
mod subject;
mod text;
mod x_ssl_client;
mod xfcc;

use http::header::{COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue};
use postern_pki::VerifiedPath;
use postern_policy::IdentityForm;
use rustls_pki_types::UnixTime;

pub(crate) use self::keys::Keys;
pub(crate) use self::minter::{KeySource, Minter};
pub(crate) use self::signing_key::SigningKey;
pub(crate) use self::subject::Subject;
pub(crate) use self::text::ascii;

/// What an upstream is told, and how.
pub(crate) struct UpstreamIdentity<'a> {
    pub(crate) forms: &'a [IdentityForm],
    /// The verified certificate with its issuers, where there is one.
    pub(crate) path: Option<&'a VerifiedPath>,
    /// What was signed about whoever it is from, where there is a name to call them by.
    pub(crate) assertion: Option<&'a str>,
    pub(crate) now: UnixTime,
}

impl UpstreamIdentity<'_> {
    /// Sets the fields of every listed form.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        for form in self.forms {
            self.tell_as(*form, headers);
        }
    }

    fn tell_as(&self, form: IdentityForm, headers: &mut HeaderMap) {
        match (form, self.path, self.assertion) {
            (IdentityForm::ClientCert, Some(path), _) => {
                client_cert::set_leaf(headers, path.leaf());
            }
            (IdentityForm::ClientCertChain, Some(path), _) => {
                client_cert::set_chain(headers, path.issuers());
            }
            (IdentityForm::Xfcc, Some(path), _) => xfcc::set(headers, path.leaf()),
            (IdentityForm::XSslClient, path, _) => {
                x_ssl_client::set(headers, path, self.now.as_secs());
            }
            (IdentityForm::Jwt, _, Some(assertion)) => set_assertion(headers, assertion),
            (IdentityForm::JwtCookie, _, Some(assertion)) => add_cookie(headers, assertion),
            // Nothing to tell in this form.
            (
                IdentityForm::ClientCert | IdentityForm::ClientCertChain | IdentityForm::Xfcc,
                None,
                _,
            )
            | (IdentityForm::Jwt | IdentityForm::JwtCookie, _, None) => {}
        }
    }
}

fn set_assertion(headers: &mut HeaderMap, assertion: &str) {
    headers.insert(JWT_ASSERTION, ascii(assertion));
}

/// Before the client's own cookies, of which none is called so any more: see `headers`.
fn add_cookie(headers: &mut HeaderMap, assertion: &str) {
    let mut cookies = format!("{JWT_COOKIE}={assertion}").into_bytes();
    if let Some(others) = headers.get(COOKIE) {
        cookies.extend_from_slice(b"; ");
        cookies.extend_from_slice(others.as_bytes());
    }
    let cookies = HeaderValue::from_bytes(&cookies);
    headers.insert(COOKIE, cookies.expect("a value and base64 make a value"));
}

/// The cookie that holds an assertion; browsers get it of Cloudflare.
pub(crate) const JWT_COOKIE: &str = "CF_Authorization";
const JWT_ASSERTION: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");
