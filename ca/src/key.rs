//! Private keys at rest: PKCS#8 in PEM, encrypted unless the operator said otherwise.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};
use rcgen::KeyPair;
use rustls_pki_types::PrivatePkcs8KeyDer;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// OpenSSL 3.0 refuses scrypt above this cost (its 32 MiB limit); operators read our keys with it.
const SCRYPT_LOG_N: u8 = 14;
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PLAIN: &str = "PRIVATE KEY";

/// What unlocks a private key.
pub struct Passphrase(SecretString);

impl Passphrase {
    /// Takes the passphrase; a trailing newline, as files have it, is not part of it.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn new(text: SecretString) -> Result<Self, KeyError> {
        let exposed = text.expose_secret();
        let trimmed = exposed.strip_suffix('\n').unwrap_or(exposed);
        let trimmed = trimmed.strip_suffix('\r').unwrap_or(trimmed);
        if trimmed.is_empty() {
            return Err(KeyError::EmptyPassphrase);
        }
        Ok(Self(SecretString::from(trimmed)))
    }

    /// Whether both are the same text.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Why a key could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Anybody else may read it.
    #[error("{path} may be read by others (mode {mode:04o}): run `chmod 600 {path}`")]
    LooseMode {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not a PKCS#8 key in PEM.
    #[error(
        "{path} holds no private key that Postern can use ({reason}): it must be PKCS#8 in PEM"
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The key is encrypted and no passphrase was given.
    #[error("{0} is encrypted: give --passphrase-file, or set POSTERN_PASSPHRASE_FILE")]
    Locked(PathBuf),
    /// The passphrase does not open it.
    #[error("the passphrase does not open {0}")]
    WrongPassphrase(PathBuf),
    /// A passphrase without a character.
    #[error("the passphrase is empty: write one, or use --no-passphrase for development")]
    EmptyPassphrase,
    /// The key could not be encoded or encrypted.
    #[error("the private key could not be encrypted: {0}")]
    Encrypt(String),
}

/// Makes a new P-256 key.
///
/// # Errors
/// When the system has no randomness.
pub fn generate() -> Result<KeyPair, KeyError> {
    KeyPair::generate().map_err(|error| KeyError::Encrypt(error.to_string()))
}

/// The key as PEM, encrypted where there is a passphrase.
///
/// # Errors
/// When it cannot be encrypted.
pub fn to_pem(
    key: &KeyPair,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, KeyError> {
    let failed = |error: String| KeyError::Encrypt(error);
    let Some(passphrase) = passphrase else {
        return Ok(Zeroizing::new(key.serialize_pem()));
    };
    let der = Zeroizing::new(key.serialize_der());
    let info =
        PrivateKeyInfo::try_from(der.as_slice()).map_err(|error| failed(error.to_string()))?;
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rand::fill(&mut salt)
        .and_then(|()| rand::fill(&mut iv))
        .map_err(|_| failed("no randomness".into()))?;
    let cost = pkcs8::pkcs5::scrypt::Params::new(SCRYPT_LOG_N, 8, 1, 32)
        .map_err(|error| failed(error.to_string()))?;
    let parameters = Parameters::scrypt_aes256cbc(cost, &salt, &iv)
        .map_err(|error| failed(error.to_string()))?;
    let encrypted = info
        .encrypt_with_params(parameters, passphrase.bytes())
        .map_err(|error| failed(error.to_string()))?;
    encrypted
        .to_pem(ENCRYPTED, LineEnding::LF)
        .map_err(|error| failed(error.to_string()))
}

/// Whether the key in `path` needs a passphrase.
///
/// # Errors
/// When the file cannot be read.
pub fn is_encrypted(path: &Path) -> Result<bool, KeyError> {
    let text = Zeroizing::new(files::read(path)?);
    Ok(text
        .windows(ENCRYPTED.len())
        .any(|window| window == ENCRYPTED.as_bytes()))
}

/// Reads the key in `path`.
///
/// # Errors
/// When others may read the file, the passphrase is wrong or missing, or it holds no such key.
pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<KeyPair, KeyError> {
    refuse_loose_mode(path)?;
    let text = Zeroizing::new(files::read(path)?);
    let unreadable = |reason: String| KeyError::Unreadable {
        path: path.to_path_buf(),
        reason,
    };
    let block = pem::parse(text.as_slice()).map_err(|error| unreadable(error.to_string()))?;
    let contents = Zeroizing::new(block.contents().to_vec());
    let der = match block.tag() {
        PLAIN => contents,
        ENCRYPTED => {
            let passphrase = passphrase.ok_or_else(|| KeyError::Locked(path.to_path_buf()))?;
            let info = EncryptedPrivateKeyInfo::try_from(contents.as_slice())
                .map_err(|error| unreadable(error.to_string()))?;
            let document = info
                .decrypt(passphrase.bytes())
                .map_err(|_| KeyError::WrongPassphrase(path.to_path_buf()))?;
            Zeroizing::new(document.as_bytes().to_vec())
        }
        other => return Err(unreadable(format!("it is a {other}"))),
    };
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(der.as_slice()))
        .map_err(|error| unreadable(error.to_string()))
}

fn refuse_loose_mode(path: &Path) -> Result<(), KeyError> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).map_err(FileError::io("read", path))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyError::LooseMode {
            path: path.to_path_buf(),
            mode,
        })
    }
}
