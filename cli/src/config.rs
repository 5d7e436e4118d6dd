//! `postern.toml`: found, read, and checked whole; mistakes are told with line and column.

use std::fs;
use std::path::{Path, PathBuf};

use postern_ca::{CaConfig, Profiles};
use postern_gateway::{GatewayConfig, Settings};
use postern_policy::ApplicationSet;
use postern_policy::config::{
    ApplicationConfig, CloudflareConfig, CloudflareSettings, ConfigError, RuleGroupConfig,
    ServiceTokenSettings, TokenConfig,
};
use serde::Deserialize;

use crate::error::{CommandError, Kind};

/// The file as it stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    ca: CaConfig,
    gateway: Option<GatewayConfig>,
    #[serde(default)]
    application: Vec<ApplicationConfig>,
    #[serde(default)]
    group: Vec<RuleGroupConfig>,
    #[serde(default)]
    token: Vec<TokenConfig>,
    cloudflare: Option<CloudflareConfig>,
}

/// The file, every part of it checked.
pub(crate) struct Config {
    path: PathBuf,
    text: String,
    pub(crate) profiles: Profiles,
    pub(crate) applications: ApplicationSet,
    pub(crate) tokens: Vec<ServiceTokenSettings>,
    pub(crate) cloudflare: Option<CloudflareSettings>,
    gateway: Option<GatewayConfig>,
}

impl Config {
    /// Reads and checks `path`; all mistakes are told, not only the first.
    pub(crate) fn load(path: &Path) -> Result<Self, CommandError> {
        let text = fs::read_to_string(path).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let kind = if missing { Kind::NotFound } else { Kind::Failure };
            CommandError::new(kind, format!("cannot read {}: {error}", path.display()))
                .hint("name the file with --config or POSTERN_CONFIG; `postern quickstart` writes an example")
        })?;
        let file: File = toml::from_str(&text).map_err(|error| {
            let mistake = ConfigError {
                span: error.span(),
                message: error.message().to_owned(),
                hint: None,
            };
            mistakes(path, &text, &[mistake])
        })?;
        Self::check(path, text, file)
    }

    fn check(path: &Path, text: String, file: File) -> Result<Self, CommandError> {
        let mut errors = Vec::new();
        let mut keep = |found: Vec<ConfigError>| errors.extend(found);
        let profiles = Profiles::load(file.ca).map_err(&mut keep).ok();
        let applications = postern_policy::config::applications(file.application, &file.group)
            .map_err(&mut keep)
            .ok();
        let tokens = postern_policy::config::tokens(file.token)
            .map_err(&mut keep)
            .ok();
        let cloudflare = file
            .cloudflare
            .as_ref()
            .map(postern_policy::config::cloudflare);
        let cloudflare = cloudflare.transpose().map_err(&mut keep).ok();
        match (profiles, applications, tokens, cloudflare) {
            (Some(profiles), Some(applications), Some(tokens), Some(cloudflare))
                if errors.is_empty() =>
            {
                Ok(Self {
                    path: path.to_path_buf(),
                    text,
                    profiles,
                    applications,
                    tokens,
                    cloudflare,
                    gateway: file.gateway,
                })
            }
            _ => Err(mistakes(path, &text, &errors)),
        }
    }

    /// What relative paths in the file count from.
    pub(crate) fn folder(&self) -> &Path {
        folder_of(&self.path)
    }

    /// The file that the gateway's events go to, if they go to one.
    pub(crate) fn events_file(&self) -> Option<PathBuf> {
        let events = self.gateway.as_ref()?.events.as_ref()?.get_ref();
        (events != "stdout").then(|| folder_of(&self.path).join(events))
    }

    /// The files of the gateway's trust anchors.
    pub(crate) fn trust_files(&self) -> Vec<PathBuf> {
        let trust = self.gateway.iter().flat_map(|gateway| &gateway.trust);
        let folder = folder_of(&self.path);
        trust.map(|path| folder.join(path.get_ref())).collect()
    }

    /// The gateway's settings: every file it names read and checked.
    pub(crate) fn gateway(self) -> Result<Settings, CommandError> {
        let Some(gateway) = self.gateway else {
            return Err(CommandError::new(
                Kind::NotFound,
                format!("{} has no [gateway] table", self.path.display()),
            ));
        };
        Settings::load(gateway, self.applications, folder_of(&self.path))
            .map_err(|errors| mistakes(&self.path, &self.text, &errors))
    }
}

/// Where the gateway of the file at `path` keeps its state, whatever else is wrong with the file.
pub(crate) fn state_folder(path: &Path) -> Result<PathBuf, CommandError> {
    let refused = |why: String| {
        CommandError::new(
            Kind::Failure,
            format!("the gateway was not asked, and keeps its configuration: {why}"),
        )
    };
    let text = fs::read_to_string(path)
        .map_err(|error| refused(format!("cannot read {}: {error}", path.display())))?;
    let file: toml::Table =
        toml::from_str(&text).map_err(|error| refused(format!("{}: {error}", path.display())))?;
    let state = file
        .get("gateway")
        .and_then(|gateway| gateway.get("state")?.as_str());
    let state =
        state.ok_or_else(|| refused(format!("{} names no `state` folder", path.display())))?;
    Ok(folder_of(path).join(state))
}

/// What relative paths in the file count from.
fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Every mistake with its place: `postern.toml:12:5: …`.
pub(crate) fn mistakes(path: &Path, text: &str, errors: &[ConfigError]) -> CommandError {
    let mut lines = Vec::new();
    for error in errors {
        let place = match error.line_and_column(text) {
            Some((line, column)) => format!("{}:{line}:{column}", path.display()),
            None => path.display().to_string(),
        };
        let hint = error
            .hint
            .as_ref()
            .map(|hint| format!("\n    {hint}"))
            .unwrap_or_default();
        lines.push(format!("{place}: {}{hint}", error.message));
    }
    CommandError::new(Kind::Policy, lines.join("\n"))
}
