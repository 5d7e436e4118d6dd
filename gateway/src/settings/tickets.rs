//! Whether and with whose keys TLS sessions are resumed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postern_policy::config::ConfigError;
use toml::Spanned;
use zeroize::Zeroizing;

use super::{error, files};
use crate::config::GatewayConfig;
use crate::resumption::SharedKeys;

/// Whose keys seal tickets.
#[derive(Clone, Debug)]
pub(crate) enum TicketSettings {
    /// Nobody's: no session is resumed.
    None,
    /// This process's.
    OwnKeys,
    /// Those of every gateway that has the file.
    SharedKeys(Arc<SharedKeys>),
}

impl TicketSettings {
    /// Checks `resumption` and `ticket_keys`.
    pub(super) fn load(config: &GatewayConfig, base: &Path) -> Result<Self, Vec<ConfigError>> {
        let is_on = config.resumption.as_ref().is_none_or(|on| *on.get_ref());
        match (&config.ticket_keys, &config.behind_cloudflare) {
            (None, None) if is_on => Ok(Self::OwnKeys),
            (None, _) => Ok(Self::None),
            (Some(file), None) if is_on => shared_keys(file, base),
            (Some(file), None) => Err(unused(file, "`resumption` is false")),
            (Some(file), Some(_)) => Err(unused(file, "Cloudflare's connections are not resumed")),
        }
    }
}

fn unused(file: &Spanned<PathBuf>, why: &str) -> Vec<ConfigError> {
    let message = format!("`ticket_keys` would be used by nobody: {why}");
    error(file, message, "remove `ticket_keys`")
}

fn shared_keys(file: &Spanned<PathBuf>, base: &Path) -> Result<TicketSettings, Vec<ConfigError>> {
    let path = base.join(file.get_ref());
    files::only_its_owner_reads(file, &path, "the file of ticket keys")?;
    let unusable = |why: String| {
        let message = format!("cannot use the ticket keys in {}: {why}", path.display());
        error(
            file,
            message,
            "write one key a line, each made by `openssl rand -base64 32`",
        )
    };
    let text = fs::read_to_string(&path).map(Zeroizing::new);
    let text = text.map_err(|why| unusable(why.to_string()))?;
    SharedKeys::parse(&text)
        .map(|keys| TicketSettings::SharedKeys(Arc::new(keys)))
        .map_err(|why| unusable(why.to_string()))
}
