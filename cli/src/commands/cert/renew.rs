//! `postern cert renew`

use std::path::{Path, PathBuf};

use clap::Args;
use postern_ca::{CertifiableKey, CertificateAuthority, CertificateRecord, VerifiedCsr, files};
use postern_policy::SerialNumber;

use super::{delivery, show};
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::passphrase::PassphraseArgs;
use crate::selection::Which;
use crate::time;

/// Issue the successor of a certificate: the same name, profile and owner, and a new key
///
/// Examples:
///   postern cert renew ci-runner-1 --out renewed
///   postern cert renew device-7.factory.corp --csr device-7.csr --out renewed
///   postern cert revoke --superseded ci-runner-1 --after 24h
///
/// A name means the certificate of that name that ends last. Writes CN.key (mode 0600) and CN.crt
/// as `cert issue` does, never over files that exist; with --csr the client made its key itself,
/// and only CN.crt is written. The predecessor stays good: revoke it when the successor is in use.
/// A certificate that is revoked or on hold has no successor.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    predecessor: Predecessor,
    /// The signing request whose key is certified, PEM or DER
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// The folder that the files go to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Which certificate is renewed.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Predecessor {
    /// The common name
    name: Option<String>,
    /// The one with this serial number, in hexadecimal
    #[arg(long, value_name = "SERIAL")]
    serial: Option<SerialNumber>,
    /// The one in this file
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: &RenewArgs) -> Outcome {
    let authority = context.issuing_authority()?;
    let now = time::now();
    let predecessor = args.predecessor.find(&authority, now)?;
    let (serial, name) = (predecessor.serial, predecessor.common_name.as_str());
    let csr_key = args
        .csr
        .as_deref()
        .map(|path| key_of(path, name))
        .transpose()?;
    let passphrase = args.passphrase.unlocking(&authority)?;
    let unlocked = authority.unlock(passphrase.as_ref(), now)?;
    let renew = |key: CertifiableKey| Ok(unlocked.renew(serial, key, now)?);
    let issued = match csr_key {
        None => delivery::with_new_key(&args.out, name, renew)?,
        Some(key) => {
            let place = delivery::free_place(&args.out, &format!("{name}.crt"))?;
            let issued = renew(key)?;
            delivery::write(&place, &issued)?;
            issued
        }
    };
    show::print_issued(context, &authority, &issued, now)?;
    let folder = args.out.display();
    match args.csr {
        None => tell(&format!(
            "Wrote {folder}/{name}.key and {folder}/{name}.crt."
        )),
        Some(_) => tell(&format!("Wrote {folder}/{name}.crt.")),
    }
    tell(&format!("{serial} stays good until it ends or is revoked."));
    DONE
}

impl Predecessor {
    fn find(
        &self,
        authority: &CertificateAuthority,
        now: u64,
    ) -> Result<CertificateRecord, CommandError> {
        if let Some(name) = &self.name {
            return Ok(authority.renewable(name, now)?);
        }
        let which = Which {
            name: None,
            serial: self.serial,
            cert: self.cert.clone(),
            key: None,
        };
        let found = which.find(authority.store())?;
        let missing =
            || CommandError::new(Kind::NotFound, format!("there is no certificate {which}"));
        found.into_iter().next().ok_or_else(missing)
    }
}

/// The key of a signing request, which must not be another client's.
fn key_of(path: &Path, name: &str) -> Result<CertifiableKey, CommandError> {
    let csr = VerifiedCsr::parse(&files::read(path)?)?;
    match csr.common_name() {
        Ok(other) if other != name => Err(CommandError::new(
            Kind::Conflict,
            format!(
                "{} is a request of {other:?}, and {name:?} is renewed",
                path.display()
            ),
        )),
        // The name comes from the predecessor: a request without one will do.
        Ok(_) | Err(_) => Ok(CertifiableKey::from_spki(csr.spki_der())?),
    }
}
