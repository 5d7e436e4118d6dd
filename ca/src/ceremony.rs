//! `ca init`: a root in a folder that leaves the machine, and a home with its intermediates.

use std::fs;
use std::path::{Path, PathBuf};

use postern_pki::Certificate;
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};

use crate::actor::Actor;
use crate::error::CaError;
use crate::files::{self, Access, FileError};
use crate::home::Home;
use crate::issuance::{self, certificate_pem};
use crate::issuer::Issuer;
use crate::key::{self, Passphrase};
use crate::store::{IssuerRole, Store};
use crate::{crl, journal, publish, publisher};

const YEAR: u64 = 365 * 86_400;
const ROOT_LIFETIME: u64 = 20 * YEAR;
const INTERMEDIATE_LIFETIME: u64 = 10 * YEAR;
const BACKDATE: u64 = 60;

/// What `ca init` is told.
pub struct Ceremony<'a> {
    /// The organization, such as `Example Corp`; names the three certificates.
    pub name: &'a str,
    /// Where the root goes; it must then leave the machine.
    pub root_dir: &'a Path,
    /// Where the home is made.
    pub home: &'a Path,
    /// What protects the root's key.
    pub root_passphrase: Option<&'a Passphrase>,
    /// What protects the intermediates' keys.
    pub passphrase: Option<&'a Passphrase>,
    /// Who does it.
    pub actor: &'a Actor,
    /// When.
    pub now: u64,
}

/// What `ca init` made.
#[derive(Debug, Clone)]
pub struct Inaugurated {
    /// The root's certificate file, inside the root's folder.
    pub root_certificate: PathBuf,
    /// The root's key file, inside the root's folder.
    pub root_key: PathBuf,
    /// SHA-256 of the root's certificate.
    pub root_fingerprint: postern_policy::Fingerprint,
    /// The home.
    pub home: PathBuf,
}

impl Ceremony<'_> {
    /// Makes all of it. The home appears whole, as the last step, or not at all.
    ///
    /// # Errors
    /// When something is there already, or cannot be written; then what was begun is removed.
    pub fn perform(&self) -> Result<Inaugurated, CaError> {
        self.refuse_bad_places()?;
        let partial = Partial::make(self.home)?;
        let home = Home::at(&partial.path);
        let store = Store::create(&home.database())?;
        let root = self.root(&store)?;
        let made = self.write_root(&root)?;
        let fingerprint = root.certificate().fingerprint();
        self.fill(&home, store, root)
            .inspect_err(|_| made.remove())?;
        // The database was closed by `fill`; nothing holds the folder open.
        partial
            .become_home(self.home)
            .inspect_err(|_| made.remove())?;
        Ok(Inaugurated {
            root_certificate: made.certificate,
            root_key: made.key,
            root_fingerprint: fingerprint,
            home: self.home.to_path_buf(),
        })
    }

    fn refuse_bad_places(&self) -> Result<(), CaError> {
        if fs::read_dir(self.home).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(FileError::Exists(self.home.to_path_buf()).into());
        }
        let same = self
            .root_passphrase
            .zip(self.passphrase)
            .is_some_and(|(one, two)| one.is_same_as(two));
        if same {
            return Err(CaError::SamePassphrase);
        }
        let absolute =
            |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        if absolute(self.root_dir).starts_with(absolute(self.home)) {
            return Err(CaError::RootInsideHome(self.root_dir.to_path_buf()));
        }
        files::create_folder(self.root_dir, Access::Owner)?;
        [ROOT_CERTIFICATE, ROOT_KEY]
            .map(|name| self.root_dir.join(name))
            .into_iter()
            .find(|path| path.symlink_metadata().is_ok())
            .map_or(Ok(()), |path| Err(FileError::Exists(path).into()))
    }

    fn root(&self, store: &Store) -> Result<Issuer, CaError> {
        let key = key::generate()?;
        let validity = (self.now.saturating_sub(BACKDATE), self.now + ROOT_LIFETIME);
        let name = format!("{} Root CA", self.name);
        let params = issuance::ca_params(self.name, &name, None, validity)?;
        let certificate = params.self_signed(&key).map_err(sign_error(&name))?;
        let certificate = Certificate::from_der(certificate.der())?;
        let record = store.add_issuer(IssuerRole::Root, certificate)?;
        Ok(Issuer::load(record, key, self.now)?)
    }

    fn fill(&self, home: &Home, store: Store, root: Issuer) -> Result<(), CaError> {
        write_certificate(
            &home.issuer_certificate(IssuerRole::Root),
            root.certificate(),
        )?;
        let client = self.intermediate(home, &store, &root, IssuerRole::Client)?;
        let server = self.intermediate(home, &store, &root, IssuerRole::Server)?;
        publisher::renew(home, &store, &client, self.actor, self.now)?;
        let now = self.now;
        store.write(move |connection| {
            crl::next(connection, &root, crl::ROOT_LIFETIME, now)?;
            crl::next(connection, &client, crl::LIFETIME, now)?;
            crl::next(connection, &server, crl::LIFETIME, now)?;
            journal::checkpoint(connection, &client, now)
        })?;
        publish::publish(home, &store)?;
        Ok(())
    }

    /// Path length 0: it signs leaves and no further issuers.
    fn intermediate(
        &self,
        home: &Home,
        store: &Store,
        root: &Issuer,
        role: IssuerRole,
    ) -> Result<Issuer, CaError> {
        let key = key::generate()?;
        let (path, what) = match role {
            IssuerRole::Server => (home.server_issuer_key(), "Server CA"),
            IssuerRole::Client | IssuerRole::Root => (home.client_issuer_key(), "Client CA"),
        };
        let end = (self.now + INTERMEDIATE_LIFETIME).min(root.certificate().not_after());
        let validity = (self.now.saturating_sub(BACKDATE), end);
        let name = format!("{} {what}", self.name);
        let mut params = issuance::ca_params(self.name, &name, Some(0), validity)?;
        if role == IssuerRole::Server {
            // So that no verifier takes a leaf under it for a client.
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        let signed = params
            .signed_by(&key, root.signer())
            .map_err(sign_error(&name))?;
        let certificate = Certificate::from_der(signed.der())?;
        write_key(&path, &key, self.passphrase)?;
        write_certificate(&home.issuer_certificate(role), &certificate)?;
        let record = store.add_issuer(role, certificate)?;
        Ok(Issuer::load(record, key, self.now)?)
    }

    fn write_root(&self, root: &Issuer) -> Result<RootFiles, CaError> {
        let files = RootFiles {
            certificate: self.root_dir.join(ROOT_CERTIFICATE),
            key: self.root_dir.join(ROOT_KEY),
        };
        write_key(&files.key, root.key(), self.root_passphrase)?;
        write_certificate(&files.certificate, root.certificate())
            .inspect_err(|_| files.remove())?;
        Ok(files)
    }
}

