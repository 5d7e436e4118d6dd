//! The authentication logs: identity logins by REST, the others by GraphQL.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, access, path};
use super::envelope::unreadable;
use super::{Client, Scope};
use crate::access::{LoginEvent, LoginQuery};
use crate::error::{ApiError, ApiErrorKind};

impl Client {
    /// Reads the log of identity logins, newest first.
    pub async fn access_requests(
        &self,
        account: &str,
        since: &str,
        limit: u32,
    ) -> Result<Vec<Value>, ApiError> {
        let account = Scope::Account(account.to_owned());
        let call = Call::get(access(&account, &["logs", "access_requests"]))
            .with_query("direction", "desc")
            .with_query("limit", limit)
            .with_query("since", since);
        let listed: Option<Vec<Value>> = self.call(call).await?;
        Ok(listed.unwrap_or_default())
    }

    /// Reads the non-identity logins of at most 7 days, oldest first. Cloudflare samples this log
    /// when there is much of it: a login that is not in it may have been.
    /// <https://developers.cloudflare.com/analytics/graphql-api/tutorials/querying-access-login-events/>
    pub async fn login_events(
        &self,
        account: &str,
        query: &LoginQuery,
    ) -> Result<Vec<LoginEvent>, ApiError> {
        let mut query = query.clone();
        let mut events = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = self.login_page(account, &query).await?;
            let is_last = page.len() < PAGE;
            append(&mut events, page);
            if is_last {
                return Ok(events);
            }
            // The page may have been cut within one moment: that moment is asked for again.
            query.since = events.last().map_or(query.since, |it| it.datetime.clone());
        }
        // Silence would look like "the old secret is quiet".
        let told = format!("there are more than {} logins", MOST_PAGES * PAGE);
        let call = Call::post(path(&["graphql"]));
        Err(call.failed(ApiErrorKind::Unreadable(told)))
    }

    async fn login_page(
        &self,
        account: &str,
        query: &LoginQuery,
    ) -> Result<Vec<LoginEvent>, ApiError> {
        let call = Call::post(path(&["graphql"]))
            .with_body(&graphql(account, query))
            .only_reads();
        let answer = self.transport.send(&call).await?;
        events(&answer).map_err(|kind| call.failed(kind))
    }
}

/// Appends a page, less what the last one ended with.
fn append(events: &mut Vec<LoginEvent>, page: Vec<LoginEvent>) {
    let end = events.last().map(|it| it.datetime.clone());
    let known = events.iter().rev();
    let known: Vec<_> = known
        .take_while(|it| Some(&it.datetime) == end.as_ref())
        .cloned()
        .collect();
    events.extend(page.into_iter().filter(|it| !known.contains(it)));
}

fn graphql(account: &str, query: &LoginQuery) -> Value {
    let mut variables = json!({
        "accountTag": account, "datetimeStart": query.since, "datetimeEnd": query.until,
    });
    let (declared, filter) = match &query.service_token_id {
        Some(id) => {
            variables["serviceTokenId"] = json!(id);
            (
                ", $serviceTokenId: string",
                ", serviceTokenId: $serviceTokenId",
            )
        }
        None => ("", ""),
    };
    let query = format!(
        "query nonIdentityLogins($accountTag: string, $datetimeStart: string, \
         $datetimeEnd: string{declared}) {{ viewer {{ accounts(filter: {{accountTag: $accountTag}}) \
         {{ accessLoginRequestsAdaptiveGroups(limit: {PAGE}, filter: {{datetime_geq: \
         $datetimeStart, datetime_leq: $datetimeEnd, identityProvider: \"nonidentity\"{filter}}}, \
         orderBy: [datetime_ASC]) {{ dimensions {{ {DIMENSIONS} }} }} }} }} }}"
    );
    json!({ "query": query, "variables": variables })
}

/// GraphQL has an envelope of its own: `data` or `errors`, both under 200.
fn events(answer: &[u8]) -> Result<Vec<LoginEvent>, ApiErrorKind> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|e| unreadable(&e))?;
    if let Some(error) = answer.errors.into_iter().flatten().next() {
        return Err(refusal(&error.message));
    }
    let accounts = answer.data.map(|data| data.viewer.accounts);
    let groups = accounts.into_iter().flatten().flat_map(|it| it.groups);
    Ok(groups.map(|group| group.dimensions).collect())
}

