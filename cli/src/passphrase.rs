//! Where passphrases come from: a file, the environment's file, a credential, a prompt. Never a
//! flag's value.

use std::env;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use postern_ca::{CertificateAuthority, Passphrase, files};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error::{CommandError, Kind};

/// The passphrase of the issuing keys.
#[derive(Debug, Clone, Args)]
pub(crate) struct PassphraseArgs {
    /// File with the passphrase of the issuing keys
    ///
    /// Without it: `$CREDENTIALS_DIRECTORY/postern-ca` where systemd gives one, or a prompt.
    #[arg(
        long,
        value_name = "FILE",
        env = "POSTERN_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase, if the authority's keys need one.
    pub(crate) fn unlocking(
        &self,
        authority: &CertificateAuthority,
    ) -> Result<Option<Passphrase>, CommandError> {
        if !authority.needs_passphrase()? {
            return Ok(None);
        }
        match self.without_asking()? {
            Some(passphrase) => Ok(Some(passphrase)),
            None => prompt("Passphrase of the issuing key: ").map(Some),
        }
    }

    /// The passphrase, if it is there without asking anybody.
    pub(crate) fn without_asking(&self) -> Result<Option<Passphrase>, CommandError> {
        if let Some(path) = &self.passphrase_file {
            return from_file(path).map(Some);
        }
        let credential = env::var_os("CREDENTIALS_DIRECTORY")
            .map(|folder| Path::new(&folder).join("postern-ca"))
            .filter(|path| path.exists());
        credential.map(|path| from_file(&path)).transpose()
    }
}

/// Reads a passphrase from a file.
pub(crate) fn from_file(path: &Path) -> Result<Passphrase, CommandError> {
    let octets = Zeroizing::new(files::read(path)?);
    let text = std::str::from_utf8(&octets)
        .map_err(|_| CommandError::usage(format!("{} is not UTF-8 text", path.display())))?;
    Ok(Passphrase::new(SecretString::from(text))?)
}

/// The root's key is never read where anybody's build script runs.
pub(crate) fn refuse_root_key_in_ci() -> Result<(), CommandError> {
    if env::var_os("CI").is_none() {
        return Ok(());
    }
    let message = "the root's key is not made or read where CI is set (a throw-away one is, with --no-passphrase)";
    Err(CommandError::new(Kind::Denied, message)
        .hint("do this on a machine that you trust with the root"))
}

/// Asks for a new passphrase twice.
pub(crate) fn prompt_new(what: &str) -> Result<Passphrase, CommandError> {
    let first = prompt(&format!("New passphrase of {what}: "))?;
    let second = prompt("The same again: ")?;
    if first.is_same_as(&second) {
        Ok(first)
    } else {
        Err(CommandError::usage(
            "the two passphrases differ; nothing was made",
        ))
    }
}

/// Asks for a passphrase.
pub(crate) fn prompt(text: &str) -> Result<Passphrase, CommandError> {
    if !stdin().is_terminal() {
        return Err(CommandError::usage(
            "a passphrase is needed, and there is no terminal to ask on",
        )
        .hint("give --passphrase-file, or set POSTERN_PASSPHRASE_FILE"));
    }
    let typed = rpassword::prompt_password(text).map_err(|error| {
        CommandError::new(
            Kind::Failure,
            format!("cannot read the passphrase: {error}"),
        )
    })?;
    Ok(Passphrase::new(SecretString::from(typed))?)
}
