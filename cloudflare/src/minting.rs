//! Minting a service token at Cloudflare: the applications it is to open, its policy in each, and
//! what an interrupted mint left behind.

mod policy;
mod uses;

use thiserror::Error;

use crate::access::{App, ServiceToken};
use crate::{ApiError, Client, Scope};

pub use policy::{Conditions, PolicyPlace, TokenPolicy, token_policy_name};
pub use uses::{TokenUse, TokenUses, UseKind};

/// Why a token cannot be brought to an application.
#[derive(Clone, Debug, Error)]
pub enum MintingError {
    /// The call failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// No application of that id or host is seen.
    #[error("no application at Cloudflare is `{wanted}`, as far as this API token sees")]
    NoSuchApp {
        /// What was asked for.
        wanted: String,
    },
    /// Several applications answer for the host.
    #[error("several applications at Cloudflare answer for `{wanted}`: {}; give an id", .ids.join(", "))]
    AmbiguousApp {
        /// What was asked for.
        wanted: String,
        /// Their ids.
        ids: Vec<String>,
    },
}

/// Finds the application that is meant: by id with one GET, else by its domain in the list. A
/// domain with its path comes before a bare host; a name is no address and finds nothing.
pub async fn find_app(client: &Client, scope: &Scope, wanted: &str) -> Result<App, MintingError> {
    let none = || MintingError::NoSuchApp {
        wanted: wanted.to_owned(),
    };
    if is_id(wanted) {
        return client.app(scope, wanted).await?.ok_or_else(none);
    }
    let apps = client.apps(scope).await?;
    let mut found = answering_for(apps, wanted);
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(none()),
        (Some(app), true) => Ok(app),
        (Some(app), false) => Err(MintingError::AmbiguousApp {
            wanted: wanted.to_owned(),
            ids: found
                .iter()
                .chain([&app])
                .map(|app| app.id().to_owned())
                .collect(),
        }),
    }
}

/// The tokens of a name. Cloudflare lets several have the same.
pub async fn tokens_named(
    client: &Client,
    scope: &Scope,
    name: &str,
) -> Result<Vec<ServiceToken>, ApiError> {
    let mut tokens = client.service_tokens(scope).await?;
    tokens.retain(|token| token.name() == name);
    Ok(tokens)
}

fn answering_for(apps: Vec<App>, wanted: &str) -> Vec<App> {
    let same = |domain: &str| domain.trim_end_matches('/').eq_ignore_ascii_case(wanted);
    let host = |domain: &str| {
        let host = domain.split('/').next().unwrap_or_default();
        host.eq_ignore_ascii_case(wanted)
    };
    let (exact, others): (Vec<App>, Vec<App>) = apps
        .into_iter()
        .partition(|app| app.domains().iter().any(|domain| same(domain)));
    if exact.is_empty() {
        let mut others = others;
        others.retain(|app| app.domains().iter().any(|domain| host(domain)));
        return others;
    }
    exact
}

/// Whether a text is an id of Cloudflare's: a UUID, or 32 hexadecimal digits. No host is one.
pub(crate) fn is_id(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    let dashes = text.chars().filter(|&c| c == '-').count();
    digits == 32 && matches!(dashes, 0 | 4) && text.len() == digits + dashes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app(id: &str, domains: &[&str]) -> App {
        let mut app = App::self_hosted(id, domains[0]);
        app.set("id", json!(id));
        app.set("self_hosted_domains", json!(domains));
        app
    }

    fn found(wanted: &str) -> Vec<String> {
        let apps = vec![
            app("a", &["api.example.com"]),
            app("b", &["api.example.com/admin"]),
            app("c", &["www.example.com/x", "web.example.com"]),
            app("d", &["www.example.com/y"]),
        ];
        let found = answering_for(apps, wanted);
        found.iter().map(|app| app.id().to_owned()).collect()
    }

    #[test]
    fn an_application_is_found_by_its_domain_and_never_guessed() {
        assert_eq!(found("api.example.com"), ["a"]);
        assert_eq!(found("API.example.com/admin"), ["b"]);
        assert_eq!(found("web.example.com"), ["c"]);
        assert_eq!(found("www.example.com"), ["c", "d"]);
        assert_eq!(found("example.com"), [""; 0]);
        assert_eq!(found("a"), [""; 0]);
    }

    #[test]
    fn an_id_is_told_from_a_host() {
        assert!(is_id("023e105f4ecef8ad9ca31a8372d0c353"));
        assert!(is_id("f174e90a-fafe-4643-bbbc-4a0ed4fc8415"));
        for host in [
            "api.example.com",
            "deadbeef",
            "f174e90a-fafe-4643-bbbc.4a0ed4fc8415",
        ] {
            assert!(!is_id(host), "{host}");
        }
    }
}
