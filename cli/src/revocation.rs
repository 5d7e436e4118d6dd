//! What `cert revoke` and `device revoke` have in common: how it is asked for, and who is told.

use std::collections::BTreeSet;

use clap::Args;
use postern_ca::{CertificateAuthority, EdgeChange};
use postern_pki::RevocationReason;

use crate::cloudflare::CloudflareArgs;
use crate::cloudflare::closing::{change, close, finish_pending};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::tell;
use crate::passphrase::PassphraseArgs;
use crate::time;

/// How a revocation is asked for.
#[derive(Debug, Args)]
pub(crate) struct RevocationArgs {
    /// Why, as RFC 5280 section 5.3.1 names it
    #[arg(long, value_name = "REASON", default_value = "unspecified", value_parser = reason)]
    pub(crate) reason: RevocationReason,
    /// Why, in your own words; kept in the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Only show what would be revoked
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave Cloudflare alone; `cloudflare apply` and `sync` bring it there later
    #[arg(long)]
    pub(crate) no_edge: bool,
    #[command(flatten)]
    pub(crate) cloudflare: CloudflareArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl RevocationArgs {
    /// What is to be recorded with the revocation of these names: what the edge must be told.
    pub(crate) fn edge_change(
        &self,
        authority: &CertificateAuthority,
        names: &BTreeSet<String>,
    ) -> Option<EdgeChange> {
        match self.no_edge {
            true => None,
            false => change(authority, &self.cloudflare, names),
        }
    }

    /// After certificates of these names were revoked: the CRL, and the edge. Where none was, what
    /// an earlier revocation left open at the edge is finished.
    pub(crate) fn spread(
        &self,
        context: &Context,
        authority: &CertificateAuthority,
        names: &BTreeSet<String>,
    ) -> Result<(), CommandError> {
        if names.is_empty() {
            return match self.no_edge {
                true => Ok(()),
                false => finish_pending(context, authority, &self.cloudflare),
            };
        }
        let listed = publish_crl(authority, &self.passphrase).map_err(|error| {
            CommandError::new(Kind::Partial, format!("{NOT_LISTED}: {}", error.message()))
                .hint("`postern ca crl publish` makes the list")
        });
        // Both are tried: neither may keep the other from happening.
        let closed = match self.no_edge {
            true => Ok(()),
            false => close(context, authority, &self.cloudflare, names),
        };
        listed.and(closed)
    }
}

/// Gateways know by now; this is for those who only read CRLs.
fn publish_crl(
    authority: &CertificateAuthority,
    args: &PassphraseArgs,
) -> Result<(), CommandError> {
    let now = time::now();
    let passphrase = args.without_asking()?;
    if passphrase.is_none() && authority.needs_passphrase()? {
        tell(&format!(
            "{NOT_LISTED}: `postern ca crl publish` needs the passphrase."
        ));
        return Ok(());
    }
    let published = authority
        .unlock(passphrase.as_ref(), now)?
        .publish_crls(now)?;
    for made in published.iter().take(1) {
        tell(&format!(
            "CRL number {} of the {} intermediate lists it.",
            made.crl.number,
            made.issuer.as_str()
        ));
    }
    Ok(())
}

const NOT_LISTED: &str =
    "Followers of the journal refuse it from now on. The CRL does not list it yet";

fn reason(text: &str) -> Result<RevocationReason, String> {
    text.parse::<RevocationReason>()
        .map_err(|error| error.to_string())
}
