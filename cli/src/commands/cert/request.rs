//! `postern cert request`

use std::path::PathBuf;

use clap::Args;
use postern_ca::files::{self, Access, FileError};
use postern_ca::{IssuableName, key};
use rcgen::{CertificateParams, DistinguishedName, DnType};
use serde_json::json;

use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::print_object;

/// Make a key and a signing request, on the client
///
/// Examples:
///   postern cert request ci-runner-1 --out .
///
/// Writes CN.key (mode 0600), which stays here, and CN.csr, which goes to the CA for `cert sign`.
/// Needs no home.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RequestArgs {
    /// The common name
    name: String,
    /// The folder that the two files go to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(context: &Context, args: &RequestArgs) -> Outcome {
    IssuableName::parse(&args.name)?;
    let key_path = args.out.join(format!("{}.key", args.name));
    let csr_path = args.out.join(format!("{}.csr", args.name));
    std::fs::create_dir_all(&args.out).map_err(|source| FileError::Io {
        what: "create",
        path: args.out.clone(),
        source,
    })?;
    if csr_path.symlink_metadata().is_ok() {
        return Err(FileError::Exists(csr_path).into());
    }
    let key = key::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, args.name.as_str());
    let csr = params
        .serialize_request(&key)
        .and_then(|csr| csr.pem())
        .map_err(|error| {
            CommandError::new(
                Kind::Failure,
                format!("the request could not be signed: {error}"),
            )
        })?;
    files::write_new(
        &key_path,
        key::to_pem(&key, None)?.as_bytes(),
        Access::Owner,
    )?;
    files::write_new(&csr_path, csr.as_bytes(), Access::Everybody)
        .inspect_err(|_| drop(std::fs::remove_file(&key_path)))?;
    print_object(
        context.format,
        "postern.request/1",
        &[
            ("key", key_path.display().to_string()),
            ("csr", csr_path.display().to_string()),
        ],
        json!({ "key": key_path, "csr": csr_path }),
    )?;
    DONE
}
