//! Service tokens: made good, changed, refused.

use postern_pki::journal::{Event, TokenEvent};
use postern_policy::TokenName;

use super::{CertificateAuthority, Unlocked};
use crate::error::CaError;
use crate::store::{self, StoreError, TokenLife, TokenRecord};
use crate::{journal, publish, publisher};

impl CertificateAuthority {
    /// Disables a token; no passphrase is needed.
    ///
    /// # Errors
    /// When there is no such token, or it cannot be made durable or published.
    pub fn disable_token(&self, name: &TokenName, now: u64) -> Result<(), CaError> {
        let told = name.clone();
        self.take_away(
            Event::TokenDisabled(TokenEvent { name: name.clone() }),
            now,
            move |connection| store::set_token_enabled(connection, &told, false),
        )
    }

    /// Removes a token; no passphrase is needed.
    ///
    /// # Errors
    /// When there is no such token, or it cannot be made durable or published.
    pub fn delete_token(&self, name: &TokenName, now: u64) -> Result<(), CaError> {
        let told = name.clone();
        self.take_away(
            Event::TokenRemoved(TokenEvent { name: name.clone() }),
            now,
            move |connection| store::remove_token(connection, &told),
        )
    }

    fn take_away(
        &self,
        event: Event,
        now: u64,
        change: impl FnOnce(&store::Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), CaError> {
        let publisher = publisher::load(&self.home, &self.store)?;
        self.store.write(move |connection| {
            change(connection)?;
            journal::append(connection, &event, &publisher, now)
        })?;
        Ok(publish::publish(&self.home, &self.store)?)
    }
}

impl Unlocked<'_> {
    /// Adds a token.
    ///
    /// # Errors
    /// When one of that name exists, or it cannot be made durable or published.
    pub fn add_token(self, token: TokenRecord, now: u64) -> Result<(), CaError> {
        self.admit(
            Event::TokenAdded(token.to_entry()),
            now,
            move |connection| store::add_token(connection, &token),
        )
    }

    /// Changes which secrets of a token are good, and until when; gives it back as it is now.
    ///
    /// Followers take the new state whole. So taking a secret away is told in an entry that could
    /// also admit, and needs the issuing key too: without the passphrase a token can only be
    /// disabled ([`CertificateAuthority::disable_token`]).
    ///
    /// # Errors
    /// When there is no such token, no secret would be left, or it cannot be made durable or
    /// published.
    pub fn change_token(
        self,
        name: &TokenName,
        change: impl FnOnce(&mut TokenLife) + Send + 'static,
        now: u64,
    ) -> Result<TokenRecord, CaError> {
        let Self {
            authority, client, ..
        } = self;
        let (name, by) = (name.clone(), authority.actor.to_string());
        let token = authority.store.write(move |connection| {
            match store::change_token(connection, &name, change, (now, &by))? {
                Some(token) => {
                    let event = Event::TokenChanged(token.to_entry());
                    journal::append(connection, &event, &client, now)?;
                    Ok(token)
                }
                None => store::token_by_name(connection, &name),
            }
        })?;
        publish::publish(&authority.home, &authority.store)?;
        Ok(token)
    }

    /// Enables a token again.
    ///
    /// # Errors
    /// When there is no such token, or it cannot be made durable or published.
    pub fn enable_token(self, name: &TokenName, now: u64) -> Result<(), CaError> {
        let told = name.clone();
        self.admit(
            Event::TokenEnabled(TokenEvent { name: name.clone() }),
            now,
            move |connection| store::set_token_enabled(connection, &told, true),
        )
    }

    fn admit(
        self,
        event: Event,
        now: u64,
        change: impl FnOnce(&store::Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), CaError> {
        let Self {
            authority, client, ..
        } = self;
        authority.store.write(move |connection| {
            change(connection)?;
            journal::append(connection, &event, &client, now)
        })?;
        Ok(publish::publish(&authority.home, &authority.store)?)
    }
}
