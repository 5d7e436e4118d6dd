//! A home of its own for each test, and a follower of what it publishes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use postern_ca::{
    Actor, Ceremony, CertifiableKey, CertificateAuthority, Home, IssuableName, IssuanceRequest,
    Profiles, ServiceTokenSecret, TokenRecord, key, new_client_id,
};
use postern_pki::journal::{Entry, Head, JournalError, JournalReader, SourceAuthority};
use postern_pki::{TrustAnchors, certificates_from_pem};
use postern_policy::TokenName;
use rcgen::PublicKeyData as _;
use rustls_pki_types::UnixTime;
use tempfile::TempDir;

pub(crate) struct Site {
    pub(crate) folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder };
        let ceremony = Ceremony {
            name: "Example Corp",
            root_dir: &site.folder.path().join("root"),
            home: &site.home(),
            root_passphrase: None,
            passphrase: None,
            actor: &Actor::current(),
            now: now(),
        };
        ceremony.perform().unwrap();
        site
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn authority(&self) -> CertificateAuthority {
        open(&self.home())
    }

    pub(crate) fn journal(&self) -> PathBuf {
        Home::at(self.home()).journal()
    }

    pub(crate) fn source(&self) -> SourceAuthority {
        let read = |path: PathBuf| certificates_from_pem(&fs::read(path).unwrap()).unwrap();
        let public = Home::at(self.home()).public();
        let trust = TrustAnchors::new(read(self.folder.path().join("root/root.crt"))).unwrap();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now()));
        let publishers = read(public.join("publishers.pem"));
        SourceAuthority::new(&read(public.join("issuers.pem")), &publishers, &trust, time).unwrap()
    }

    pub(crate) fn read(
        &self,
        known: Option<Head>,
    ) -> Result<(JournalReader, Vec<Entry>), JournalError> {
        JournalReader::open(&self.journal(), &self.source(), known)
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.journal())
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        paths.sort();
        paths
    }

    pub(crate) fn rewrite(&self, change: impl FnOnce(&str) -> String) {
        let path = self.segments().pop().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, change(&text)).unwrap();
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

pub(crate) fn open(home: &Path) -> CertificateAuthority {
    CertificateAuthority::open(Home::at(home), Profiles::built_in(), Actor::current()).unwrap()
}

pub(crate) fn token(name: &str) -> TokenRecord {
    TokenRecord {
        name: TokenName::parse(name).unwrap(),
        client_id: new_client_id().unwrap(),
        class: String::from("ci"),
        owner: None,
        labels: String::from("{}"),
        enabled: true,
        secrets: vec![ServiceTokenSecret::generate().unwrap().hash()],
        created_at: now(),
        created_by: String::from("test"),
        expires_at: now() + 3600,
    }
}

pub(crate) fn new_key() -> CertifiableKey {
    let key = key::generate().unwrap();
    CertifiableKey::from_spki(&key.subject_public_key_info()).unwrap()
}

pub(crate) fn request(name: &str, profile: &str) -> IssuanceRequest {
    IssuanceRequest {
        common_name: IssuableName::parse(name).unwrap(),
        key: new_key(),
        profile: profile.to_owned(),
        alt_names: Vec::new(),
        owner: None,
        predecessor: None,
    }
}
