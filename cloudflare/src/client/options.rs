//! Where the API is, as whom, whose objects, and how fast.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

/// Cloudflare's API token. Its `Debug` says nothing.
#[derive(Clone)]
pub struct ApiToken(SecretString);

impl ApiToken {
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for ApiToken {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// Whose objects a call is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// `accounts/{id}`
    Account(String),
    /// `zones/{id}`
    Zone(String),
}

impl Scope {
    /// The kind of owner as it stands in the path, and its id.
    pub(crate) fn segments(&self) -> [&str; 2] {
        match self {
            Self::Account(id) => ["accounts", id],
            Self::Zone(id) => ["zones", id],
        }
    }
}

/// How to reach the API.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `https://api.cloudflare.com/client/v4`, without a slash at its end. Plain HTTP is taken
    /// only on loopback, where the emulator is.
    pub base: String,
    /// The API token.
    pub token: ApiToken,
    /// The limit on one call.
    pub timeout: Duration,
}

/// How fast a client goes, and how patient it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// Calls in one window. Cloudflare counts 1,200 for a user over dashboard, keys and tokens
    /// together; fewer leave room for the others.
    pub calls: usize,
    /// The window that slides over the calls.
    pub window: Duration,
    /// The wait before a second try; each further one doubles it.
    pub retry: Duration,
    /// The first wait for something that Cloudflare does in the background (settings that
    /// deploy, a CA that is detached); each further one doubles it.
    pub settle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            calls: 1_150,
            window: Duration::from_secs(300),
            retry: Duration::from_millis(500),
            settle: Duration::from_secs(2),
        }
    }
}
