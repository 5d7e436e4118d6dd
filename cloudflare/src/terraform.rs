//! What is ours, as Terraform writes it: resources of the Cloudflare provider (version 5) with
//! `import` blocks, and never a secret.
//!
//! An application's own policies stand inside it; service tokens are named without a secret, so
//! that Terraform neither has it nor makes another.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::access::{AccessPolicy, App};
use crate::desired::Desired;
use crate::ledger::{Ledger, ObjectKind, Owned};
use crate::remote::Remote;

/// Writes everything that is ours in an account.
pub fn export(account: &str, desired: &Desired, remote: &Remote, ledger: &Ledger) -> String {
    let mut file = File {
        account,
        text: String::from(HEAD),
    };
    for owned in ledger.iter() {
        let Some(id) = owned.id.as_deref() else {
            continue;
        };
        match owned.kind {
            ObjectKind::Certificate => file.certificate(desired, owned, id),
            ObjectKind::Group => {
                if let Some(group) = remote.groups.iter().find(|group| group.id() == id) {
                    let fields = picked(group.as_map(), &["name", "include", "require", "exclude"]);
                    file.resource("group", owned, id, &fields);
                }
            }
            ObjectKind::ServiceToken => {
                if let Some(token) = remote.tokens.iter().find(|token| token.id() == id) {
                    let fields = picked(token.as_map(), &["name", "duration"]);
                    file.resource("service_token", owned, id, &fields);
                }
            }
            // Inside their application.
            ObjectKind::App | ObjectKind::Policy | ObjectKind::TokenPolicy => {}
        }
    }
    for app in ours(remote, ledger) {
        file.app(app, remote, ledger);
    }
    file.text
}

/// The applications that hold a policy of ours, or that we made.
fn ours<'r>(remote: &'r Remote, ledger: &'r Ledger) -> impl Iterator<Item = &'r App> {
    remote.apps.iter().filter(|app| {
        let holds = ledger
            .iter()
            .any(|owned| owned.parent.as_deref() == Some(app.id()));
        holds || ledger.owns(ObjectKind::App, app.id())
    })
}

struct File<'a> {
    account: &'a str,
    text: String,
}

impl File<'_> {
    fn certificate(&mut self, desired: &Desired, owned: &Owned, id: &str) {
        let authorities = desired.authorities.iter();
        let mut matching = authorities.filter(|it| it.fingerprint.to_string() == owned.key);
        if let Some(authority) = matching.next() {
            let fields = json!({
                "name": authority.name,
                "certificate": authority.pem,
                "associated_hostnames": authority.hostnames,
            });
            self.resource("mtls_certificate", owned, id, &fields);
        }
    }

    fn app(&mut self, app: &App, remote: &Remote, ledger: &Ledger) {
        let mut fields = picked(app.as_map(), &APP_FIELDS);
        let policies = remote.policies.get(app.id()).into_iter().flatten();
        let inline: Vec<Value> = policies.map(policy).collect();
        if let Some(fields) = fields.as_object_mut() {
            fields.insert(String::from("policies"), Value::Array(inline));
        }
        let recorded = ledger.by_id(ObjectKind::App, app.id());
        let name = recorded.map_or(app.name(), |owned| &owned.name);
        self.write("application", name, app.id(), &fields);
    }

    fn resource(&mut self, kind: &str, owned: &Owned, id: &str, fields: &Value) {
        self.write(kind, &owned.name, id, fields);
    }

    fn write(&mut self, kind: &str, name: &str, id: &str, fields: &Value) {
        let kind = format!("cloudflare_zero_trust_access_{kind}");
        // The id's beginning keeps two that differ only in punctuation apart.
        let label = format!(
            "{}_{}",
            label(name),
            id.get(..8).unwrap_or(id).replace('-', "_")
        );
        let account = self.account;
        let mut text = format!("\nimport {{\n  to = {kind}.{label}\n");
        writeln!(
            text,
            "  id = {}\n}}\n",
            quoted(&format!("accounts/{account}/{id}"))
        )
        .unwrap_or_default();
        writeln!(text, "resource {} {} {{", quoted(&kind), quoted(&label)).unwrap_or_default();
        writeln!(text, "  account_id = {}", quoted(account)).unwrap_or_default();
        for (key, value) in fields.as_object().into_iter().flatten() {
            writeln!(text, "  {key} = {}", hcl(value, 1)).unwrap_or_default();
        }
        self.text.push_str(&text);
        self.text.push_str("}\n");
    }
}

fn policy(policy: &AccessPolicy) -> Value {
    if policy.is_reusable() {
        return json!({ "id": policy.id(), "precedence": policy.precedence() });
    }
    picked(
        policy.as_map(),
        &[
            "name",
            "decision",
            "precedence",
            "include",
            "require",
            "exclude",
            "session_duration",
        ],
    )
}

/// These fields, where they say something.
fn picked(document: &Map<String, Value>, keys: &[&str]) -> Value {
    let says =
        |value: &&Value| !value.is_null() && value.as_array().is_none_or(|it| !it.is_empty());
    let fields = keys.iter().filter_map(|key| {
        let value = document.get(*key).filter(says)?;
        Some(((*key).to_owned(), value.clone()))
    });
    Value::Object(fields.collect())
}

/// A Terraform name: letters, digits and underscores.
fn label(name: &str) -> String {
    let plain = name.chars().map(|c| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '_',
    });
    let label: String = plain.collect();
    match label.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => label,
        false => format!("a_{label}"),
    }
}

fn hcl(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth + 1);
    let end = "  ".repeat(depth);
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) if items.is_empty() => String::from("[]"),
        Value::Array(items) => {
            let lines = items
                .iter()
                .map(|item| format!("{indent}{},\n", hcl(item, depth + 1)));
            format!("[\n{}{end}]", lines.collect::<String>())
        }
        Value::Object(fields) if fields.is_empty() => String::from("{}"),
        Value::Object(fields) => {
            let lines = fields
                .iter()
                .map(|(key, value)| format!("{indent}{key} = {}\n", hcl(value, depth + 1)));
            format!("{{\n{}{end}}}", lines.collect::<String>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Terraform's strings: JSON's, with `${` and `%{` taken literally.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json.replace("${", "$${").replace("%{", "%%{")
}

const APP_FIELDS: [&str; 6] = [
    "name",
    "type",
    "domain",
    "session_duration",
    "skip_interstitial",
    "self_hosted_domains",
];

const HEAD: &str = "# Written by `postern cloudflare export terraform`: what Postern owns, to be taken over.\n\
    # Set `managed_by = \"terraform\"` in [application.cloudflare] before `terraform apply`.\n\
    # No secret is in here: a token's secret stays where it was delivered.\n";

#[cfg(test)]
mod tests;
