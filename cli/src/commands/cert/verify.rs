//! `postern cert verify`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use postern_pki::{
    Certificate, LeafProfile, PathVerifier, PemError, Rejection, RevocationIndex, TrustAnchors,
    VerifiedPath, WhenStale, certificate_ders_from_pem, certificates_from_pem,
    crls_from_pem_or_der,
};
use rustls_pki_types::UnixTime;
use serde_json::json;

use crate::commands::Outcome;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{print_object, tell};
use crate::time;

/// Check a certificate chain as the gateway's handshake does
///
/// Examples:
///   postern cert verify --trust root.crt --chain client.crt
///   postern cert verify --trust root.crt --chain client.crt --crl intermediate.crl --crl root.crl
///   postern cert verify --trust root.crt --chain client.crt --at 2030-01-31T12:00:00Z -o json
///
/// Exit codes: 0 accepted, 1 rejected with a stable reason code, 2 something could not be read.
/// With --crl, every certificate below the anchor must be covered by a CRL; without, revocation
/// is not looked at.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct VerifyArgs {
    /// The trust anchors, PEM
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// The chain as a client sends it, PEM, the leaf first
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// The time to check at, RFC 3339 or Unix seconds; now by default
    #[arg(long, value_name = "TIME", value_parser = parse_at)]
    at: Option<u64>,
    /// A CRL, PEM or DER; may be repeated
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
    /// What is asked of the leaf
    #[arg(long, value_enum, value_name = "PROFILE", default_value = "strict")]
    profile: Profile,
    /// At most this many intermediates
    #[arg(long, value_name = "N")]
    max_depth: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Profile {
    /// As the gateway: clientAuth present, digitalSignature, no CA, one common name at most
    Strict,
    /// What RFC 5280 asks for
    Rfc5280,
}

pub(crate) fn run(context: &Context, args: &VerifyArgs) -> Outcome {
    let now = UnixTime::since_unix_epoch(Duration::from_secs(args.at.unwrap_or_else(time::now)));
    match judge(args, now)? {
        Ok(path) => {
            accepted(context, &path)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(rejection) => {
            print_object(
                context.format,
                "postern.verification/1",
                &[
                    ("verdict", String::from("reject")),
                    ("reason", rejection.code().to_owned()),
                    ("because", rejection.to_string()),
                ],
                json!({ "verdict": "reject", "reason": rejection.code(), "message": rejection.to_string() }),
            )?;
            Ok(ExitCode::from(1))
        }
    }
}

fn accepted(context: &Context, path: &VerifiedPath) -> Result<(), CommandError> {
    let identity = path.identity();
    let name = identity.common_name.as_ref().map(ToString::to_string);
    let issuers: Vec<_> = path.issuers().iter().map(Certificate::subject).collect();
    print_object(
        context.format,
        "postern.verification/1",
        &[
            ("verdict", String::from("accept")),
            ("common name", name.clone().unwrap_or_default()),
            ("serial", identity.serial.to_string()),
            ("path", issuers.join(" <- ")),
            ("valid until", time::rfc3339(path.not_after())),
        ],
        json!({
            "verdict": "accept",
            "common_name": name,
            "serial": identity.serial,
            "fingerprint": identity.fingerprint,
            "issuers": issuers,
            "not_after": time::rfc3339(path.not_after()),
        }),
    )
}

fn judge(
    args: &VerifyArgs,
    now: UnixTime,
) -> Result<Result<VerifiedPath, Rejection>, CommandError> {
    let anchors = certificates_from_pem(&read(&args.trust)?).map_err(unreadable(&args.trust))?;
    let chain = certificate_ders_from_pem(&read(&args.chain)?).map_err(unreadable(&args.chain))?;
    let profile = match args.profile {
        Profile::Strict => LeafProfile::Strict,
        Profile::Rfc5280 => LeafProfile::Rfc5280,
    };
    let anchors = TrustAnchors::new(anchors).map_err(unreadable(&args.trust))?;
    let signers: Vec<Certificate> = anchors
        .certificates()
        .iter()
        .cloned()
        .chain(
            chain
                .iter()
                .filter_map(|der| Certificate::from_der(der).ok()),
        )
        .collect();
    let verifier = PathVerifier::new(anchors, Vec::new(), profile).with_max_depth(args.max_depth);
    let path = match verifier.verify(&chain, now) {
        Ok(path) => path,
        Err(rejection) => return Ok(Err(rejection)),
    };
    if args.crl.is_empty() {
        return Ok(Ok(path));
    }
    let index = index(&args.crl, &signers)?;
    Ok(index.check(&path, WhenStale::Refuse, now).map(|()| path))
}

/// A CRL that does not verify, or is of a kind that we do not support, is one that we do not
/// have: then revocation is unknown.
fn index(files: &[PathBuf], signers: &[Certificate]) -> Result<RevocationIndex, CommandError> {
    let mut index = RevocationIndex::new();
    for path in files {
        let lists = match crls_from_pem_or_der(&read(path)?) {
            Ok(lists) => lists,
            Err(PemError::Crl { source, .. }) => {
                tell(&format!("{} is left out: {source}", path.display()));
                continue;
            }
            Err(other) => return Err(unreadable(path)(other)),
        };
        for list in lists {
            match list.verify_with_any(signers) {
                Ok(crl) => index = index.with_crl(crl).map_err(unreadable(path))?,
                Err(error) => tell(&format!("{} is left out: {error}", path.display())),
            }
        }
    }
    Ok(index)
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path).map_err(unreadable(path))
}

fn unreadable<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> CommandError {
    let path = path.display().to_string();
    move |error| CommandError::new(Kind::Unreadable, format!("cannot use {path}: {error}"))
}

fn parse_at(text: &str) -> Result<u64, String> {
    time::parse_rfc3339(text)
}
