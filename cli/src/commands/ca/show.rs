//! `postern ca show`

use clap::Args;
use serde_json::json;

use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::output::{Listing, Row};
use crate::time;

/// Show the issuers and how old their CRLs are
///
/// Examples:
///   postern ca show
///   postern ca show -o json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ShowArgs {}

pub(crate) fn run(context: &Context, _: &ShowArgs) -> Outcome {
    let authority = context.authority()?;
    let now = time::now();
    let mut rows = Vec::new();
    for issuer in authority.store().issuers()? {
        let crl = authority.store().crl(&issuer)?;
        let certificate = &issuer.certificate;
        rows.push(Row {
            cells: vec![
                issuer.role.as_str().to_owned(),
                certificate.subject(),
                time::rfc3339(certificate.not_after()),
                crl.as_ref()
                    .map_or_else(String::new, |crl| crl.number.to_string()),
                crl.as_ref()
                    .map_or_else(String::new, |crl| time::relative(crl.next_update, now)),
                certificate.fingerprint().to_string(),
            ],
            json: json!({
                "role": issuer.role.as_str(),
                "subject": certificate.subject(),
                "serial": certificate.serial(),
                "not_before": time::rfc3339(certificate.not_before()),
                "not_after": time::rfc3339(certificate.not_after()),
                "fingerprint": certificate.fingerprint(),
                "issuer_id": issuer.issuer_id().to_string(),
                "crl_number": crl.as_ref().map(|crl| crl.number),
                "crl_next_update": crl.as_ref().map(|crl| time::rfc3339(crl.next_update)),
            }),
        });
    }
    let columns = &["ROLE", "SUBJECT", "NOT AFTER", "CRL", "NEXT CRL", "SHA-256"];
    Listing {
        schema: "postern.issuers/1",
        columns,
        rows,
    }
    .print(context.format)?;
    DONE
}
