//! How a secret is written.

use clap::ValueEnum;
use postern_policy::TokenName;
use zeroize::Zeroizing;

use super::Credentials;

/// How a secret is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecretFormat {
    /// `client_id:client_secret`
    Pair,
    /// The two headers, for `curl -H @FILE`
    Headers,
    /// An object with `client_id` and `client_secret`
    Json,
    /// `CF_ACCESS_CLIENT_ID=…` and `CF_ACCESS_CLIENT_SECRET=…`
    Dotenv,
    /// A Secret with `client-id` and `client-secret`, for `kubectl apply -f -`
    K8s,
}

impl SecretFormat {
    /// The text, newline at its end.
    pub(crate) fn write(self, name: &TokenName, credentials: &Credentials) -> Zeroizing<String> {
        let (id, secret) = (credentials.client_id(), credentials.expose());
        // Credentials are letters, digits, `_`, `-` and `.`: nothing needs escaping in any of
        // these.
        Zeroizing::new(match self {
            Self::Pair => format!("{id}:{secret}\n"),
            Self::Headers => {
                format!("CF-Access-Client-Id: {id}\nCF-Access-Client-Secret: {secret}\n")
            }
            Self::Json => format!("{{\"client_id\":\"{id}\",\"client_secret\":\"{secret}\"}}\n"),
            Self::Dotenv => {
                format!("CF_ACCESS_CLIENT_ID={id}\nCF_ACCESS_CLIENT_SECRET={secret}\n")
            }
            Self::K8s => format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\ntype: Opaque\n\
                 stringData:\n  client-id: \"{id}\"\n  client-secret: \"{secret}\"\n",
                kubernetes_name(name)
            ),
        })
    }
}

/// The token's name as Kubernetes writes names: lower-case letters, digits and `-` (RFC 1123).
pub(crate) fn kubernetes_name(name: &TokenName) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let lower = name.as_str().to_ascii_lowercase();
    let words = lower
        .split(|c: char| !fits(c))
        .filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    if joined.is_empty() {
        String::from("service-token")
    } else {
        joined
    }
}
