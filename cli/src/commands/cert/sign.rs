//! `postern cert sign`

use std::path::PathBuf;

use clap::Args;
use postern_ca::files::{self, FileError};
use postern_ca::{DEFAULT_PROFILE, IssuanceRequest, SubjectAltName, VerifiedCsr};

use super::issue::profile;
use super::{delivery, show};
use crate::commands::{DONE, Outcome, owner};
use crate::context::Context;
use crate::output::tell;
use crate::passphrase::PassphraseArgs;
use crate::time;

/// Sign a signing request
///
/// Examples:
///   postern cert sign ci-runner-1.csr --out ci-runner-1.crt
///   postern cert sign device.csr --cn device-7.factory.corp --profile device --out device.crt
///
/// The request gives a key and a name; whatever else it asks for is ignored, the profile decides.
/// Its signature must be by the key it holds.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SignArgs {
    /// The signing request, PEM or DER
    csr: PathBuf,
    /// The common name, in place of the request's
    #[arg(long, value_name = "NAME")]
    cn: Option<String>,
    /// What kind of certificate; without it, the one that the device was imported with, or service
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Who answers for it; without it, who answers for the device
    #[arg(long, value_name = "OWNER", value_parser = owner)]
    owner: Option<String>,
    /// A DNS name or address of a server; may be repeated
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
    /// The file that the certificate and its intermediate go to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(context: &Context, args: &SignArgs) -> Outcome {
    let authority = context.issuing_authority()?;
    let csr = VerifiedCsr::parse(&files::read(&args.csr)?)?;
    let mut request = IssuanceRequest::from_csr(&csr, args.cn.as_deref(), DEFAULT_PROFILE)?;
    let name = request.common_name.common_name().as_str();
    request.profile = profile(&authority, args.profile.as_deref(), name)?;
    request.owner.clone_from(&args.owner);
    let alt_names = args.san.iter().map(|san| SubjectAltName::parse(san));
    request.alt_names = alt_names.collect::<Result<_, _>>()?;
    if args.out.symlink_metadata().is_ok() {
        return Err(FileError::Exists(args.out.clone()).into());
    }
    let passphrase = args.passphrase.unlocking(&authority)?;
    let now = time::now();
    let issued = authority
        .unlock(passphrase.as_ref(), now)?
        .issue(&request, now)?;
    delivery::write(&args.out, &issued)?;
    show::print_issued(context, &authority, &issued, now)?;
    tell(&format!("Wrote {}.", args.out.display()));
    DONE
}