fn refusal(message: &str) -> ApiErrorKind {
    let message: String = message.chars().filter(|c| !c.is_control()).collect();
    // "… does not have access to the path", "not authorized for that account".
    let lower = message.to_ascii_lowercase();
    if lower.contains("access to the path") || lower.contains("authoriz") {
        return ApiErrorKind::Forbidden(message);
    }
    ApiErrorKind::Refused {
        status: 200,
        message,
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    errors: Option<Vec<GraphqlError>>,
}

#[derive(Deserialize)]
struct GraphqlError {
    message: String,
}

#[derive(Deserialize)]
struct Data {
    viewer: Viewer,
}

#[derive(Deserialize)]
struct Viewer {
    accounts: Vec<AccountData>,
}

#[derive(Deserialize)]
struct AccountData {
    #[serde(rename = "accessLoginRequestsAdaptiveGroups")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    dimensions: LoginEvent,
}

/// The most that one query gives.
const PAGE: usize = 10_000;
const MOST_PAGES: usize = 20;
/// The fields of [`LoginEvent`].
const DIMENSIONS: &str = "datetime isSuccessfulLogin identityProvider serviceTokenId \
     mtlsCommonName mtlsCertSerialId mtlsStatus approvingPolicyId cfRayId";

#[cfg(test)]
mod tests {
    use super::*;

    fn query(service_token_id: Option<&str>) -> LoginQuery {
        LoginQuery {
            since: "2026-11-24T00:00:00Z".to_owned(),
            until: "2026-11-24T01:00:00Z".to_owned(),
            service_token_id: service_token_id.map(str::to_owned),
        }
    }

    #[test]
    fn every_field_of_an_event_is_asked_for() {
        let event = serde_json::to_value(LoginEvent::default()).unwrap();
        let asked = DIMENSIONS.split(' ').collect::<Vec<_>>();
        for field in event.as_object().unwrap().keys() {
            assert!(asked.contains(&field.as_str()), "{field}");
        }
    }

    #[test]
    fn values_travel_as_variables_and_braces_pair() {
        for id in [None, Some("\"}{")] {
            let asked = graphql("acc", &query(id));
            let text = asked["query"].as_str().unwrap();
            assert!(!text.contains("2026-11-24"), "{text}");
            assert_eq!(text.matches('{').count(), text.matches('}').count());
            assert_eq!(asked["variables"]["serviceTokenId"].as_str(), id);
            assert_eq!(text.matches("$serviceTokenId").count(), id.map_or(0, |_| 2));
        }
    }

    #[test]
    fn an_error_under_200_is_a_failure() {
        let denied =
            br#"{"data":null,"errors":[{"message":"account a does not have access to the path"}]}"#;
        let refused = events(denied).unwrap_err();
        assert!(matches!(refused, ApiErrorKind::Forbidden(_)), "{refused}");
        let wrong = br#"{"data":null,"errors":[{"message":"unknown field"}]}"#;
        let refused = events(wrong).unwrap_err();
        assert!(matches!(refused, ApiErrorKind::Refused { .. }), "{refused}");
    }

    #[test]
    fn what_two_pages_share_is_listed_once() {
        let event = |datetime: &str, ray: &str| LoginEvent {
            datetime: datetime.to_owned(),
            cf_ray_id: ray.to_owned(),
            ..LoginEvent::default()
        };
        let mut all = vec![event("1", "a"), event("2", "b"), event("2", "c")];
        append(
            &mut all,
            vec![
                event("2", "b"),
                event("2", "c"),
                event("2", "d"),
                event("3", "a"),
            ],
        );
        let rays: Vec<_> = all.iter().map(|it| it.cf_ray_id.as_str()).collect();
        assert_eq!(rays, ["a", "b", "c", "d", "a"]);
    }

    #[test]
    fn events_come_out_of_their_groups() {
        let body = br#"{"data":{"viewer":{"accounts":[{"accessLoginRequestsAdaptiveGroups":[
            {"dimensions":{"datetime":"t","isSuccessfulLogin":1,"serviceTokenId":"9c"}}]}]}},
            "errors":null}"#;
        let events = events(body).unwrap();
        assert_eq!(events[0].service_token_id, "9c");
        assert_eq!(events[0].is_successful_login, 1);
    }
}
