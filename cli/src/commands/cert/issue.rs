//! `postern cert issue`

use std::path::{Path, PathBuf};

use clap::Args;
use postern_ca::{
    CertificateAuthority, IssuableName, IssuanceRequest, IssuedCertificate, SubjectAltName,
    Unlocked,
};

use super::{delivery, show};
use crate::commands::{DONE, Outcome, owner};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::tell;
use crate::passphrase::PassphraseArgs;
use crate::time;

/// Make a key and a certificate
///
/// Examples:
///   postern cert issue ci-runner-1 --out .
///   postern cert issue device-7.factory.corp --profile device --owner plant-2 --out devices
///   postern cert issue gw.example.com --profile server --san gw.example.com --out .
///
/// Writes CN.key (mode 0600) and CN.crt (the certificate, then its intermediate: what
/// `curl --cert` and a TLS server need); never over files that exist. Where the client can make
/// its key itself, `cert request` there and `cert sign` here are better: the key never travels.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct IssueArgs {
    /// The common name
    name: String,
    /// What kind of certificate; without it, the one that the device was imported with, or service
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Who answers for it; without it, who answers for the device
    #[arg(long, value_name = "OWNER", value_parser = owner)]
    owner: Option<String>,
    /// A DNS name or address of a server; may be repeated
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
    /// The folder that the two files go to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// A certificate and key to be made.
pub(crate) struct NewCertificate<'a> {
    pub(crate) name: &'a str,
    pub(crate) profile: &'a str,
    pub(crate) owner: Option<&'a str>,
    pub(crate) san: &'a [String],
    pub(crate) out: &'a Path,
}

pub(crate) fn run(context: &Context, args: &IssueArgs) -> Outcome {
    let authority = context.issuing_authority()?;
    let passphrase = args.passphrase.unlocking(&authority)?;
    let now = time::now();
    let unlocked = authority.unlock(passphrase.as_ref(), now)?;
    let profile = profile(&authority, args.profile.as_deref(), &args.name)?;
    let new = NewCertificate {
        name: &args.name,
        profile: &profile,
        owner: args.owner.as_deref(),
        san: &args.san,
        out: &args.out,
    };
    let issued = issue(&unlocked, &new, now)?;
    show::print_issued(context, &authority, &issued, now)?;
    let (folder, name) = (args.out.display(), &args.name);
    tell(&format!(
        "Wrote {folder}/{name}.key and {folder}/{name}.crt."
    ));
    DONE
}

/// The profile that was named, or that of the name's device.
pub(super) fn profile(
    authority: &CertificateAuthority,
    named: Option<&str>,
    name: &str,
) -> Result<String, CommandError> {
    match named {
        Some(named) => Ok(named.to_owned()),
        None => Ok(authority.profile_of(name)?),
    }
}

/// Makes key and certificate, and writes both or neither.
pub(crate) fn issue(
    unlocked: &Unlocked<'_>,
    new: &NewCertificate<'_>,
    now: u64,
) -> Result<IssuedCertificate, CommandError> {
    let common_name = IssuableName::parse(new.name)?;
    let alt_names = new.san.iter().map(|san| SubjectAltName::parse(san));
    let alt_names = alt_names.collect::<Result<_, _>>()?;
    delivery::with_new_key(new.out, new.name, |key| {
        let request = IssuanceRequest {
            common_name,
            key,
            profile: new.profile.to_owned(),
            alt_names,
            owner: new.owner.map(str::to_owned),
            predecessor: None,
        };
        Ok(unlocked.issue(&request, now)?)
    })
}
