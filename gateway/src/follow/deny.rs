//! The operator's own list of certificates and names that are refused, whatever their issuer says.
//!
//! One entry a line: `serial HEX [issuer sha256:HEX]`, `fingerprint sha256:HEX`, `spki sha256:HEX`
//! or `name COMMON-NAME`; `#` begins a line that is a comment.

use std::collections::{HashMap, HashSet};
use std::fmt;

use postern_pki::{Certificate, IssuerId, PathRole, Rejection, VerifiedPath};
use postern_policy::{
    CommonName, CommonNameError, Fingerprint, FingerprintError, SerialNumber, SerialNumberError,
};

use super::names::NameRefusal;

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DenyEntry {
    /// Of the issuer that has this key, or of whichever.
    Serial(SerialNumber, Option<IssuerId>),
    /// One certificate.
    Fingerprint(Fingerprint),
    /// Every certificate of one key.
    Spki(Fingerprint),
    /// Every certificate of one name.
    Name(CommonName),
}

/// Why a file is no deny list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub(crate) struct DenyError {
    line: usize,
    why: DenyLineError,
}

/// Why a line is no entry.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DenyLineError {
    #[error("not UTF-8 text")]
    NotText,
    #[error(
        "not an entry; write `serial HEX`, `serial HEX issuer sha256:HEX`, `fingerprint sha256:HEX`, \
         `spki sha256:HEX` or `name COMMON-NAME`, and comments on lines of their own that begin with #"
    )]
    NoEntry,
    #[error("a digest begins with `sha256:`")]
    NoAlgorithm,
    #[error(transparent)]
    Serial(#[from] SerialNumberError),
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
    #[error(transparent)]
    Name(#[from] CommonNameError),
}

impl DenyEntry {
    fn parse(line: &str) -> Result<Self, DenyLineError> {
        let (kind, value) = line
            .split_once(char::is_whitespace)
            .ok_or(DenyLineError::NoEntry)?;
        let value = value.trim_start();
        match kind {
            // A name may hold spaces; it is the rest of the line, and no comment hides in it.
            "name" if value.contains(" #") => Err(DenyLineError::NoEntry),
            "name" => Ok(Self::Name(CommonName::parse(value)?)),
            "serial" => parse_serial(value),
            "fingerprint" => Ok(Self::Fingerprint(parse_digest(value)?)),
            "spki" => Ok(Self::Spki(parse_digest(value)?)),
            _ => Err(DenyLineError::NoEntry),
        }
    }
}

impl fmt::Display for DenyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(serial, None) => write!(f, "serial {serial}"),
            Self::Serial(serial, Some(issuer)) => {
                write!(f, "serial {serial} issuer sha256:{issuer}")
            }
            Self::Fingerprint(digest) => write!(f, "fingerprint sha256:{digest}"),
            Self::Spki(digest) => write!(f, "spki sha256:{digest}"),
            Self::Name(name) => write!(f, "name {name}"),
        }
    }
}

fn parse_serial(value: &str) -> Result<DenyEntry, DenyLineError> {
    let words: Vec<_> = value.split_whitespace().collect();
    match words.as_slice() {
        [serial] => Ok(DenyEntry::Serial(serial.parse()?, None)),
        [serial, "issuer", issuer] => {
            let issuer = IssuerId::new(parse_digest(issuer)?);
            Ok(DenyEntry::Serial(serial.parse()?, Some(issuer)))
        }
        _ => Err(DenyLineError::NoEntry),
    }
}

fn parse_digest(value: &str) -> Result<Fingerprint, DenyLineError> {
    let digest = value
        .strip_prefix("sha256:")
        .ok_or(DenyLineError::NoAlgorithm)?;
    Ok(digest.parse()?)
}

