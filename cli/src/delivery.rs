//! Where a token's secret goes: a file, a command's standard input, or the terminal.
//!
//! A destination is tested before anything is minted, so that no secret is made that has nowhere
//! to go. The secret is in memory between the mint and the delivery, and nowhere else.

mod conceal;
mod credentials;
mod file;
mod format;
mod pipe;

use std::fmt;
use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use postern_policy::TokenName;

use crate::error::CommandError;
use crate::output::print;
use crate::time;

pub(crate) use credentials::Credentials;
pub(crate) use file::Existing;
pub(crate) use format::{SecretFormat, kubernetes_name};

/// Where the secret goes, and how it is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeliveryArgs {
    /// The file that the secret goes to, readable by its owner alone
    #[arg(long, value_name = "FILE", group = "destination")]
    out: Option<PathBuf>,
    /// The command that gets the secret on its standard input, run by `sh -c`
    #[arg(long, value_name = "CMD", group = "destination")]
    pipe: Option<String>,
    /// How long the command of --pipe may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = time::parse_duration)]
    pipe_timeout: Duration,
    /// Show the secret, once; on a terminal only
    #[arg(long, group = "destination")]
    reveal: bool,
    /// How the secret is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "pair")]
    format: SecretFormat,
}

/// A place for one secret.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    place: Place,
    format: SecretFormat,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf, Existing),
    Pipe(String, Duration),
    Terminal,
}

impl DeliveryArgs {
    /// The destination, if one is named; what `existing` says holds for a file.
    pub(crate) fn destination(&self, existing: Existing) -> Option<Destination> {
        let place = match (&self.out, &self.pipe, self.reveal) {
            (Some(path), _, _) => Place::File(path.clone(), existing),
            (None, Some(command), _) => Place::Pipe(command.clone(), self.pipe_timeout),
            (None, None, true) => Place::Terminal,
            (None, None, false) => return None,
        };
        Some(Destination {
            place,
            format: self.format,
        })
    }

    /// The destination, which must be named.
    pub(crate) fn required(&self, existing: Existing) -> Result<Destination, CommandError> {
        self.destination(existing).ok_or_else(|| {
            CommandError::usage("the secret has nowhere to go, so none is made")
                .hint("give --out FILE, --pipe CMD, or --reveal on a terminal")
        })
    }

    /// Fails where the secrets of several tokens would go into one file, each over the one before.
    pub(crate) fn must_take_several(&self) -> Result<(), CommandError> {
        match &self.out {
            Some(path) if !path.is_dir() => {
                let message = format!("{} is no folder", path.display());
                Err(CommandError::usage(message)
                    .hint("several tokens need one: each secret gets the file of its name there"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Destination {
    /// A new file.
    pub(crate) fn new_file(path: PathBuf, format: SecretFormat) -> Self {
        Self {
            place: Place::File(path, Existing::Refused),
            format,
        }
    }

    /// A secret that nobody is to have: a rehearsal's.
    pub(crate) fn discarding() -> Self {
        Self {
            place: Place::Pipe(String::from("cat >/dev/null"), DISCARD_TIMEOUT),
            format: SecretFormat::Pair,
        }
    }

    /// The same for one of several tokens: in a folder, the file of its name.
    pub(crate) fn for_token(self, name: &TokenName) -> Self {
        let place = match self.place {
            Place::File(path, existing) if path.is_dir() => {
                // A name may hold `/`; a file's name may not.
                let file = name.as_str().replace(std::path::is_separator, "_");
                Place::File(path.join(file), existing)
            }
            place @ (Place::File(..) | Place::Pipe(..) | Place::Terminal) => place,
        };
        Self { place, ..self }
    }

    /// Whether a secret could be delivered now. Nothing stays behind.
    pub(crate) fn test(&self) -> Result<(), CommandError> {
        match &self.place {
            Place::File(path, existing) => file::test(path, existing),
            Place::Pipe(command, _) => pipe::test(command),
            Place::Terminal if stdout().is_terminal() => Ok(()),
            Place::Terminal => Err(CommandError::usage(
                "--reveal shows the secret on a terminal, and standard output is none",
            )
            .hint("give --out FILE or --pipe CMD")),
        }
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path, _) => Some(path),
            Place::Pipe(..) | Place::Terminal => None,
        }
    }

    /// What stands at the destination already, if that can be read back and is a token's.
    pub(crate) fn delivered(&self) -> Option<Credentials> {
        match &self.place {
            Place::File(path, _) => Credentials::read(path).ok(),
            Place::Pipe(..) | Place::Terminal => None,
        }
    }

    /// Hands the secret over; when this returns, whoever is to have it has it.
    pub(crate) fn deliver(
        &self,
        name: &TokenName,
        credentials: &Credentials,
    ) -> Result<(), CommandError> {
        let text = self.format.write(name, credentials);
        match &self.place {
            Place::File(path, existing) => file::deliver(path, &text, existing),
            Place::Pipe(command, limit) => {
                let hand_over = pipe::HandOver {
                    command,
                    limit: *limit,
                };
                hand_over.deliver(name, &text, credentials.expose())
            }
            Place::Terminal => print(&text),
        }
    }

    /// Takes back what was delivered to a new file, where that is possible.
    pub(crate) fn take_back(&self) {
        if let Place::File(path, Existing::Refused) = &self.place {
            // What cannot be removed is a secret that opens nothing.
            drop(std::fs::remove_file(path));
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path, _) => write!(f, "{}", path.display()),
            Place::Pipe(command, _) => write!(f, "the command `{command}`"),
            Place::Terminal => f.write_str("the terminal"),
        }
    }
}

/// It only reads.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(60);
