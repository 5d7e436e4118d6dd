//! Revoking: the CRLs in one file, and the command that makes the target read it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use postern_ca::files::{self, Access};
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use time::OffsetDateTime;
use tokio::process::Command;
use tokio::time::timeout;

use super::pki::{Authority, ENCODED, SuitePki};
use super::verdict::NotRun;

/// Writes the CRL file and runs the reload command.
#[derive(Debug)]
pub(crate) struct Revoker {
    file: PathBuf,
    command: String,
    number: u64,
}

/// What the two CRLs are to say; each says all of it anew.
#[derive(Debug, Clone)]
pub(crate) struct Lists {
    /// Serials on the list of the intermediate, with their reasons.
    pub(crate) by_intermediate: Vec<(Vec<u8>, RevocationReason)>,
    /// Serials on the list of the root.
    pub(crate) by_root: Vec<(Vec<u8>, RevocationReason)>,
    /// How long the list of the intermediate is good.
    pub(crate) life: Duration,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            by_intermediate: Vec::new(),
            by_root: Vec::new(),
            life: WEEK,
        }
    }
}

impl Lists {
    /// The intermediate revokes these serials.
    pub(crate) fn of(serials: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let entry = |serial| (serial, RevocationReason::KeyCompromise);
        Self {
            by_intermediate: serials.into_iter().map(entry).collect(),
            ..Self::default()
        }
    }

    /// The root revokes the intermediate.
    pub(crate) fn of_intermediate(pki: &SuitePki) -> Self {
        let serial = pki.intermediate.certificate().serial();
        let entry = (serial.as_octets().to_vec(), RevocationReason::CaCompromise);
        Self {
            by_root: vec![entry],
            ..Self::default()
        }
    }

    /// And this one, by the intermediate.
    pub(crate) fn and(mut self, serial: &[u8]) -> Self {
        let entry = (serial.to_vec(), RevocationReason::KeyCompromise);
        self.by_intermediate.push(entry);
        self
    }

    /// Both lists as PEM, the intermediate's first.
    pub(crate) fn to_pem(&self, pki: &SuitePki, number: u64) -> String {
        let intermediate = sign(&pki.intermediate, &self.by_intermediate, self.life, number);
        let root = sign(&pki.root, &self.by_root, WEEK, number);
        intermediate + &root
    }
}

impl Revoker {
    pub(crate) fn new(file: PathBuf, command: String) -> Self {
        Self {
            file,
            command,
            number: 0,
        }
    }

    /// The next CRL number. Followers remember the highest they saw, across runs of the suite.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.number = clock_number().max(self.number + 1);
        self.number
    }

    /// Replaces the file, runs the command to its end, and gives back when it began to.
    pub(crate) async fn publish(
        &mut self,
        pki: &SuitePki,
        lists: &Lists,
    ) -> Result<Instant, NotRun> {
        let pem = lists.to_pem(pki, self.next_number());
        self.publish_pem(pem).await
    }

    /// The same with a file that is made already.
    pub(crate) async fn publish_pem(&self, pem: String) -> Result<Instant, NotRun> {
        let began = Instant::now();
        files::replace(&self.file, pem.as_bytes(), Access::Everybody).map_err(NotRun::because)?;
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(&self.command)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(LONGEST, command.output())
            .await
            .map_err(|_| NotRun::because("--reload does not end"))?
            .map_err(|error| NotRun::because(format!("--reload cannot be run: {error}")))?;
        if output.status.success() {
            return Ok(began);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it says nothing");
        let status = output.status;
        Err(NotRun::because(format!(
            "--reload failed ({status}): {last}"
        )))
    }
}

/// The first number a run uses: no run before it, on the same PKI, used as high a one.
pub(crate) fn clock_number() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default().as_millis();
    u64::try_from(since).unwrap_or(u64::MAX / 2)
}

fn sign(
    by: &Authority,
    entries: &[(Vec<u8>, RevocationReason)],
    life: Duration,
    number: u64,
) -> String {
    // Clocks differ; and a list from the future counts for nobody.
    let now = OffsetDateTime::now_utc();
    let this_update = now - time::Duration::MINUTE;
    let entry = |(serial, reason): &(Vec<u8>, RevocationReason)| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: this_update,
        reason_code: Some(*reason),
        invalidity_date: None,
    };
    let key_id = by.certificate().subject_key_id().unwrap_or_default();
    let list = CertificateRevocationListParams {
        this_update,
        next_update: now + life,
        crl_number: number.into(),
        issuing_distribution_point: None,
        revoked_certs: entries.iter().map(entry).collect(),
        key_identifier_method: KeyIdMethod::PreSpecified(key_id.to_vec()),
    };
    let list = list.signed_by(by.signer()).expect(ENCODED);
    list.pem().expect(ENCODED)
}

/// A proxy that takes longer to read a list is not tested.
const LONGEST: Duration = Duration::from_secs(120);
const WEEK: Duration = Duration::from_secs(7 * 86_400);
