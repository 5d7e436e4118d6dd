//! The API token, the account, its organization and its zones.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{Finding, Seen, Standing, is_denied, seen};
use crate::access::{AlertPolicy, Organization, VerifiedApiToken};
use crate::client::{Client, Scope};
use crate::error::{ApiError, ApiErrorKind};

/// The account that the scope belongs to.
pub(super) async fn id(client: &Client, scope: &Scope) -> Result<String, ApiError> {
    let zone = match scope {
        Scope::Account(id) => return Ok(id.clone()),
        Scope::Zone(zone) => zone,
    };
    let found = client.zone(zone).await?;
    let account = found.and_then(|zone| zone.account_id().map(str::to_owned));
    account.ok_or_else(|| ApiError {
        method: "GET",
        path: format!("/zones/{zone}"),
        kind: ApiErrorKind::NotFound,
    })
}

/// Whether the API token is accepted, and for how long; nothing more can be asked of one that is
/// not.
pub(super) async fn api_token(
    client: &Client,
    account: &str,
    now: OffsetDateTime,
) -> Result<(Finding, Option<VerifiedApiToken>), ApiError> {
    let verified = match seen(client.verify_token(account).await)? {
        Seen::Answer(verified) => verified,
        Seen::Refused(why) => {
            let finding = Finding::new(TOKEN, Standing::Missing, why.to_string());
            return Ok((finding.remedy(MAKE_ONE), None));
        }
    };
    if verified.status != "active" {
        let detail = format!("it is {}", verified.status);
        let finding = Finding::new(TOKEN, Standing::Missing, detail);
        return Ok((finding.remedy(MAKE_ONE), None));
    }
    Ok((life(&verified, now), Some(verified)))
}

fn life(verified: &VerifiedApiToken, now: OffsetDateTime) -> Finding {
    let told = verified.rest.get("expires_on");
    let Some(text) = told.and_then(serde_json::Value::as_str) else {
        return Finding::new(TOKEN, Standing::Ok, "active; it never expires")
            .remedy("give it an end and a reminder: a token for ever is one that leaks for ever");
    };
    let detail = format!("active until {text}");
    let ends_soon = OffsetDateTime::parse(text, &Rfc3339).is_ok_and(|end| end - now < SOON);
    let finding = Finding::new(TOKEN, Standing::Ok, detail);
    if ends_soon {
        return finding.remedy("it ends within 14 days: make its successor now");
    }
    finding
}

/// Whether the token sees the account.
pub(super) async fn visibility(client: &Client, account: &str) -> Result<Finding, ApiError> {
    let what = "account";
    Ok(match seen(client.account(account).await)? {
        Seen::Answer(Some(found)) => {
            Finding::new(what, Standing::Ok, format!("{} ({account})", found.name()))
        }
        Seen::Answer(None) => Finding::new(
            what,
            Standing::Unknown,
            format!("{account} is not among the accounts that the API token lists"),
        )
        .remedy("check `account_id`; a token of one permission may list no accounts at all"),
        Seen::Refused(why) => Finding::new(what, Standing::Unknown, why.to_string()),
    })
}

/// What the organization says of itself.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) findings: Vec<Finding>,
    pub(super) team_domain: Option<String>,
    pub(super) strict: Option<bool>,
}

/// Whether Zero Trust is set up, and strict.
pub(super) async fn organization(client: &Client, scope: &Scope) -> Result<Seat, ApiError> {
    let what = "Zero Trust organization";
    let why = match seen(client.organization(scope).await)? {
        Seen::Answer(found) => return Ok(seat(what, &found)),
        Seen::Refused(why) => why,
    };
    let finding = if is_denied(&why) {
        Finding::new(what, Standing::Unknown, "the API token may not read it")
    } else {
        Finding::new(what, Standing::Missing, why.to_string())
            .remedy("set up Zero Trust in the dashboard: it asks for a team name once")
    };
    Ok(Seat {
        findings: vec![finding],
        ..Seat::default()
    })
}

fn seat(what: &str, found: &Organization) -> Seat {
    let domain = found.auth_domain().map(str::to_owned);
    let detail = domain
        .clone()
        .unwrap_or_else(|| "without a team domain".to_owned());
    let strict = found.strict_service_token_auth();
    Seat {
        findings: vec![Finding::new(what, Standing::Ok, detail), strictness(strict)],
        team_domain: domain,
        strict,
    }
}

/// Organizations made since 2026-10-05 are strict and stay so.
fn strictness(strict: Option<bool>) -> Finding {
    let what = "strict service tokens";
    let finding = match strict {
        Some(true) => Finding::new(what, Standing::Ok, "a bad token gets 401 or 403"),
        Some(false) | None => Finding::new(
            what,
            Standing::Missing,
            "a bad token gets a redirect to the login page (302), which robots take for a page",
        )
        .remedy("set `strict_service_token_auth` in the organization when no client needs the 302"),
    };
    finding.advice()
}

/// Cloudflare's own alert comes once, a week before a token ends.
pub(super) async fn expiry_alert(client: &Client, account: &str) -> Result<Finding, ApiError> {
    let what = "alert before service tokens expire";
    let finding = match seen(client.alert_policies(account).await)? {
        Seen::Answer(alerts) if alerts.iter().any(AlertPolicy::is_for_expiring_tokens) => {
            Finding::new(what, Standing::Ok, "on; it comes one week before")
        }
        Seen::Answer(_) => Finding::new(what, Standing::Missing, "off")
            .remedy("add a notification of type `expiring_service_token_alert`"),
        Seen::Refused(why) => Finding::new(what, Standing::Unknown, why.to_string()),
    };
    Ok(finding.advice())
}

/// Hosts can be associated with a CA only in zones of the account.
pub(super) async fn zones(client: &Client) -> Result<Finding, ApiError> {
    let what = "zones";
    Ok(match seen(client.zones().await)? {
        Seen::Answer(zones) if zones.is_empty() => Finding::new(
            what,
            Standing::Unknown,
            "the API token lists none; whether a host belongs to the account shows at the first \
             write",
        )
        .remedy("`Zone Read` lets `plan` check the hosts"),
        Seen::Answer(zones) => {
            let names: Vec<_> = zones.iter().map(|zone| zone.name()).collect();
            Finding::new(what, Standing::Ok, names.join(", "))
        }
        Seen::Refused(why) => Finding::new(what, Standing::Unknown, why.to_string()),
    })
}

const TOKEN: &str = "API token";
const MAKE_ONE: &str = "make one under Manage Account > Account API Tokens, with the permission \
     groups of `docs/cloudflare.md`";
const SOON: Duration = Duration::days(14);

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_token_that_ends_soon_has_a_remedy() {
        let now = datetime!(2026-11-24 12:00 UTC);
        for (end, is_soon) in [
            ("2026-12-01T00:00:00Z", true),
            ("2027-06-01T00:00:00Z", false),
        ] {
            let verified = json!({ "id": "t", "status": "active", "expires_on": end });
            let finding = life(&serde_json::from_value(verified).unwrap(), now);
            assert_eq!(finding.standing, Standing::Ok);
            assert_eq!(finding.remedy.is_some(), is_soon, "{end}");
        }
    }

    #[test]
    fn an_organization_that_does_not_say_is_not_strict() {
        assert_eq!(strictness(None).standing, Standing::Missing);
        assert_eq!(strictness(Some(true)).standing, Standing::Ok);
    }
}
