//! Whom a request is from, told to its upstream in the forms that its application lists.
//!
//! Everything here is set after the client's own fields were removed: see `headers`.

mod client_cert;
mod text;
mod x_ssl_client;
mod xfcc;

use http::HeaderMap;
use postern_pki::VerifiedPath;
use postern_policy::IdentityForm;
use rustls_pki_types::UnixTime;

pub(crate) use self::text::ascii;

/// What an upstream is told, and how.
pub(crate) struct UpstreamIdentity<'a> {
    pub(crate) forms: &'a [IdentityForm],
    /// The verified certificate with its issuers, where there is one.
    pub(crate) path: Option<&'a VerifiedPath>,
    pub(crate) now: UnixTime,
}

impl UpstreamIdentity<'_> {
    /// Sets the fields of every listed form.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        for form in self.forms {
            match (form, self.path) {
                (IdentityForm::ClientCert, Some(path)) => {
                    client_cert::set_leaf(headers, path.leaf());
                }
                (IdentityForm::ClientCertChain, Some(path)) => {
                    client_cert::set_chain(headers, path.issuers());
                }
                (IdentityForm::Xfcc, Some(path)) => xfcc::set(headers, path.leaf()),
                (IdentityForm::XSslClient, path) => {
                    x_ssl_client::set(headers, path, self.now.as_secs());
                }
                (
                    IdentityForm::ClientCert | IdentityForm::ClientCertChain | IdentityForm::Xfcc,
                    None,
                ) => {}
                (IdentityForm::Jwt | IdentityForm::JwtCookie, _) => {}
            }
        }
    }
}
