//! Where a team's keys are read from: Cloudflare, or a file where there is no way out.

use std::error::Error as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::iter::successors;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect;
use reqwest::{Client, StatusCode, Url};

/// A JWK set's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    File(PathBuf),
    Url(Url),
}

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySourceError {
    #[error("cannot read it: {0}")]
    File(#[from] io::Error),
    #[error("cannot be asked: {0}")]
    Http(String),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("its answer is larger than {MAX_OCTETS} octets")]
    TooLarge,
}

impl From<reqwest::Error> for KeySourceError {
    /// With every cause: the outermost one says no more than the URL.
    fn from(error: reqwest::Error) -> Self {
        let causes = successors(error.source(), |&cause| cause.source());
        let causes = causes.map(|cause| format!(": {cause}"));
        Self::Http(format!("{error}{}", causes.collect::<String>()))
    }
}

impl KeySource {
    /// Its place, as alarms name it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => url.to_string(),
        }
    }

    /// Reads it, in bounded time and space.
    pub(crate) async fn read(&self) -> Result<Vec<u8>, KeySourceError> {
        match self {
            Self::File(path) => read_file(path),
            Self::Url(url) => fetch(url).await,
        }
    }
}

/// A local file of a few KiB.
pub(crate) fn read_file(path: &PathBuf) -> Result<Vec<u8>, KeySourceError> {
    let mut body = Vec::new();
    let limit = u64::try_from(MAX_OCTETS).unwrap_or(u64::MAX);
    File::open(path)?.take(limit + 1).read_to_end(&mut body)?;
    if body.len() > MAX_OCTETS {
        return Err(KeySourceError::TooLarge);
    }
    Ok(body)
}

/// A client for one question: it is asked too seldom to keep a connection for.
async fn fetch(url: &Url) -> Result<Vec<u8>, KeySourceError> {
    let mut client = Client::builder()
        .timeout(ANSWER_WITHIN)
        .redirect(redirect::Policy::none());
    // Plain HTTP is allowed to loopback alone, which is never behind a proxy.
    if url.scheme() == "http" {
        client = client.no_proxy();
    }
    let mut response = client.build()?.get(url.clone()).send().await?;
    if response.status() != StatusCode::OK {
        return Err(KeySourceError::Status(response.status()));
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > MAX_OCTETS {
            return Err(KeySourceError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Cloudflare's own is about 10 KiB.
const MAX_OCTETS: usize = 256 * 1024;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
