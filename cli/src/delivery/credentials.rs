//! A client id with its secret, as any of our formats has them.

use std::io::{Read, stdin};
use std::path::Path;

use postern_ca::files;
use postern_cloudflare::access::TokenSecret;
use postern_pki::journal::Hash;
use zeroize::Zeroizing;

use crate::error::CommandError;

/// A client id with its secret. Its `Debug` says nothing of the secret.
#[derive(Debug)]
pub(crate) struct Credentials {
    client_id: String,
    secret: TokenSecret,
}

impl Credentials {
    /// Takes an id and a secret; none where one of them cannot go into a header as it is.
    pub(crate) fn new(client_id: &str, secret: &str) -> Option<Self> {
        let fits = |text: &str| {
            let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            !text.is_empty() && text.len() <= MAX_LENGTH && text.chars().all(word)
        };
        (fits(client_id) && fits(secret)).then(|| Self {
            client_id: client_id.to_owned(),
            secret: TokenSecret::from(secret.to_owned()),
        })
    }

    /// Reads any format that a secret is written in.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let found = |ids: &[&str], secrets: &[&str]| {
            Self::new(value_of(text, ids)?, value_of(text, secrets)?)
        };
        found(&ID_KEYS, &SECRET_KEYS).or_else(|| {
            let (id, secret) = text.trim().split_once(':')?;
            Self::new(id, secret)
        })
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        let octets = Zeroizing::new(files::read(path)?);
        Self::from_octets(&octets, &path.display().to_string())
    }

    /// Reads standard input, or the file if one is named.
    pub(crate) fn read_file_or_stdin(path: &Path) -> Result<Self, CommandError> {
        if path != Path::new("-") {
            return Self::read(path);
        }
        let mut octets = Zeroizing::new(Vec::with_capacity(MAX_INPUT));
        let limit = u64::try_from(MAX_INPUT).unwrap_or(u64::MAX);
        stdin()
            .take(limit)
            .read_to_end(&mut octets)
            .map_err(|error| CommandError::usage(format!("cannot read standard input: {error}")))?;
        Self::from_octets(&octets, "standard input")
    }

    fn from_octets(octets: &[u8], place: &str) -> Result<Self, CommandError> {
        let text = std::str::from_utf8(octets).ok();
        text.and_then(Self::parse).ok_or_else(|| {
            CommandError::usage(format!("{place} holds no client id with its secret"))
                .hint("any --format of `token create` will do: pair, headers, json, dotenv, k8s")
        })
    }

    /// What clients send as `CF-Access-Client-Id`.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The SHA-256 of the secret: what stores, journals and events know of it.
    pub(crate) fn hash(&self) -> Hash {
        Hash::of(self.expose().as_bytes())
    }

    /// The secret.
    pub(crate) fn secret(&self) -> &TokenSecret {
        &self.secret
    }

    /// Hands the secret to whoever writes it where it belongs.
    pub(crate) fn expose(&self) -> &str {
        self.secret.expose()
    }
}

/// What follows one of the keys in its line, without quotes.
fn value_of<'a>(text: &'a str, keys: &[&str]) -> Option<&'a str> {
    let separators = |c: char| "\"',{}\n\r".contains(c);
    let mut fields = text
        .split(separators)
        .map(str::trim)
        .filter(|field| !field.is_empty());
    while let Some(field) = fields.next() {
        let (key, rest) = match field.find([':', '=']) {
            Some(at) => (field[..at].trim(), field[at + 1..].trim()),
            None => (field, ""),
        };
        let key = key.strip_prefix("export ").unwrap_or(key);
        if keys.iter().any(|wanted| key.eq_ignore_ascii_case(wanted)) {
            if !rest.is_empty() {
                return Some(rest);
            }
            return fields.find(|field| *field != ":");
        }
    }
    None
}

const ID_KEYS: [&str; 4] = [
    "CF-Access-Client-Id",
    "CF_ACCESS_CLIENT_ID",
    "client_id",
    "client-id",
];
const SECRET_KEYS: [&str; 4] = [
    "CF-Access-Client-Secret",
    "CF_ACCESS_CLIENT_SECRET",
    "client_secret",
    "client-secret",
];
/// Longer is no id and no secret of anybody.
const MAX_LENGTH: usize = 256;
/// More than any file with one token in it.
const MAX_INPUT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use postern_policy::TokenName;

    use super::super::SecretFormat;
    use super::*;

    #[test]
    fn what_any_format_writes_is_read_back() {
        let name = TokenName::parse("ci-deploy-prod").unwrap();
        let credentials = Credentials::new("0123abcd.access", "cfast_Secret09").unwrap();
        for format in [
            SecretFormat::Pair,
            SecretFormat::Headers,
            SecretFormat::Json,
            SecretFormat::Dotenv,
            SecretFormat::K8s,
        ] {
            let text = format.write(&name, &credentials);
            let back = Credentials::parse(&text).unwrap();
            assert_eq!(back.client_id(), "0123abcd.access", "{format:?}");
            assert_eq!(back.expose(), "cfast_Secret09", "{format:?}");
        }
    }

    #[test]
    fn other_spellings_of_the_same_are_read_too() {
        for text in [
            "{ \"client_secret\" : \"s3cret\",\n  \"client_id\": \"a.access\" }",
            "{\"cf-access-client-id\":\"a.access\",\"cf-access-client-secret\":\"s3cret\"}",
            "export CF_ACCESS_CLIENT_ID=\"a.access\"\nexport CF_ACCESS_CLIENT_SECRET='s3cret'\n",
            "cf-access-client-secret:s3cret\r\ncf-access-client-id:a.access\r\n",
            "a.access:s3cret",
        ] {
            let back = Credentials::parse(text).unwrap();
            assert_eq!(
                (back.client_id(), back.expose()),
                ("a.access", "s3cret"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_pair_is_no_credentials() {
        for text in [
            "",
            "nothing",
            "a:",
            ":b",
            "a b:c",
            "CF-Access-Client-Id: a.access\n",
        ] {
            assert!(Credentials::parse(text).is_none(), "{text}");
        }
        assert!(Credentials::new("a.access", "with\r\nX-Header: y").is_none());
    }
}
