//! What is followed, and under which terms.

use std::path::{Path, PathBuf};
use std::time::Duration;

use postern_pki::{TrustAnchors, WhenStale};
use postern_policy::config::ConfigError;
use toml::Spanned;

use super::{error, files, keep, limits};
use crate::config::{GatewayConfig, SourceConfig, WhenStaleConfig};
use crate::follow::{FollowSettings, NamesUse, SourceSettings, Terms};

/// Checks `follow`, `crl`, `deny` and `issuers`; what is followed is read by whoever follows it.
/// Without usable anchors nothing is said of `issuers`.
pub(super) fn follow(
    config: &GatewayConfig,
    base: &Path,
    state: PathBuf,
    anchors: Option<&TrustAnchors>,
) -> Result<FollowSettings, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let directories = config
        .follow
        .iter()
        .filter_map(|source| keep(directory(source, base), &mut errors))
        .collect();
    let crls = config
        .crl
        .iter()
        .filter_map(|source| keep(settings(source, base), &mut errors))
        .collect();
    let issuers = anchors.map(|anchors| files::issuers(&config.issuers, anchors, base));
    let issuers = keep(issuers.transpose(), &mut errors).flatten();
    let deny = config.deny.iter().map(|file| base.join(file.get_ref()));
    let settings = FollowSettings {
        directories,
        crls,
        deny: deny.collect(),
        issuers: issuers.unwrap_or_default(),
        state,
        names: match config.behind_cloudflare {
            Some(_) => NamesUse::Needed,
            None => NamesUse::Unused,
        },
    };
    if errors.is_empty() {
        Ok(settings)
    } else {
        Err(errors)
    }
}

/// What holds for every source that has no terms of its own.
pub(super) fn when_stale(
    value: Option<&Spanned<WhenStaleConfig>>,
) -> Result<WhenStale, Vec<ConfigError>> {
    let missing = || ConfigError {
        span: None,
        message: "`[gateway]` does not say what happens when revocation is not known".to_owned(),
        hint: Some(
            "write when_stale = \"refuse\" (safe: clients are refused) or \"admit\"".to_owned(),
        ),
    };
    let value = value.ok_or_else(|| vec![missing()])?;
    Ok(stale(*value.get_ref()))
}

fn directory(
    source: &Spanned<SourceConfig>,
    base: &Path,
) -> Result<SourceSettings, Vec<ConfigError>> {
    let path = &source.get_ref().path;
    if path.contains("://") {
        let message = format!("cannot follow {path:?} over the network yet");
        return Err(error(source, message, NETWORK_HINT));
    }
    let settings = settings(source, base)?;
    if settings.path.is_dir() {
        return Ok(settings);
    }
    let message = format!(
        "`follow` names {}, which is no folder",
        settings.path.display()
    );
    let hint = "give the `public` folder of a CA's home";
    Err(error(source, message, hint))
}

fn settings(
    source: &Spanned<SourceConfig>,
    base: &Path,
) -> Result<SourceSettings, Vec<ConfigError>> {
    let SourceConfig {
        path,
        max_silence,
        when_stale,
    } = source.get_ref();
    let silence = max_silence.as_ref();
    let silence = silence.map(|value| limits::duration(Some(value), Duration::ZERO));
    Ok(SourceSettings {
        path: base.join(path),
        terms: Terms {
            max_silence: silence.transpose()?,
            when_stale: when_stale.map(stale),
        },
    })
}

fn stale(value: WhenStaleConfig) -> WhenStale {
    match value {
        WhenStaleConfig::Refuse => WhenStale::Refuse,
        WhenStaleConfig::Admit => WhenStale::Admit,
    }
}

const NETWORK_HINT: &str = "https:// comes with `ca serve`; until then give a folder";
