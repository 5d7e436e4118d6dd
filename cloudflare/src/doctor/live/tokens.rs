//! Experiments with service tokens that are in no policy. Their secrets are dropped unread.

use reqwest::Method;
use serde_json::json;

use super::bench::{Bench, Kind, told};
use crate::access::{AccessRule, MintedToken, NewServiceToken, TokenSecret};
use crate::client::Scope;
use crate::error::ApiError;

pub(super) async fn in_use(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let minted = mint(bench, "used").await?;
    let id = minted.token.id();
    let rule = AccessRule::ServiceToken(id.to_owned());
    let group = json!({ "name": bench.name("uses"), "include": [rule.to_json()] });
    let made = bench.make(Kind::Group, &group).await?;
    let refused = bench
        .observe(Method::DELETE, &["service_tokens", id], None)
        .await?;
    if refused.status < 300 {
        bench.forget(id);
    }
    Ok(format!(
        "the group: {}; deleting: {}",
        told(&made),
        told(&refused)
    ))
}

pub(super) async fn secret_form(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let minted = mint(bench, "form").await?;
    Ok(form(&minted.secret))
}

pub(super) async fn rotation_without_overlap(bench: &mut Bench<'_>) -> Result<String, ApiError> {
    let Scope::Account(account) = bench.scope else {
        return Ok("not tried: rotating is an account's".to_owned());
    };
    let minted = mint(bench, "rotated").await?;
    let id = minted.token.id();
    let rotated = bench
        .client
        .rotate_service_token(account, id, LONG_AGO)
        .await?;
    let token = &rotated.token;
    let same_id = token.client_id() == minted.token.client_id();
    Ok(format!(
        "accepted; client id {}, version {}, previous secret until {}",
        if same_id { "kept" } else { "changed" },
        token
            .client_secret_version()
            .map_or("untold".to_owned(), |it| it.to_string()),
        token
            .previous_client_secret_expires_at()
            .unwrap_or("untold"),
    ))
}

async fn mint(bench: &mut Bench<'_>, what: &str) -> Result<MintedToken, ApiError> {
    let new = NewServiceToken {
        name: bench.name(what),
        duration: "1h".to_owned(),
    };
    let minted = bench.client.create_service_token(bench.scope, &new).await?;
    bench.owns(Kind::Token, minted.token.id());
    Ok(minted)
}

/// The prefix is public, the length is too.
fn form(secret: &TokenSecret) -> String {
    let text = secret.expose();
    let length = text.chars().count();
    if text.starts_with("cfast_") {
        return format!("`cfast_`, then {} characters", length - "cfast_".len());
    }
    let is_hex = text.chars().all(|c| c.is_ascii_hexdigit());
    format!(
        "{length} characters, {}",
        if is_hex {
            "hexadecimal"
        } else {
            "no known prefix"
        }
    )
}

const LONG_AGO: &str = "2020-01-01T00:00:00Z";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_secret_tells_nothing_of_its_value() {
        for (secret, told) in [
            ("cfast_canary", "`cfast_`, then 6 characters"),
            ("ca4a51", "6 characters, hexadecimal"),
            ("canary", "6 characters, no known prefix"),
        ] {
            assert_eq!(form(&TokenSecret::from(secret.to_owned())), told);
        }
    }
}
