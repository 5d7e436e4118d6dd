//! The permission groups of the API token.
//! <https://developers.cloudflare.com/fundamentals/api/reference/permissions/>

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::{Finding, Seen, Standing, is_denied, seen};
use crate::access::LoginQuery;
use crate::client::{Client, Scope};
use crate::error::{ApiError, ApiErrorKind};

/// What a job needs.
#[derive(Clone, Copy)]
struct Need {
    /// The group's name at Cloudflare, without the level.
    group: &'static str,
    level: Level,
    job: &'static str,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Level {
    Read,
    Write,
}

/// The names of the token's own permission groups; nothing where it may not be asked for them.
pub(super) async fn allowed(
    client: &Client,
    account: &str,
    token: &str,
) -> Result<Option<Vec<String>>, ApiError> {
    Ok(match seen(client.token_policies(account, token).await)? {
        Seen::Answer(policies) => {
            let groups = policies.allowed_groups();
            Some(groups.into_iter().map(str::to_owned).collect())
        }
        Seen::Refused(_) => None,
    })
}

/// One finding for each group, from reading something that it opens.
pub(super) async fn examine(
    client: &Client,
    scope: &Scope,
    account: &str,
    allowed: Option<&[String]>,
    now: OffsetDateTime,
) -> Result<Vec<Finding>, ApiError> {
    let since = (now - Duration::minutes(1)).format(&Rfc3339);
    let since = since.expect("a time of this era");
    let last_minute = LoginQuery {
        since: since.clone(),
        until: now.format(&Rfc3339).expect("a time of this era"),
        service_token_id: None,
    };
    let read = [
        (MTLS, client.certificates(scope).await.map(drop)),
        (APPS, client.apps(scope).await.map(drop)),
        (TOKENS, client.service_tokens(scope).await.map(drop)),
        (GROUPS, client.groups(scope).await.map(drop)),
        (
            AUDIT,
            client.access_requests(account, &since, 1).await.map(drop),
        ),
        (
            ANALYTICS,
            client.login_events(account, &last_minute).await.map(drop),
        ),
    ];
    let findings = read.into_iter().map(|(need, answer)| {
        let answer = seen(answer)?;
        Ok(need.finding(&answer, allowed))
    });
    findings.collect()
}

impl Need {
    fn finding(self, answer: &Seen<()>, allowed: Option<&[String]>) -> Finding {
        let what = format!("{} {}", self.group, self.level.name());
        let finding = |standing, detail: String| Finding::new(&what, standing, detail);
        let remedy = format!("add `{what}` to the API token: {}", self.job);
        match (answer, allowed.map(|allowed| self.is_in(allowed))) {
            (Seen::Refused(why), _) if is_denied(why) => {
                finding(Standing::Missing, "reading is refused".to_owned()).remedy(remedy)
            }
            (Seen::Refused(ApiErrorKind::NotEnabled(_)), _) => {
                let why = "the account does not have what it opens";
                finding(Standing::Unknown, why.to_owned())
            }
            (Seen::Refused(why), _) => finding(Standing::Unknown, why.to_string()),
            (Seen::Answer(()), _) if self.level == Level::Read => {
                finding(Standing::Ok, "reading works".to_owned())
            }
            (Seen::Answer(()), Some(true)) => finding(
                Standing::Ok,
                "reading works, and the token names it".to_owned(),
            ),
            (Seen::Answer(()), Some(false)) => {
                let why = "reading works, and the token does not name the right to write";
                finding(Standing::Insufficient, why.to_owned()).remedy(remedy)
            }
            (Seen::Answer(()), None) => finding(
                Standing::Unknown,
                "reading works; writing is unknown until the first write (the token may not be \
                 asked what it may do)"
                    .to_owned(),
            ),
        }
    }

    /// The API says Write where the dashboard says Edit.
    fn is_in(self, allowed: &[String]) -> bool {
        let names = self
            .level
            .names()
            .map(|level| format!("{} {level}", self.group));
        let is_named = |name: &String| allowed.iter().any(|it| it.eq_ignore_ascii_case(name));
        names.iter().any(is_named)
    }
}

impl Level {
    fn name(self) -> &'static str {
        self.names()[0]
    }

    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Read => ["Read", "Write"],
            Self::Write => ["Write", "Edit"],
        }
    }
}

const MTLS: Need = Need {
    group: "Access: Mutual TLS Certificates",
    level: Level::Write,
    job: "to upload the CA and associate hosts",
};
const APPS: Need = Need {
    group: "Access: Apps and Policies",
    level: Level::Write,
    job: "to write applications and their policies",
};
const TOKENS: Need = Need {
    group: "Access: Service Tokens",
    level: Level::Write,
    job: "to mint, rotate and delete service tokens",
};
const GROUPS: Need = Need {
    group: "Access: Organizations, Identity Providers, and Groups",
    level: Level::Write,
    job: "to write the groups of common names",
};
const AUDIT: Need = Need {
    group: "Access: Audit Logs",
    level: Level::Read,
    job: "to see people's logins",
};
const ANALYTICS: Need = Need {
    group: "Account Analytics",
    level: Level::Read,
    job: "to see which tokens and certificates are in use (evidence for rotations)",
};

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(need: Need, answer: Seen<()>, allowed: Option<&[&str]>) -> Standing {
        let allowed = allowed.map(|names| names.iter().map(|it| (*it).to_owned()).collect());
        let allowed: Option<Vec<String>> = allowed;
        need.finding(&answer, allowed.as_deref()).standing
    }

    fn denied() -> Seen<()> {
        Seen::Refused(ApiErrorKind::Forbidden(String::new()))
    }

    #[test]
    fn writing_is_known_only_from_the_tokens_own_word() {
        let read = || Seen::Answer(());
        let write: &[&str] = &["Access: Service Tokens Write"];
        let edit: &[&str] = &["access: service tokens edit"];
        let only_read: &[&str] = &[
            "Access: Service Tokens Read",
            "Access: Apps and Policies Write",
        ];
        for (answer, allowed, expected) in [
            (read(), None, Standing::Unknown),
            (read(), Some(write), Standing::Ok),
            (read(), Some(edit), Standing::Ok),
            (read(), Some(only_read), Standing::Insufficient),
            (denied(), None, Standing::Missing),
            (denied(), Some(write), Standing::Missing),
        ] {
            assert_eq!(standing(TOKENS, answer, allowed), expected, "{allowed:?}");
        }
    }

    #[test]
    fn reading_is_known_from_reading() {
        assert_eq!(standing(AUDIT, Seen::Answer(()), None), Standing::Ok);
        assert_eq!(standing(AUDIT, denied(), None), Standing::Missing);
    }

    #[test]
    fn a_feature_that_is_not_there_says_nothing_of_the_permission() {
        let absent = || Seen::Refused(ApiErrorKind::NotEnabled(String::new()));
        assert_eq!(standing(MTLS, absent(), None), Standing::Unknown);
    }
}