/// Reads a file's content; a line that is no entry refuses all of it.
pub(super) fn parse_list(octets: &[u8]) -> Result<Vec<DenyEntry>, DenyError> {
    let mut entries = Vec::new();
    for (at, line) in octets.split(|octet| *octet == b'\n').enumerate() {
        let entry = str::from_utf8(line).map_err(|_| DenyLineError::NotText);
        let entry = entry.map(str::trim).and_then(|line| {
            let is_entry = !line.is_empty() && !line.starts_with('#');
            is_entry.then(|| DenyEntry::parse(line)).transpose()
        });
        let line = at + 1;
        entries.extend(entry.map_err(|why| DenyError { line, why })?);
    }
    Ok(entries)
}

/// All lists together, as certificates are looked up in them.
#[derive(Debug, Default)]
pub(crate) struct DenyList {
    serials: HashMap<SerialNumber, HashSet<Option<IssuerId>>>,
    fingerprints: HashSet<Fingerprint>,
    keys: HashSet<Fingerprint>,
    /// In lower case: nobody gets around the list by writing their name in another one.
    names: HashSet<String>,
}

impl DenyList {
    pub(super) fn new<'a>(entries: impl IntoIterator<Item = &'a DenyEntry>) -> Self {
        let mut list = Self::default();
        for entry in entries {
            match entry {
                DenyEntry::Serial(serial, issuer) => {
                    list.serials.entry(*serial).or_default().insert(*issuer);
                }
                DenyEntry::Fingerprint(digest) => {
                    list.fingerprints.insert(*digest);
                }
                DenyEntry::Spki(digest) => {
                    list.keys.insert(*digest);
                }
                DenyEntry::Name(name) => {
                    list.names.insert(name.as_str().to_ascii_lowercase());
                }
            }
        }
        list
    }

    /// How many entries there are, each once.
    pub(crate) fn len(&self) -> usize {
        let serials: usize = self.serials.values().map(HashSet::len).sum();
        serials + self.fingerprints.len() + self.keys.len() + self.names.len()
    }

    /// Whether any certificate of the path, the anchor's included, is on the list.
    pub(crate) fn check(&self, path: &VerifiedPath) -> Result<(), Rejection> {
        self.check_links(path.links())?;
        let certificates = std::iter::once(path.leaf()).chain(path.issuers());
        for (at, certificate) in certificates.enumerate() {
            self.check_certificate(certificate)
                .map_err(|entry| denied(role(at), &entry))?;
        }
        self.check_leaf_names(path.leaf())
            .map_err(|entry| denied(PathRole::Leaf, &entry))
    }

    /// As [`check`](Self::check), for what a ticket keeps of a path: its serial numbers.
    pub(crate) fn check_links(
        &self,
        links: impl IntoIterator<Item = (IssuerId, SerialNumber)>,
    ) -> Result<(), Rejection> {
        if self.serials.is_empty() {
            return Ok(());
        }
        for (at, (issuer, serial)) in links.into_iter().enumerate() {
            let issuers = self.serials.get(&serial).into_iter().flatten();
            let mut of_it = issuers.filter(|of| of.is_none_or(|of| of == issuer));
            if let Some(of) = of_it.next() {
                return Err(denied(role(at), &DenyEntry::Serial(serial, *of)));
            }
        }
        Ok(())
    }

    /// Whether a name that somebody else verified is on the list.
    pub(crate) fn check_name(&self, name: &CommonName) -> Result<(), NameRefusal> {
        if self.has_name(name.as_str()) {
            Err(NameRefusal::Denied)
        } else {
            Ok(())
        }
    }

    fn check_certificate(&self, certificate: &Certificate) -> Result<(), DenyEntry> {
        let (digest, key) = (certificate.fingerprint(), certificate.spki_fingerprint());
        if self.fingerprints.contains(&digest) {
            return Err(DenyEntry::Fingerprint(digest));
        }
        if self.keys.contains(&key) {
            return Err(DenyEntry::Spki(key));
        }
        Ok(())
    }

    /// Of a leaf everything that says who it is.
    fn check_leaf_names(&self, leaf: &Certificate) -> Result<(), String> {
        let mut names = leaf.common_names().iter().chain(leaf.san_dns());
        match names.find(|name| self.has_name(name)) {
            Some(name) => Err(format!("name {name}")),
            None => Ok(()),
        }
    }

    fn has_name(&self, name: &str) -> bool {
        !self.names.is_empty() && self.names.contains(&name.to_ascii_lowercase())
    }
}

