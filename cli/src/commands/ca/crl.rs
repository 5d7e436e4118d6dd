//! `postern ca crl …`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use postern_ca::files::{self, Access};
use postern_ca::{CertificateAuthority, CrlRecord, IssuerRole, crl_file_name, key};
use rcgen::KeyPair;
use serde_json::json;

use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{Format, Listing, Row};
use crate::passphrase::{self, PassphraseArgs};
use crate::time;

#[derive(Debug, Subcommand)]
pub(crate) enum CrlCommand {
    Publish(PublishArgs),
    Show(ShowArgs),
}

/// Make the next CRL of each intermediate
///
/// Examples:
///   postern ca crl publish
///   postern ca crl publish --out /srv/www/crl
///
/// The lists go to `public/crl` in the home, DER and PEM, with rising numbers; --out copies them.
/// They live 7 days. Needs the passphrase of the issuing keys; a publisher certificate past half
/// of its life is renewed on the occasion. The root's list lives a year: bring the root for its
/// successor with --root-dir, and take it away again.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PublishArgs {
    /// Copy the lists to this folder as well
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make the root's next CRL instead, with the root's key in this folder
    #[arg(long, value_name = "DIR")]
    root_dir: Option<PathBuf>,
    /// File with the passphrase of the root's key; asked for otherwise
    #[arg(long, value_name = "FILE", requires = "root_dir")]
    root_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// Show the newest CRL of each issuer
///
/// Examples:
///   postern ca crl show
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ShowArgs {}

pub(crate) fn run(context: &Context, command: CrlCommand) -> Outcome {
    match command {
        CrlCommand::Publish(args) => publish(context, &args),
        CrlCommand::Show(_) => show(context),
    }
}

fn publish(context: &Context, args: &PublishArgs) -> Outcome {
    let authority = context.authority()?;
    let passphrase = args.passphrase.unlocking(&authority)?;
    let now = time::now();
    let unlocked = authority.unlock(passphrase.as_ref(), now)?;
    let published = match &args.root_dir {
        Some(folder) => vec![unlocked.publish_root_crl(root_key(folder, args)?, now)?],
        None => unlocked.publish_crls(now)?,
    };
    let crls: Vec<_> = published
        .into_iter()
        .map(|made| (made.issuer, made.crl))
        .collect();
    if let Some(folder) = &args.out {
        copy(&authority, folder, &crls)?;
    }
    print(&crls, now, context.format)
}

/// The root's key, which is here for the moment.
fn root_key(folder: &Path, args: &PublishArgs) -> Result<KeyPair, CommandError> {
    passphrase::refuse_root_key_in_ci()?;
    let path = folder.join("root.key");
    let passphrase = match &args.root_passphrase_file {
        _ if !key::is_encrypted(&path)? => None,
        Some(file) => Some(passphrase::from_file(file)?),
        None => Some(passphrase::prompt("Passphrase of the root's key: ")?),
    };
    Ok(key::load(&path, passphrase.as_ref())?)
}

/// Copies the files that were just projected, DER and PEM.
fn copy(
    authority: &CertificateAuthority,
    folder: &Path,
    crls: &[(IssuerRole, CrlRecord)],
) -> Result<(), CommandError> {
    files::create_folder(folder, Access::Everybody)?;
    for (role, _) in crls {
        let from = authority.home().crl(*role);
        let to = folder.join(crl_file_name(*role));
        for extension in ["crl", "crl.pem"] {
            let content = files::read(&from.with_extension(extension))?;
            files::replace(&to.with_extension(extension), &content, Access::Everybody)?;
        }
    }
    Ok(())
}

fn show(context: &Context) -> Outcome {
    let authority = context.authority()?;
    let mut crls = Vec::new();
    for issuer in authority.store().issuers()? {
        if let Some(crl) = authority.store().crl(&issuer)? {
            crls.push((issuer.role, crl));
        }
    }
    print(&crls, time::now(), context.format)
}

fn print(crls: &[(IssuerRole, CrlRecord)], now: u64, format: Format) -> Outcome {
    let rows = crls.iter().map(|(role, crl)| Row {
        cells: vec![
            role.as_str().to_owned(),
            crl.number.to_string(),
            time::rfc3339(crl.this_update),
            time::rfc3339(crl.next_update),
            time::relative(crl.next_update, now),
        ],
        json: json!({
            "issuer": role.as_str(),
            "number": crl.number,
            "this_update": time::rfc3339(crl.this_update),
            "next_update": time::rfc3339(crl.next_update),
            "file": crl_file_name(*role),
        }),
    });
    let columns = &["ISSUER", "NUMBER", "THIS UPDATE", "NEXT UPDATE", "DUE"];
    Listing {
        schema: "postern.crls/1",
        columns,
        rows: rows.collect(),
    }
    .print(format)?;
    DONE
}
