//! What a CA publishes: issuers, CRLs and a signed journal, written by hand.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use aws_lc_rs::digest::{SHA256, digest};
use postern_fixtures::rcgen::{CustomExtension, KeyPair, SigningKey as _};
use postern_fixtures::{Issued, TestPki};
use postern_pki::journal::{
    CRL_DIR, CertificateEvent, Checkpoint, CrlHead, Entry, Event, Hash, Head, ISSUERS_FILE,
    JOURNAL_DIR, Line, PUBLISHER_EKU, PUBLISHERS_FILE, TokenEntry, segment_file_name,
    signed_message,
};
use postern_pki::{Certificate, IssuerId, RevocationReason};
use postern_policy::{SerialNumber, TokenName};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) const TOKEN_ID: &str = "ci-deploy-prod.access";
pub(crate) const TOKEN_SECRET: &str = "correct-horse-battery-staple";

/// Signs everything with the intermediate's key, which may say anything.
pub(crate) struct Publisher {
    folder: PathBuf,
    issuer: Certificate,
    key: KeyPair,
    head: Mutex<Option<Head>>,
    checkpoint: Checkpoint,
    segment: Mutex<u64>,
}

impl Publisher {
    pub(crate) fn publish(pki: &TestPki, folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join(JOURNAL_DIR)).unwrap();
        fs::create_dir_all(folder.join(CRL_DIR)).unwrap();
        let issuers = format!("{}{}", pki.root().pem(), pki.intermediate().pem());
        fs::write(folder.join(ISSUERS_FILE), issuers).unwrap();
        fs::write(folder.join(PUBLISHERS_FILE), publisher(pki).pem()).unwrap();
        let root = Certificate::from_der(pki.root().der()).unwrap();
        let issuer = Certificate::from_der(pki.intermediate().der()).unwrap();
        let (root_crl, crl) = (pki.root_crl(1, &[]), pki.crl(1, &[]));
        fs::write(folder.join(CRL_DIR).join("root.crl"), root_crl.der()).unwrap();
        fs::write(folder.join(CRL_DIR).join("intermediate.crl"), crl.der()).unwrap();
        let head = |issuer: &Certificate, der: &[u8]| CrlHead {
            issuer: IssuerId::of(issuer),
            number: 1,
            sha256: Hash::of(der),
        };
        let checkpoint = Checkpoint {
            crls: vec![head(&root, root_crl.der()), head(&issuer, crl.der())],
            tokens: vec![token()],
        };
        let key = KeyPair::from_pem(&pki.intermediate().key_pem()).unwrap();
        let publisher = Self {
            folder,
            issuer,
            key,
            head: Mutex::new(None),
            checkpoint: checkpoint.clone(),
            segment: Mutex::new(1),
        };
        publisher.append(&Event::Checkpoint(checkpoint));
        publisher
    }

    /// Revokes a certificate of the intermediate's.
    pub(crate) fn revoke(&self, certificate: &Issued, common_name: &str) {
        self.append(&Event::Revoked(CertificateEvent {
            issuer: IssuerId::of(&self.issuer),
            serial: SerialNumber::from_octets(certificate.serial()).unwrap(),
            common_name: common_name.to_owned(),
            reason: RevocationReason::KeyCompromise,
            not_after: 4_000_000_000,
        }));
    }

    /// Seals the segment and begins the next with the state as it was at first.
    pub(crate) fn begin_segment(&self) {
        let checkpoint = Event::Checkpoint(self.checkpoint.clone());
        let successor = Hash::of(checkpoint.to_data().unwrap().get().as_bytes());
        self.append(&Event::Sealed { successor });
        *self.segment.lock().unwrap() = self.head.lock().unwrap().unwrap().seq + 1;
        self.append(&checkpoint);
    }

    fn append(&self, event: &Event) {
        let mut head = self.head.lock().unwrap();
        let time = OffsetDateTime::now_utc().replace_nanosecond(0).unwrap();
        let body = Entry::body(*head, &time.format(&Rfc3339).unwrap(), event).unwrap();
        *head = Some(Entry::parse(&body).unwrap().head());
        let signature = self.key.sign(&signed_message(&body)).unwrap();
        let line = Line {
            signer: self.issuer.fingerprint(),
            signature,
            body,
        };
        let path = self
            .folder
            .join(JOURNAL_DIR)
            .join(segment_file_name(*self.segment.lock().unwrap()));
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(line.to_text().as_bytes()).unwrap();
    }
}

fn token() -> TokenEntry {
    let secret: [u8; 32] = digest(&SHA256, TOKEN_SECRET.as_bytes())
        .as_ref()
        .try_into()
        .unwrap();
    TokenEntry {
        name: TokenName::parse("ci-deploy-prod").unwrap(),
        client_id: TOKEN_ID.to_owned(),
        secrets: vec![Hash::from(secret)],
        expires_at: 4_000_000_000,
        enabled: true,
    }
}

fn publisher(pki: &TestPki) -> Issued {
    pki.client_with("publisher", |params| {
        params.extended_key_usages.clear();
        let mut eku = extended_key_usage(&[PUBLISHER_EKU]);
        eku.set_criticality(true);
        params.custom_extensions.push(eku);
    })
}

/// RFC 5280 section 4.2.1.12, written out: rcgen's own takes no 128-bit arcs.
fn extended_key_usage(purposes: &[&[u8]]) -> CustomExtension {
    let tagged = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        [&[tag, length], content].concat()
    };
    let purposes: Vec<u8> = purposes.iter().flat_map(|oid| tagged(6, oid)).collect();
    CustomExtension::from_oid_content(&[2, 5, 29, 37], tagged(0x30, &purposes))
}
