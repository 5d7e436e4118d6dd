//! `[gateway.behind_cloudflare]`, checked.

use std::path::Path;
use std::sync::Arc;

use postern_policy::config::ConfigError;
use postern_policy::{ApplicationSet, HostName};
use reqwest::Url;
use rustls::RootCertStore;
use rustls_pki_types::UnixTime;
use toml::Spanned;

use super::listen::ListenAddress;
use super::networks::networks;
use super::{error, files, is_loopback, keep};
use crate::cloudflare::{
    BehindCloudflare, CloudflarePeer, ForwardedBy, KeySet, KeySource, KeyStore, People, read_file,
};
use crate::config::{BehindCloudflareConfig, IdentityConfig, PeerConfig};

/// Checks the table, and what it asks of the rest of the file.
pub(super) fn behind_cloudflare(
    config: &BehindCloudflareConfig,
    listen: Option<&ListenAddress>,
    applications: &ApplicationSet,
    base: &Path,
) -> Result<BehindCloudflare, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let peer = keep(peer(&config.peer, listen, base), &mut errors);
    let team = keep(team_domain(&config.team_domain), &mut errors);
    let people = keep(people(config), &mut errors);
    let certificate = keep(client_certificate(config), &mut errors);
    keep(audiences(applications), &mut errors);
    let keys = team
        .as_ref()
        .and_then(|team| keep(keys(config.jwks.as_ref(), team, base), &mut errors));
    let all = (|| {
        Some(BehindCloudflare {
            peer: Arc::new(peer?),
            issuer: format!("https://{}", team?),
            people: people?,
            certificate: certificate?,
            keys: Arc::new(keys?),
        })
    })();
    all.filter(|_| errors.is_empty()).ok_or(errors)
}

fn peer(
    config: &Spanned<PeerConfig>,
    listen: Option<&ListenAddress>,
    base: &Path,
) -> Result<CloudflarePeer, Vec<ConfigError>> {
    let wrong = |message: &str, hint| Err(error(config, message.to_owned(), hint));
    match (config.get_ref(), listen) {
        (PeerConfig::Tunnel, Some(ListenAddress::Tcp(address))) if !address.ip().is_loopback() => {
            let message = "`peer` is \"tunnel\", and `listen` is not an address of loopback";
            wrong(message, TUNNEL_HINT)
        }
        (PeerConfig::Tunnel, _) => Ok(CloudflarePeer::Tunnel),
        (PeerConfig::Addresses(_) | PeerConfig::OriginPull(_), Some(ListenAddress::Unix(_))) => {
            wrong("only a tunnel connects to a Unix socket", TUNNEL_HINT)
        }
        (PeerConfig::Addresses(list), _) if list.is_empty() => wrong(
            "`peer` is an empty list, and nobody could connect",
            PEER_HINT,
        ),
        (PeerConfig::Addresses(list), _) => {
            networks(list, "Cloudflare", PEER_HINT).map(CloudflarePeer::Addresses)
        }
        (PeerConfig::OriginPull(pull), _) => origin_pull(&pull.origin_pull_ca, base),
    }
}

fn origin_pull(
    file: &Spanned<std::path::PathBuf>,
    base: &Path,
) -> Result<CloudflarePeer, Vec<ConfigError>> {
    let certificates = files::trust_file(file, &base.join(file.get_ref()))?;
    let ders: Vec<_> = certificates.iter().map(|one| one.der().clone()).collect();
    let mut roots = RootCertStore::empty();
    for der in &ders {
        roots.add(der.clone()).map_err(|why| {
            let message = format!("`origin_pull_ca` cannot be a trust anchor: {why}");
            error(
                file,
                message,
                "give the CA of the origin-pull certificate, PEM",
            )
        })?;
    }
    Ok(CloudflarePeer::OriginPull(ders))
}

fn team_domain(value: &Spanned<String>) -> Result<HostName, Vec<ConfigError>> {
    HostName::parse(value.get_ref()).map_err(|why| {
        let message = format!("`team_domain` is no host name: {why}");
        error(value, message, "write \"TEAM.cloudflareaccess.com\"")
    })
}

