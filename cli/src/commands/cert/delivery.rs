//! The files that a new certificate goes to.

use std::fs;
use std::path::{Path, PathBuf};

use postern_ca::files::{self, Access, FileError};
use postern_ca::{CertifiableKey, IssuedCertificate, key};
use rcgen::PublicKeyData as _;

use crate::error::CommandError;
use crate::output::tell;

/// Makes a key, has it certified, and writes NAME.key and NAME.crt, both or neither.
pub(super) fn with_new_key(
    folder: &Path,
    name: &str,
    certify: impl FnOnce(CertifiableKey) -> Result<IssuedCertificate, CommandError>,
) -> Result<IssuedCertificate, CommandError> {
    let key_path = free_place(folder, &format!("{name}.key"))?;
    let certificate_path = free_place(folder, &format!("{name}.crt"))?;
    let new = key::generate()?;
    let certifiable = CertifiableKey::from_spki(&new.subject_public_key_info())?;
    let forget_key = || drop(fs::remove_file(&key_path));
    // The key first: a certificate whose key could not be written would be of no use to anybody.
    let pem = key::to_pem(&new, None)?;
    files::write_new(&key_path, pem.as_bytes(), Access::Owner)?;
    let issued = certify(certifiable).inspect_err(|_| forget_key())?;
    write(&certificate_path, &issued).inspect_err(|_| forget_key())?;
    Ok(issued)
}

/// Writes a certificate and its intermediate.
pub(super) fn write(path: &Path, issued: &IssuedCertificate) -> Result<(), CommandError> {
    let written = files::write_new(path, issued.to_pem().as_bytes(), Access::Everybody);
    Ok(written.inspect_err(|_| {
        let serial = issued.certificate().serial();
        tell(&format!(
            "certificate {serial} is recorded and was not delivered: revoke it"
        ));
    })?)
}

/// Where a file can go, known before anything is signed; the folder is made.
pub(super) fn free_place(folder: &Path, file: &str) -> Result<PathBuf, CommandError> {
    fs::create_dir_all(folder).map_err(|source| FileError::Io {
        what: "create",
        path: folder.to_path_buf(),
        source,
    })?;
    let path = folder.join(file);
    if path.symlink_metadata().is_ok() {
        return Err(FileError::Exists(path).into());
    }
    Ok(path)
}
