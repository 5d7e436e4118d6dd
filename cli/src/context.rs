//! What a command works on: the configuration and the home it was told to use.

use std::path::{Path, PathBuf};

use postern_ca::{Actor, CertificateAuthority, Home, Profiles};

use crate::cli::Global;
use crate::config::Config;
use crate::error::CommandError;
use crate::output::Format;

const DEFAULT_CONFIG: &str = "postern.toml";
const DEFAULT_HOME: &str = "postern-home";

pub(crate) struct Context {
    config: Option<PathBuf>,
    home: PathBuf,
    pub(crate) format: Format,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            config: global.config,
            home: global.home.unwrap_or_else(|| PathBuf::from(DEFAULT_HOME)),
            format: global.output,
        }
    }

    /// The home's folder.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The configuration's path: the one named, or `./postern.toml`.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.config
            .clone()
            .unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG))
    }

    /// The configuration, which must be there.
    pub(crate) fn config(&self) -> Result<Config, CommandError> {
        Config::load(&self.config_path())
    }

    /// The configuration, if it is there or was named.
    pub(crate) fn optional_config(&self) -> Result<Option<Config>, CommandError> {
        if self.config.is_none() && !Path::new(DEFAULT_CONFIG).exists() {
            return Ok(None);
        }
        self.config().map(Some)
    }

    /// The CA in the home. The configuration is not looked at: a mistake in it must not keep
    /// anybody from revoking.
    pub(crate) fn authority(&self) -> Result<CertificateAuthority, CommandError> {
        self.open(Profiles::built_in())
    }

    /// The CA in the home, with the profiles of the configuration: for issuing.
    pub(crate) fn issuing_authority(&self) -> Result<CertificateAuthority, CommandError> {
        let config = self.optional_config()?;
        self.open(config.map_or_else(Profiles::built_in, |config| config.profiles))
    }

    fn open(&self, profiles: Profiles) -> Result<CertificateAuthority, CommandError> {
        Ok(CertificateAuthority::open(
            Home::at(&self.home),
            profiles,
            Actor::current(),
        )?)
    }
}