fn people(config: &BehindCloudflareConfig) -> Result<People, Vec<ConfigError>> {
    match config.identity.as_ref().map(Spanned::get_ref) {
        Some(IdentityConfig::Admit) => Ok(People::Admit),
        Some(IdentityConfig::Refuse) => Ok(People::Refuse),
        None => Err(error(
            &config.peer,
            "`[gateway.behind_cloudflare]` does not say what a person's login means".to_owned(),
            "write identity = \"refuse\" (machines only) or \"admit\"",
        )),
    }
}

fn client_certificate(
    config: &BehindCloudflareConfig,
) -> Result<Option<ForwardedBy>, Vec<ConfigError>> {
    let Some(value) = &config.client_certificate else {
        return Ok(None);
    };
    ForwardedBy::parse(value.get_ref())
        .map(Some)
        .ok_or_else(|| {
            let message = format!("no certificate is forwarded in {:?}", value.get_ref());
            let hint = "write \"cf-client-cert-der-base64\" or \"client-cert\" (RFC 9440)";
            error(value, message, hint)
        })
}

/// Without its own tag an application would believe assertions that are meant for another.
fn audiences(applications: &ApplicationSet) -> Result<(), Vec<ConfigError>> {
    let has_tag = |application: &&Arc<postern_policy::Application>| {
        application
            .cloudflare()
            .is_some_and(|cloudflare| cloudflare.aud.is_some())
    };
    let errors: Vec<_> = applications
        .iter()
        .filter(|application| !has_tag(application))
        .map(|application| ConfigError {
            span: None,
            message: format!(
                "application `{}` is behind Cloudflare and has no audience tag",
                application.name()
            ),
            hint: Some("write aud = \"…\" under its [application.cloudflare]".to_owned()),
        })
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

fn keys(
    jwks: Option<&Spanned<String>>,
    team: &HostName,
    base: &Path,
) -> Result<KeyStore, Vec<ConfigError>> {
    let Some(jwks) = jwks else {
        let url = format!("https://{team}/cdn-cgi/access/certs");
        let url = Url::parse(&url).expect("a host name and a path make a URL");
        return Ok(KeyStore::new(KeySource::Url(url)));
    };
    if !jwks.get_ref().contains("://") {
        return keys_in_file(jwks, base);
    }
    let unusable = |why: String| {
        let message = format!("cannot read keys at {:?}: {why}", jwks.get_ref());
        error(jwks, message, "give an https:// URL, or a file")
    };
    let url = Url::parse(jwks.get_ref()).map_err(|why| unusable(why.to_string()))?;
    match url.scheme() {
        "https" => Ok(KeyStore::new(KeySource::Url(url))),
        "http" if is_loopback(&url) => Ok(KeyStore::new(KeySource::Url(url))),
        _ => Err(unusable("it is neither https nor on loopback".to_owned())),
    }
}

/// Read at once: a gateway whose file is bad does not start.
fn keys_in_file(jwks: &Spanned<String>, base: &Path) -> Result<KeyStore, Vec<ConfigError>> {
    let path = base.join(jwks.get_ref());
    let unusable = |why: String| {
        let message = format!("cannot use the keys in {}: {why}", path.display());
        error(
            jwks,
            message,
            "give a JWK set: what /cdn-cgi/access/certs answers",
        )
    };
    let body = read_file(&path).map_err(|why| unusable(why.to_string()))?;
    let keys = KeySet::parse(&body).map_err(|why| unusable(why.to_string()))?;
    let store = KeyStore::new(KeySource::File(path));
    store.hold(keys, UnixTime::now());
    Ok(store)
}

const PEER_HINT: &str = "give Cloudflare's networks: peer = [\"173.245.48.0/20\", …]";
const TUNNEL_HINT: &str =
    "for cloudflared listen on \"127.0.0.1:PORT\" or \"unix:/path\", with peer = \"tunnel\"";