fn role(at: usize) -> PathRole {
    if at == 0 {
        PathRole::Leaf
    } else {
        PathRole::Intermediate
    }
}

fn denied(role: PathRole, entry: &impl fmt::Display) -> Rejection {
    let entry = entry.to_string();
    Rejection::Denied { role, entry }
}

#[cfg(test)]
mod tests {
    use postern_fixtures::TestPki;
    use postern_pki::{LeafProfile, PathVerifier, TrustAnchors};

    use super::*;

    fn path(pki: &TestPki, common_name: &str) -> VerifiedPath {
        let root = Certificate::from_der(pki.root().der()).unwrap();
        let anchors = TrustAnchors::new(vec![root]).unwrap();
        let verifier = PathVerifier::new(anchors, Vec::new(), LeafProfile::Strict);
        let chain = pki.client(common_name).chain();
        verifier.verify(&chain, pki.now()).unwrap()
    }

    fn entry_found(path: &VerifiedPath, list: &str) -> Option<String> {
        let list = DenyList::new(&parse_list(list.as_bytes()).unwrap());
        match list.check(path) {
            Ok(()) => None,
            Err(Rejection::Denied { entry, .. }) => Some(entry),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn each_kind_of_entry_finds_its_certificate_and_no_other() {
        let pki = TestPki::new();
        let (bad, good) = (path(&pki, "device-bad"), path(&pki, "device-good"));
        let leaf = bad.leaf();
        let issuer = IssuerId::of(&bad.issuers()[0]);
        for entry in [
            format!("serial {}", leaf.serial()),
            format!("serial {} issuer sha256:{issuer}", leaf.serial()),
            format!("fingerprint sha256:{}", leaf.fingerprint()),
            format!("spki sha256:{}", leaf.spki_fingerprint()),
            "name device-bad".to_owned(),
        ] {
            let list = format!("# why\n\n  {entry}  \r\n");
            assert_eq!(entry_found(&bad, &list), Some(entry));
            assert_eq!(entry_found(&good, &list), None);
        }
        assert!(entry_found(&bad, "name Device-BAD").is_some());
        let anothers = format!("serial {} issuer sha256:{}", leaf.serial(), "00".repeat(32));
        assert_eq!(entry_found(&bad, &anothers), None);
        // An issuer's key refuses all below it.
        assert!(entry_found(&good, &format!("spki sha256:{issuer}")).is_some());
    }

    #[test]
    fn a_line_that_is_no_entry_refuses_the_file_with_its_number() {
        let digest = "ab".repeat(32);
        for (line, why) in [
            ("serial".to_owned(), DenyLineError::NoEntry),
            ("serial 0a issuer".to_owned(), DenyLineError::NoEntry),
            ("serial 0a # stolen".to_owned(), DenyLineError::NoEntry),
            ("name a # stolen".to_owned(), DenyLineError::NoEntry),
            ("names a".to_owned(), DenyLineError::NoEntry),
            ("serial xyz".to_owned(), SerialNumberError::NotHex.into()),
            (format!("spki {digest}"), DenyLineError::NoAlgorithm),
            ("fingerprint sha256:ab".to_owned(), FingerprintError.into()),
        ] {
            let list = format!("# first\nname fine\n{line}\n");
            let found = parse_list(list.as_bytes());
            assert_eq!(found, Err(DenyError { line: 3, why }), "{line}");
        }
        let not_text = parse_list(b"name a\nname \xff\n").unwrap_err();
        assert_eq!((not_text.line, not_text.why), (2, DenyLineError::NotText));
    }
}
