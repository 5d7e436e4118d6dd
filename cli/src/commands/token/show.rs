//! `postern token show`

use clap::Args;
use postern_ca::{EdgeObject, TokenRecord};
use postern_cloudflare::access::ServiceToken;
use postern_policy::TokenName;
use serde_json::{Value, json};

use super::record::{EdgeRecord, destination, recorded_anywhere};
use crate::cadence::rotation_due;
use crate::cloudflare::CloudflareArgs;
use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{print_object, tell};
use crate::time;

/// Show one token: where it is good, until when, what names it
///
/// Examples:
///   postern token show ci-deploy-prod
///   postern token show ci-deploy-prod -o json
///
/// Cloudflare is asked about a token that it minted where an API token is at hand; its answer says
/// whether the token is there, enabled, and when it was last seen.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ShowArgs {
    /// The token's name
    #[arg(value_parser = super::name)]
    name: TokenName,
    #[command(flatten)]
    cloudflare: CloudflareArgs,
}

pub(crate) fn run(context: &Context, args: &ShowArgs) -> Outcome {
    let authority = context.authority()?;
    let store = authority.store();
    let token = store.token(&args.name)?;
    let mut object = recorded_anywhere(store, &args.name)?;
    if token.is_none() && object.is_none() {
        return Err(super::no_such_token(&args.name));
    }
    let mut shown = Shown::default();
    if let Some(token) = &token {
        shown.record(token, rotation_due(store, token)?);
    }
    if let Some(object) = &mut object {
        let record = EdgeRecord {
            store,
            account: &object.account.clone(),
        };
        let live = ask(context, args, object);
        if let Some(Some(token)) = &live {
            record.saw(object, token.last_seen_at())?;
        }
        shown.edge(object, live.as_ref(), &record.policies(&args.name)?);
    }
    if let Some(rotation) = store.unfinished_rotation(&args.name)? {
        shown.field(
            "rotation",
            format!("since {}", time::rfc3339(rotation.started_at())),
        );
        shown.json["rotation_since"] = json!(time::rfc3339(rotation.started_at()));
    }
    shown.json["name"] = json!(args.name.as_str());
    print_object(context.format, "postern.token/1", &shown.fields, shown.json)?;
    DONE
}

/// What Cloudflare says: nothing where it cannot be asked, none where it does not know the token.
fn ask(context: &Context, args: &ShowArgs, object: &EdgeObject) -> Option<Option<ServiceToken>> {
    let id = object.remote_id.as_deref()?;
    let asked = || -> Result<Option<Option<ServiceToken>>, CommandError> {
        let Some(edge) = args
            .cloudflare
            .connect_without_asking(args.cloudflare.account(context)?)?
        else {
            return Ok(None);
        };
        let token = edge.run(edge.client.service_token(&edge.scope(), id))?;
        Ok(Some(token))
    };
    asked().unwrap_or_else(|error| {
        tell(&format!("Cloudflare was not asked: {}", error.message()));
        None
    })
}

#[derive(Default)]
struct Shown {
    fields: Vec<(&'static str, String)>,
    json: Value,
}

impl Shown {
    fn field(&mut self, name: &'static str, value: String) {
        self.fields.push((name, value));
    }

    fn record(&mut self, token: &TokenRecord, due: u64) {
        let now = time::now();
        let secrets: Vec<String> = token.secrets.iter().map(ToString::to_string).collect();
        self.field("name", token.name.to_string());
        self.field("client id", token.client_id.clone());
        self.field("state", super::list::state(token, now).to_owned());
        self.field("class", token.class.clone());
        self.field("owner", token.owner.clone().unwrap_or_default());
        self.field(
            "created",
            format!(
                "{} by {}",
                time::rfc3339(token.created_at),
                token.created_by
            ),
        );
        let ends = time::relative(token.expires_at, now);
        self.field(
            "expires",
            format!("{} ({ends})", time::rfc3339(token.expires_at)),
        );
        self.field(
            "rotate by",
            format!("{} ({})", time::rfc3339(due), time::relative(due, now)),
        );
        self.field("secrets", secrets.join(", "));
        let labels: Value = serde_json::from_str(&token.labels).unwrap_or_default();
        if let Some(reason) = labels.get("reason").and_then(Value::as_str) {
            self.field("reason", reason.to_owned());
        }
        if let Some(device) = token.device() {
            self.field("device", device);
        }
        self.json = json!({
            "client_id": token.client_id,
            "state": super::list::state(token, now),
            "class": token.class,
            "owner": token.owner,
            "labels": labels,
            "created_at": time::rfc3339(token.created_at),
            "created_by": token.created_by,
            "expires_at": time::rfc3339(token.expires_at),
            "rotation_due_at": time::rfc3339(due),
            "secrets_sha256": secrets,
        });
    }

    fn edge(
        &mut self,
        object: &EdgeObject,
        live: Option<&Option<ServiceToken>>,
        policies: &[EdgeObject],
    ) {
        let id = object.remote_id.as_deref();
        let there = match (id, live) {
            (None, _) => "its mint was asked for, and the answer was not seen".to_owned(),
            (Some(id), None) => id.to_owned(),
            (Some(id), Some(None)) => format!("{id}, which is deleted there"),
            (Some(id), Some(Some(token))) => {
                let state = if token.is_enabled() {
                    "enabled"
                } else {
                    "disabled"
                };
                let seen = token.last_seen_at().unwrap_or("never");
                format!("{id}, {state}, last seen {seen}")
            }
        };
        self.field("cloudflare", there);
        if let Some(to) = destination(object) {
            self.field("delivered to", to.to_owned());
        }
        let ids: Vec<&str> = policies
            .iter()
            .filter_map(|policy| policy.remote_id.as_deref())
            .collect();
        self.field("policies", ids.join(", "));
        let live = live.map(Option::as_ref);
        self.json["cloudflare"] = json!({
            "account": object.account,
            "id": id,
            "delivered_to": destination(object),
            "policies": ids,
            "exists": live.map(|token| token.is_some()),
            "enabled": live.flatten().map(ServiceToken::is_enabled),
            "expires_at": live.flatten().and_then(ServiceToken::expires_at),
            "last_seen_at": live.flatten().and_then(ServiceToken::last_seen_at),
        });
    }
}
