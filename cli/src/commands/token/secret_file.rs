//! The one file that holds a token's secret.

use std::path::Path;

use clap::ValueEnum;
use postern_ca::ServiceTokenSecret;
use postern_ca::files::{self, Access, FileError};
use zeroize::Zeroizing;

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecretFormat {
    /// `client_id:client_secret`
    Pair,
    /// The two headers, for `curl -H @FILE`
    Headers,
    /// An object with `client_id` and `client_secret`
    Json,
    /// `CF_ACCESS_CLIENT_ID=…` and `CF_ACCESS_CLIENT_SECRET=…`
    Dotenv,
}

/// Writes the secret, readable by its owner alone.
pub(crate) fn write_secret(
    path: &Path,
    format: SecretFormat,
    client_id: &str,
    secret: &ServiceTokenSecret,
) -> Result<(), FileError> {
    let secret = secret.expose();
    // Ids and secrets are letters, digits, `_` and `.`: nothing needs escaping in any of these.
    let text = Zeroizing::new(match format {
        SecretFormat::Pair => format!("{client_id}:{secret}\n"),
        SecretFormat::Headers => {
            format!("CF-Access-Client-Id: {client_id}\nCF-Access-Client-Secret: {secret}\n")
        }
        SecretFormat::Json => {
            format!("{{\"client_id\":\"{client_id}\",\"client_secret\":\"{secret}\"}}\n")
        }
        SecretFormat::Dotenv => {
            format!("CF_ACCESS_CLIENT_ID={client_id}\nCF_ACCESS_CLIENT_SECRET={secret}\n")
        }
    });
    files::write_new(path, text.as_bytes(), Access::Owner)
}