const ROOT_CERTIFICATE: &str = "root.crt";
const ROOT_KEY: &str = "root.key";

struct RootFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl RootFiles {
    fn remove(&self) {
        drop(fs::remove_file(&self.key));
        drop(fs::remove_file(&self.certificate));
    }
}

/// A home in the making, beside where it will be; removed unless it becomes one.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn make(home: &Path) -> Result<Self, CaError> {
        let name = home
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("home");
        let folder = home
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
        let serial = issuance::random_serial()?;
        let path = folder.join(format!(".{name}.{serial}.partial"));
        let partial = Self { path };
        let public = Home::at(&partial.path).public();
        files::create_folder(&partial.path, Access::Everybody)?;
        files::create_folder(&public, Access::Everybody)?;
        for folder in [
            postern_pki::journal::JOURNAL_DIR,
            postern_pki::journal::CRL_DIR,
        ] {
            files::create_folder(&public.join(folder), Access::Everybody)?;
        }
        Ok(partial)
    }

    fn become_home(self, home: &Path) -> Result<(), FileError> {
        fs::rename(&self.path, home).map_err(FileError::io("create", home))?;
        files::sync_dir(home)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.path));
    }
}

fn sign_error(name: &str) -> impl FnOnce(rcgen::Error) -> CaError {
    let name = name.to_owned();
    move |error| issuance::IssuanceError::Sign(name, error).into()
}

pub(crate) fn write_key(
    path: &Path,
    key: &KeyPair,
    passphrase: Option<&Passphrase>,
) -> Result<(), CaError> {
    Ok(files::write_new(
        path,
        key::to_pem(key, passphrase)?.as_bytes(),
        Access::Owner,
    )?)
}

fn write_certificate(path: &Path, certificate: &Certificate) -> Result<(), FileError> {
    files::write_new(
        path,
        certificate_pem(certificate).as_bytes(),
        Access::Everybody,
    )
}
