//! `[gateway.assertions]`, checked.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postern_policy::ApplicationSet;
use postern_policy::config::ConfigError;
use reqwest::Url;
use toml::Spanned;

use super::{error, files, is_loopback, keep, limits, listen};
use crate::config::AssertionsConfig;
use crate::identity::{KeySource, Keys, SigningKey};

/// What the gateway signs with, and where the keys are published.
#[derive(Clone)]
pub(crate) struct AssertionSettings {
    pub(crate) issuer: String,
    pub(crate) keys: KeySource,
}

/// Checks the table, and that it is there where an application needs it.
pub(super) fn assertions(
    config: Option<&AssertionsConfig>,
    applications: &ApplicationSet,
    base: &Path,
) -> Result<Option<AssertionSettings>, Vec<ConfigError>> {
    let Some(config) = config else {
        return needs_none(applications);
    };
    let mut errors = Vec::new();
    let issuer = keep(issuer(&config.issuer), &mut errors);
    let rotate_every = keep(rotate_every(config), &mut errors);
    let keys = match (&config.keys, &issuer) {
        (Some(keys), Some(issuer)) => keep(key_files(keys, issuer, base), &mut errors),
        (Some(_), None) => None,
        (None, _) => rotate_every.map(|rotate_every| KeySource::Made { rotate_every }),
    };
    let all = issuer.zip(keys);
    let all = all.map(|(issuer, keys)| Some(AssertionSettings { issuer, keys }));
    all.filter(|_| errors.is_empty()).ok_or(errors)
}

/// The address that keys are served on.
pub(super) fn jwks_listen(
    config: Option<&AssertionsConfig>,
) -> Result<Option<SocketAddr>, Vec<ConfigError>> {
    let hint = "write jwks_listen = \"127.0.0.1:9443\"; over plain HTTP keys can be replaced on the \
                way: let your web server pass /cdn-cgi/access/certs on, over https";
    let value = config.map(|config| &config.jwks_listen);
    listen::loopback("jwks_listen", value, hint)
}

fn needs_none(
    applications: &ApplicationSet,
) -> Result<Option<AssertionSettings>, Vec<ConfigError>> {
    let needing = applications
        .iter()
        .filter(|application| application.identity().audience().is_some());
    let errors: Vec<_> = needing
        .map(|application| ConfigError {
            span: None,
            message: format!(
                "application `{}` has assertions in its `identity`, and nothing says who signs them",
                application.name()
            ),
            hint: Some(
                "add [gateway.assertions] with issuer = \"https://…\" and jwks_listen".to_owned(),
            ),
        })
        .collect();
    if errors.is_empty() {
        Ok(None)
    } else {
        Err(errors)
    }
}

/// An origin, as verifiers compare it: octet by octet.
fn issuer(value: &Spanned<String>) -> Result<String, Vec<ConfigError>> {
    let text = value.get_ref();
    let wrong = |why: &str| {
        let hint = "write scheme and host, without a slash at the end: issuer = \
                    \"https://gateway.example.com\"";
        Err(error(value, format!("`issuer` is {text:?}, {why}"), hint))
    };
    let Ok(url) = Url::parse(text) else {
        return wrong("which is no URL");
    };
    if url.origin().ascii_serialization() != *text {
        return wrong("which is more or less than scheme and host");
    }
    match url.scheme() {
        "https" => Ok(text.clone()),
        "http" if is_loopback(&url) => Ok(text.clone()),
        _ => wrong("and verifiers would read its keys without TLS"),
    }
}

fn rotate_every(config: &AssertionsConfig) -> Result<Duration, Vec<ConfigError>> {
    let every = limits::duration(config.rotate_every.as_ref(), ROTATE_EVERY)?;
    match (&config.rotate_every, &config.keys) {
        (Some(value), Some(_)) => Err(error(
            value,
            "`rotate_every` is about keys that the gateway makes, and `keys` gives yours"
                .to_owned(),
            "leave one of the two out",
        )),
        (Some(value), None) if every < SHORTEST => Err(error(
            value,
            format!(
                "`rotate_every` is {:?}, which is less than a day",
                value.get_ref()
            ),
            "a key is published two hours before it signs and one after: write \"1d\" or more",
        )),
        (Some(_) | None, _) => Ok(every),
    }
}

fn key_files(
    values: &Spanned<Vec<Spanned<PathBuf>>>,
    issuer: &str,
    base: &Path,
) -> Result<KeySource, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut keys = Vec::new();
    for value in values.get_ref() {
        keys.extend(keep(key_file(value, issuer, base), &mut errors));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut keys = keys.into_iter();
    let Some(signing) = keys.next() else {
        let message = "`keys` is empty, and nothing could be signed".to_owned();
        let hint = "leave it out to have keys made in `state`, or name a file";
        return Err(error(values, message, hint));
    };
    let others: Vec<_> = keys.collect();
    Ok(KeySource::Files(Arc::new(Keys::new(
        signing,
        &others,
        0..u64::MAX,
    ))))
}

fn key_file(
    value: &Spanned<PathBuf>,
    issuer: &str,
    base: &Path,
) -> Result<SigningKey, Vec<ConfigError>> {
    let path = base.join(value.get_ref());
    let hint = "give an unencrypted RSA key: openssl genpkey -algorithm RSA -pkeyopt \
                rsa_keygen_bits:2048 -out FILE";
    files::only_its_owner_reads(value, &path, "the private key")?;
    let unusable = |why: String| {
        let message = format!("cannot use the assertion key {}: {why}", path.display());
        error(value, message, hint)
    };
    let pem = fs::read(&path).map_err(|why| unusable(why.to_string()))?;
    SigningKey::from_pem(&pem, issuer).map_err(|why| unusable(why.to_string()))
}

const ROTATE_EVERY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const SHORTEST: Duration = Duration::from_secs(24 * 60 * 60);
