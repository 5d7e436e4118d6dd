//! TLS with upstreams: the files that `upstream_trust`, `upstream_certificate` and `upstream_key` name.

use std::collections::HashMap;
use std::path::Path;

use postern_policy::config::ConfigError;
use postern_policy::{Application, ApplicationName, ApplicationSet, HostName, UpstreamTlsFiles};
use rustls_pki_types::{CertificateDer, ServerName};
use toml::Spanned;

use super::{error, files};
use crate::upstream::UpstreamTls;

/// For each application whose upstream speaks TLS, what was read for it.
pub(super) fn upstream_tls(
    applications: &ApplicationSet,
    base: &Path,
) -> Result<HashMap<ApplicationName, UpstreamTls>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut all = HashMap::new();
    for application in applications.iter() {
        let Some(files) = application.upstream().tls() else {
            continue;
        };
        match read(files, base) {
            Ok(tls) => drop(all.insert(application.name().clone(), tls)),
            Err(found) => errors.extend(found.into_iter().map(|error| of(application, error))),
        }
    }
    if errors.is_empty() {
        Ok(all)
    } else {
        Err(errors)
    }
}

fn of(application: &Application, error: ConfigError) -> ConfigError {
    let message = format!("application `{}`: {}", application.name(), error.message);
    ConfigError { message, ..error }
}

fn read(files: &UpstreamTlsFiles, base: &Path) -> Result<UpstreamTls, Vec<ConfigError>> {
    let trust = match &files.trust {
        Some(file) => files::trust_file(file, &base.join(file.get_ref()))?
            .into_iter()
            .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
            .collect(),
        None => system_trust()?,
    };
    let identity = files
        .identity
        .as_ref()
        .map(|(certificate, key)| files::certified_key(certificate, key, "client", base))
        .transpose()?;
    let name = files.name.as_ref().map(server_name).transpose()?;
    UpstreamTls::new(trust, identity, name).map_err(|why| {
        vec![ConfigError {
            span: files.trust.as_ref().map(Spanned::span),
            message: why.to_string(),
            hint: Some("name the CA of the upstream's certificate in `upstream_trust`".to_owned()),
        }]
    })
}

fn server_name(name: &Spanned<HostName>) -> Result<ServerName<'static>, Vec<ConfigError>> {
    let text = name.get_ref().unbracketed();
    ServerName::try_from(text.to_owned()).map_err(|why| {
        let message = format!("{text:?} is no name that a certificate could have: {why}");
        error(name, message, "write a host name or an address")
    })
}

/// The certificates that this machine trusts; some of them may be of a kind that is no use here.
fn system_trust() -> Result<Vec<CertificateDer<'static>>, Vec<ConfigError>> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let usable = found
        .certs
        .into_iter()
        .filter(|certificate| roots.add(certificate.clone()).is_ok());
    let usable: Vec<_> = usable.collect();
    if usable.is_empty() {
        return Err(vec![ConfigError {
            span: None,
            message: "this machine has no trusted CA certificates to check its upstream with"
                .to_owned(),
            hint: Some("install ca-certificates, or write upstream_trust = \"ca.pem\"".to_owned()),
        }]);
    }
    Ok(usable)
}
