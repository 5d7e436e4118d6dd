//! What went wrong, its kind, and what to do: one place where library errors get an exit code.

use std::fmt::Display;
use std::io::{Write, stderr};
use std::process::ExitCode;

use postern_ca::files::FileError;
use postern_ca::{
    CaError, CsrError, IssuanceError, IssuerError, KeyError, PublishError, RequestError, StoreError,
};
use postern_cloudflare::minting::MintingError;

/// The exit code a failure has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Failure,
    Usage,
    NotFound,
    Denied,
    Conflict,
    Policy,
    Partial,
    Unreachable,
    Integrity,
    Pending,
    /// `cert verify` alone: the input could not be read.
    Unreadable,
}

impl Kind {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failure => 1,
            Self::Usage | Self::Unreadable => 2,
            Self::NotFound => 3,
            Self::Denied => 4,
            Self::Conflict => 5,
            Self::Policy => 6,
            Self::Partial => 7,
            Self::Unreachable => 8,
            Self::Integrity => 9,
            Self::Pending => 10,
        })
    }
}

/// A failed command.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) kind: Kind,
    message: String,
    hints: Vec<String>,
}

impl CommandError {
    pub(crate) fn new(kind: Kind, message: impl Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            hints: Vec::new(),
        }
    }

    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The same, where something was done already and must be gone on with.
    pub(crate) fn partly(mut self, hint: impl Display) -> Self {
        self.kind = Kind::Partial;
        self.hint(hint)
    }

    /// The same, with what it is about in front.
    pub(crate) fn about(mut self, what: impl Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// What went wrong, without the hints.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Says it on standard error; a closed one is no reason to fail differently.
    pub(crate) fn report(&self) -> ExitCode {
        let mut err = stderr().lock();
        let mut text = format!("error: {}\n", self.message);
        for hint in &self.hints {
            text.push_str(&format!("hint: {hint}\n"));
        }
        drop(err.write_all(text.as_bytes()));
        self.kind.code()
    }
}

impl From<CaError> for CommandError {
    fn from(error: CaError) -> Self {
        let kind = match &error {
            CaError::NoHome(_) => Kind::NotFound,
            CaError::NoDatabase(_) | CaError::PublisherMismatch(_) => Kind::Integrity,
            CaError::Store(error) => store_kind(error),
            CaError::Key(error) => key_kind(error),
            CaError::File(error) => file_kind(error),
            CaError::Issuer(error) => issuer_kind(error),
            CaError::Issuance(error) => issuance_kind(error),
            CaError::Publish(PublishError::StoreBehind { .. }) => Kind::Integrity,
            CaError::Publish(PublishError::Store(error)) => store_kind(error),
            CaError::Publish(PublishError::File(error)) => file_kind(error),
            CaError::SamePassphrase | CaError::RootInsideHome(_) => Kind::Usage,
            CaError::Reason(_) => Kind::Usage,
            CaError::PublisherRevoked | CaError::Certificate(_) | CaError::NoIssuer(_) => {
                Kind::Failure
            }
        };
        Self::new(kind, error)
    }
}

fn store_kind(error: &StoreError) -> Kind {
    match error {
        StoreError::Missing(_) | StoreError::NotFound(_) => Kind::NotFound,
        StoreError::Corrupt { .. }
        | StoreError::AlteredRow { .. }
        | StoreError::LostRevocation(_) => Kind::Integrity,
        StoreError::Conflict(_)
        | StoreError::NotRenewable { .. }
        | StoreError::DeviceRevoked { .. } => Kind::Conflict,
        StoreError::KeyRefused(_) => Kind::Policy,
        StoreError::Newer { .. }
        | StoreError::Engine(_)
        | StoreError::Refused(_)
        | StoreError::Stopped => Kind::Failure,
    }
}

fn key_kind(error: &KeyError) -> Kind {
    match error {
        KeyError::WrongPassphrase(_) | KeyError::LooseMode { .. } => Kind::Denied,
        KeyError::Locked(_) | KeyError::EmptyPassphrase => Kind::Usage,
        KeyError::File(error) => file_kind(error),
        KeyError::Unreadable { .. } | KeyError::Encrypt(_) => Kind::Failure,
    }
}

fn file_kind(error: &FileError) -> Kind {
    match error {
        FileError::Exists(_) => Kind::Conflict,
        FileError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Kind::NotFound
        }
        FileError::Io { .. } => Kind::Failure,
    }
}

fn issuer_kind(error: &IssuerError) -> Kind {
    match error {
        IssuerError::Key(error) => key_kind(error),
        IssuerError::File(error) => file_kind(error),
        IssuerError::KeyMismatch(_)
        | IssuerError::Unfit { .. }
        | IssuerError::OutsideValidity { .. }
        | IssuerError::Unusable { .. } => Kind::Failure,
    }
}

fn issuance_kind(error: &IssuanceError) -> Kind {
    match error {
        IssuanceError::Request(error) => request_kind(error),
        IssuanceError::Store(error) => store_kind(error),
        IssuanceError::NoRandomness | IssuanceError::Sign(..) => Kind::Failure,
        IssuanceError::SelfCheck { .. } => Kind::Integrity,
    }
}

/// What the profile forbids is a policy violation; what is no name, key or request at all is
/// wrong usage.
fn request_kind(error: &RequestError) -> Kind {
    match error {
        RequestError::NotIssuable { .. }
        | RequestError::NameNotPermitted { .. }
        | RequestError::Key(_)
        | RequestError::RsaExponent(_)
        | RequestError::AltNameForClient(_)
        | RequestError::NotForDevices(_)
        | RequestError::Csr(CsrError::ProofOfPossession(_)) => Kind::Policy,
        RequestError::UnknownProfile { .. } => Kind::NotFound,
        RequestError::CommonName(_)
        | RequestError::ServerWithoutAltName
        | RequestError::BadAltName(_)
        | RequestError::Csr(_) => Kind::Usage,
    }
}

impl From<RequestError> for CommandError {
    fn from(error: RequestError) -> Self {
        Self::new(request_kind(&error), error)
    }
}

impl From<CsrError> for CommandError {
    fn from(error: CsrError) -> Self {
        RequestError::from(error).into()
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::new(store_kind(&error), error)
    }
}

impl From<MintingError> for CommandError {
    fn from(error: MintingError) -> Self {
        match error {
            MintingError::Api(error) => error.into(),
            error @ MintingError::NoSuchApp { .. } => Self::new(Kind::NotFound, error)
                .hint("name its host as it stands at Cloudflare, or its id"),
            error @ MintingError::AmbiguousApp { .. } => Self::new(Kind::Usage, error),
        }
    }
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> Self {
        Self::new(file_kind(&error), error)
    }
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        Self::new(key_kind(&error), error)
    }
}
