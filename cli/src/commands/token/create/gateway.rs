//! A token made by our CA: good at the gateway.

use postern_ca::{Actor, ServiceTokenSecret, TokenRecord, Unlocked, new_client_id};

use crate::commands::token::terms::Terms;
use crate::delivery::{Credentials, Destination};
use crate::error::{CommandError, Kind};

/// Makes a token: the secret is delivered before the token is good, so that none is ever good
/// that nobody has.
pub(crate) fn create(
    unlocked: Unlocked<'_>,
    terms: &Terms,
    destination: &Destination,
    now: u64,
) -> Result<(TokenRecord, Credentials), CommandError> {
    let credentials = fresh_credentials(&new_client_id()?)?;
    let record = TokenRecord {
        name: terms.name.clone(),
        client_id: credentials.client_id().to_owned(),
        class: terms.class.as_str().to_owned(),
        owner: terms.owner.clone(),
        labels: terms.labels(),
        enabled: true,
        secrets: vec![credentials.hash()],
        created_at: now,
        created_by: Actor::current().to_string(),
        expires_at: terms.life.ends_at(now),
    };
    destination.deliver(&terms.name, &credentials)?;
    unlocked
        .add_token(record.clone(), now)
        .inspect_err(|_| destination.take_back())?;
    Ok((record, credentials))
}

/// A secret of our own for a client id.
pub(crate) fn fresh_credentials(client_id: &str) -> Result<Credentials, CommandError> {
    let secret = ServiceTokenSecret::generate()?;
    Credentials::new(client_id, secret.expose())
        .ok_or_else(|| CommandError::new(Kind::Integrity, format!("{client_id:?} is no client id")))
}
