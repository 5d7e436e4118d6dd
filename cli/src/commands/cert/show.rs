//! `postern cert show`, and how a certificate is written everywhere.

use clap::Args;
use postern_ca::{CertificateAuthority, CertificateRecord, IssuedCertificate, Store, StoreError};
use postern_policy::SerialNumber;
use serde_json::{Value, json};

use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::output::{Format, Listing, Row, print, print_object};
use crate::selection::Which;
use crate::time;

pub(crate) const SCHEMA: &str = "postern.certificate/1";
const COLUMNS: &[&str] = &[
    "COMMON NAME",
    "STATE",
    "NOT AFTER",
    "ENDS",
    "PROFILE",
    "OWNER",
    "SERIAL",
];

/// Show certificates with all that is recorded of them
///
/// Examples:
///   postern cert show ci-runner-1
///   postern cert show --serial 4f00…  --pem
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: Which,
    /// Write the certificates in PEM instead
    #[arg(long)]
    pem: bool,
}

pub(crate) fn run(context: &Context, args: &ShowArgs) -> Outcome {
    let authority = context.authority()?;
    let found = args.which.find(authority.store())?;
    if args.pem {
        for record in &found {
            print(&pem(&authority, record)?)?;
        }
        return DONE;
    }
    let now = time::now();
    match (found.as_slice(), context.format) {
        ([one], Format::Table) => print_one(context, &authority, one, now)?,
        _ => print_linked(context.format, authority.store(), &found, now)?,
    }
    DONE
}

/// One certificate that was just issued.
pub(crate) fn print_issued(
    context: &Context,
    authority: &CertificateAuthority,
    issued: &IssuedCertificate,
    now: u64,
) -> Result<(), CommandError> {
    let serial = issued.certificate().serial();
    let record = authority.store().certificate(&serial)?;
    print_one(context, authority, &record, now)
}

/// A table or list of certificates.
pub(crate) fn print_many(
    format: Format,
    records: Vec<CertificateRecord>,
    now: u64,
) -> Result<(), CommandError> {
    let rows = records.iter().map(|record| Row {
        cells: cells(record, now),
        json: json(record, now),
    });
    Listing {
        schema: "postern.certificates/1",
        columns: COLUMNS,
        rows: rows.collect(),
    }
    .print(format)
}

/// The same with predecessors and successors, which take two more look-ups each.
fn print_linked(
    format: Format,
    store: &Store,
    records: &[CertificateRecord],
    now: u64,
) -> Result<(), CommandError> {
    let row = |record: &CertificateRecord| {
        Ok(Row {
            cells: cells(record, now),
            json: Links::of(store, record)?.add_to(json(record, now)),
        })
    };
    Listing {
        schema: "postern.certificates/1",
        columns: COLUMNS,
        rows: records.iter().map(row).collect::<Result<_, StoreError>>()?,
    }
    .print(format)
}

/// The serial numbers of what came before a certificate and after it.
pub(crate) struct Links {
    pub(crate) predecessor: Option<SerialNumber>,
    successors: Vec<SerialNumber>,
}

impl Links {
    pub(crate) fn of(store: &Store, record: &CertificateRecord) -> Result<Self, StoreError> {
        let successors = store.successors(record)?;
        Ok(Self {
            predecessor: store.predecessor(record)?.map(|one| one.serial),
            successors: successors.iter().map(|one| one.serial).collect(),
        })
    }

    pub(crate) fn add_to(&self, mut json: Value) -> Value {
        json["predecessor"] = json!(self.predecessor);
        json["successors"] = json!(self.successors);
        json
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let before = self.predecessor.iter();
        let before = before.map(|serial| ("predecessor", serial.to_string()));
        let after = self.successors.iter();
        before.chain(after.map(|serial| ("successor", serial.to_string())))
    }
}

fn print_one(
    context: &Context,
    authority: &CertificateAuthority,
    record: &CertificateRecord,
    now: u64,
) -> Result<(), CommandError> {
    let links = Links::of(authority.store(), record)?;
    let mut fields = vec![
        ("common name", record.common_name.clone()),
        ("state", record.state_at(now).as_str().to_owned()),
        ("serial", record.serial.to_string()),
        ("not before", time::rfc3339(record.not_before)),
        (
            "not after",
            format!(
                "{} ({})",
                time::rfc3339(record.not_after),
                time::relative(record.not_after, now)
            ),
        ),
        ("profile", record.profile.clone()),
        ("owner", record.owner.clone().unwrap_or_default()),
        (
            "issued by",
            format!(
                "the {} intermediate, for {}",
                record.issuer.as_str(),
                record.requested_by
            ),
        ),
        (
            "SHA-256",
            record
                .fingerprint
                .map(|print| print.to_string())
                .unwrap_or_default(),
        ),
    ];
    if let Some(mark) = &record.revocation {
        fields.push((
            "revoked",
            format!(
                "{} ({}) by {}",
                time::rfc3339(mark.at),
                mark.reason,
                mark.by
            ),
        ));
        fields.extend(mark.note.clone().map(|note| ("note", note)));
    }
    fields.extend(links.fields());
    print_object(
        context.format,
        SCHEMA,
        &fields,
        links.add_to(json(record, now)),
    )
}

fn cells(record: &CertificateRecord, now: u64) -> Vec<String> {
    vec![
        record.common_name.clone(),
        record.state_at(now).as_str().to_owned(),
        time::rfc3339(record.not_after),
        time::relative(record.not_after, now),
        record.profile.clone(),
        record.owner.clone().unwrap_or_default(),
        record.serial.to_string(),
    ]
}

pub(crate) fn json(record: &CertificateRecord, now: u64) -> Value {
    let mark = record.revocation.as_ref();
    json!({
        "common_name": record.common_name,
        "state": record.state_at(now).as_str(),
        "serial": record.serial,
        "issuer": record.issuer.as_str(),
        "profile": record.profile,
        "owner": record.owner,
        "labels": serde_json::from_str::<Value>(&record.labels).unwrap_or_default(),
        "not_before": time::rfc3339(record.not_before),
        "not_after": time::rfc3339(record.not_after),
        "fingerprint": record.fingerprint,
        "spki_sha256": record.spki,
        "requested_at": time::rfc3339(record.requested_at),
        "requested_by": record.requested_by,
        "revoked_at": mark.map(|mark| time::rfc3339(mark.at)),
        "revocation_reason": mark.map(|mark| mark.reason),
        "revoked_by": mark.map(|mark| mark.by.clone()),
        "note": mark.and_then(|mark| mark.note.clone()),
    })
}

fn pem(
    authority: &CertificateAuthority,
    record: &CertificateRecord,
) -> Result<String, CommandError> {
    let Some(der) = authority.store().certificate_der(record)? else {
        let message = format!("{} was never signed: it is pending", record.serial);
        return Err(CommandError::new(Kind::NotFound, message));
    };
    let certificate = postern_pki::Certificate::from_der(&der)
        .map_err(|error| CommandError::new(Kind::Integrity, error))?;
    Ok(postern_ca::certificate_pem(&certificate))
}
