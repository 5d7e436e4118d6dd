//! What an answer of the edge means.

use serde::Serialize;

/// Whether a change may still be on its way to the edge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// It may.
    Propagating,
    /// It has arrived.
    Settled,
}

/// What an answer means for the token.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "detail")]
pub enum Verdict {
    /// 200: the token opens the URL.
    Passed,
    /// A refusal (this status) that may be a change on its way to the edge.
    Propagating(u16),
    /// A redirect to Access's login page.
    LoginPage,
    /// A redirect to somewhere else, which is here.
    Redirected(String),
    /// 401.
    Unauthenticated,
    /// 403.
    Forbidden,
    /// 5xx.
    ServerFailed(u16),
    /// Any other status.
    Unexpected(u16),
    /// Nobody was reached: name, connection or TLS.
    Unreachable(String),
    /// No answer came in time, or none that is HTTP.
    NoAnswer(String),
}

impl Verdict {
    /// Reads a status and, of a redirect, its `Location`.
    pub fn of(status: u16, location: Option<&str>, phase: Phase) -> Self {
        let settled = match (status, location) {
            (200, _) => Self::Passed,
            (300..=399, Some(location)) if is_login(location) => Self::LoginPage,
            (300..=399, Some(location)) => Self::Redirected(without_query(location)),
            (401, _) => Self::Unauthenticated,
            (403, _) => Self::Forbidden,
            (500.., _) => Self::ServerFailed(status),
            _ => Self::Unexpected(status),
        };
        let may_change = matches!(settled, Self::LoginPage | Self::Forbidden);
        match phase {
            Phase::Propagating if may_change => Self::Propagating(status),
            Phase::Propagating | Phase::Settled => settled,
        }
    }

    /// Whether the token opens the URL.
    pub fn is_passed(&self) -> bool {
        *self == Self::Passed
    }

    /// What it means and what to look at.
    pub fn explanation(&self) -> String {
        match self {
            Self::Passed => "200: the token is admitted".to_owned(),
            Self::Propagating(status) => format!(
                "{status}: propagating; a change takes up to 30 s to reach the edge, ask again"
            ),
            Self::LoginPage => LOGIN_PAGE.to_owned(),
            Self::Redirected(location) => format!(
                "a redirect to {location}, which is not Access's login page: the token may be \
                 admitted and the application redirects, or a redirect rule of the zone came \
                 first; test the URL it points to"
            ),
            Self::Unauthenticated => UNAUTHENTICATED.to_owned(),
            Self::Forbidden => FORBIDDEN.to_owned(),
            Self::ServerFailed(status) => server_failed(*status),
            Self::Unexpected(status) => format!(
                "{status}: neither Access's login nor its refusal; it comes from the application \
                 behind it (is the path right?) or from a rule of the zone; only 200 passes"
            ),
            Self::Unreachable(why) => format!(
                "nobody was reached: {why}; look at the name, the network and the server's \
                 certificate; the token was not sent"
            ),
            Self::NoAnswer(why) => format!(
                "no answer: {why}; the application behind Access is slow or cuts connections; \
                 this says nothing about the token"
            ),
        }
    }
}

fn is_login(location: &str) -> bool {
    let after_scheme = location.split_once("://").map_or("", |(_, rest)| rest);
    let host = after_scheme
        .split(['/', '?', '#', ':'])
        .next()
        .unwrap_or_default();
    host.ends_with(".cloudflareaccess.com") || location.contains("/cdn-cgi/access/login")
}

/// A redirect's query may carry a token of the application's own.
fn without_query(location: &str) -> String {
    let end = location.find(['?', '#']).unwrap_or(location.len());
    location[..end]
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

fn server_failed(status: u16) -> String {
    let who = match status {
        520..=527 | 530 => "Cloudflare cannot reach the origin (its server or its tunnel is down)",
        _ => "the application behind Access failed",
    };
    format!("{status}: {who}; this says nothing against the token")
}

const LOGIN_PAGE: &str = "302 to Access's login page: the policy's decision is `allow` (it must be \
     `non_identity`, Service Auth), or the token is not in the policy; where the organization is \
     not strict, a token that is expired, disabled or sent with an old secret looks the same";
const UNAUTHENTICATED: &str = "401: not authenticated; in this order: are both headers sent once \
     and under their right names (a proxy may strip them: test with --echo), is the secret the \
     current one, is the token expired or disabled, is it of this account; an application with \
     `service_auth_401_redirect` answers 401 also to a token that is not in its policy";
const FORBIDDEN: &str = "403: the token is in no policy of this application that admits it (named \
     in `include`, all of `require` met, in no `exclude`), or it is not accepted at all and the \
     application has only Service Auth policies, or a WAF rule blocks the request before Access";

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: &str = "https://team.cloudflareaccess.com/cdn-cgi/access/login/app?kid=1";

    #[test]
    fn an_answer_is_told_by_its_status_and_where_it_redirects() {
        let elsewhere = || Verdict::Redirected("https://app.example.com/".to_owned());
        for (status, location, expected) in [
            (200, None, Verdict::Passed),
            (302, Some(LOGIN), Verdict::LoginPage),
            (302, Some("/cdn-cgi/access/login/x"), Verdict::LoginPage),
            (302, Some("https://app.example.com/?code=s"), elsewhere()),
            (301, Some("https://app.example.com/#s"), elsewhere()),
            (302, None, Verdict::Unexpected(302)),
            (401, None, Verdict::Unauthenticated),
            (403, None, Verdict::Forbidden),
            (404, None, Verdict::Unexpected(404)),
            (204, None, Verdict::Unexpected(204)),
            (502, None, Verdict::ServerFailed(502)),
            (530, None, Verdict::ServerFailed(530)),
        ] {
            assert_eq!(Verdict::of(status, location, Phase::Settled), expected);
        }
    }

    #[test]
    fn only_a_refusal_that_a_change_would_lift_is_propagating() {
        let propagating = |status, location| Verdict::of(status, location, Phase::Propagating);
        assert_eq!(propagating(302, Some(LOGIN)), Verdict::Propagating(302));
        assert_eq!(propagating(403, None), Verdict::Propagating(403));
        assert_eq!(propagating(401, None), Verdict::Unauthenticated);
        assert_eq!(propagating(200, None), Verdict::Passed);
        assert_eq!(propagating(502, None), Verdict::ServerFailed(502));
    }

    #[test]
    fn a_host_that_only_contains_accesss_name_is_no_login() {
        let location = "https://example.com/?to=team.cloudflareaccess.com";
        let verdict = Verdict::of(302, Some(location), Phase::Settled);
        assert_eq!(
            verdict,
            Verdict::Redirected("https://example.com/".to_owned())
        );
    }
}
