//! The mint: one call whose answer holds the secret, and everything that can go wrong around it.

use postern_ca::{CertificateAuthority, EdgeObject};
use postern_cloudflare::access::{MintedToken, NewServiceToken, ServiceToken};
use postern_cloudflare::minting::tokens_named;
use postern_cloudflare::{ApiError, ApiErrorKind, is_made_since};

use super::earlier::Earlier;
use crate::cloudflare::Edge;
use crate::commands::token::record::EdgeRecord;
use crate::commands::token::steps::Steps;
use crate::commands::token::terms::Terms;
use crate::delivery::{Credentials, Destination};
use crate::error::{CommandError, Kind};
use crate::time;

/// What a run of `token create --at cloudflare` works with.
pub(crate) struct Minting<'a> {
    pub(crate) edge: &'a Edge,
    pub(crate) authority: &'a CertificateAuthority,
    pub(crate) record: EdgeRecord<'a>,
    pub(crate) terms: &'a Terms,
    pub(crate) destination: &'a Destination,
    pub(crate) steps: Steps,
}

/// A token at Cloudflare, and its secret as far as we have it.
pub(crate) struct Minted {
    pub(crate) object: EdgeObject,
    pub(crate) token: ServiceToken,
    pub(crate) secret: Secret,
}

/// Where the secret is.
pub(crate) enum Secret {
    /// In memory, and nowhere else yet.
    InHand(Credentials),
    /// At the destination; readable there or not.
    Delivered(Option<Credentials>),
}

impl Secret {
    /// The secret, where we have it.
    pub(crate) fn known(self) -> Option<Credentials> {
        match self {
            Self::InHand(credentials) => Some(credentials),
            Self::Delivered(credentials) => credentials,
        }
    }

    /// The same, to look at.
    pub(crate) fn as_known(&self) -> Option<&Credentials> {
        match self {
            Self::InHand(credentials) => Some(credentials),
            Self::Delivered(credentials) => credentials.as_ref(),
        }
    }
}

impl Minting<'_> {
    /// Gets a token: mints one, or goes on with the one of an earlier run.
    pub(crate) fn mint(&self, earlier: Earlier) -> Result<Minted, CommandError> {
        match earlier {
            Earlier::Nothing => self.mint_new(),
            Earlier::Unanswered(object) => {
                self.discard_orphan(&object)?;
                self.mint_new()
            }
            Earlier::Undelivered(object) => self.mint_again(object),
            Earlier::Arrived(object, there) => self.recall(object, Some(there)),
            Earlier::Delivered(object, there) => self.recall(object, there),
        }
    }

    fn mint_new(&self) -> Result<Minted, CommandError> {
        let mut object = self.record.intend_token(&self.terms.name)?;
        let new = NewServiceToken {
            name: self.terms.name.to_string(),
            duration: self.terms.life.for_cloudflare(),
        };
        let scope = self.edge.scope();
        let call = self.edge.client.create_service_token(&scope, &new);
        let minted = match self.edge.run(call) {
            Ok(minted) => minted,
            Err(error) => return Err(self.not_minted(&object, error)),
        };
        self.record
            .learn(&mut object, minted.token.id())
            .map_err(|error| CommandError::from(error).partly(UNRECORDED))?;
        self.steps
            .done("mint", &format!("service token {}", minted.token.id()))?;
        in_hand(object, minted)
    }

    /// The secret of an earlier run is lost. Nobody ever had it, so nothing breaks when it ends.
    fn mint_again(&self, object: EdgeObject) -> Result<Minted, CommandError> {
        let id = object.remote_id.clone().unwrap_or_default();
        let ends = time::rfc3339(time::now());
        let call = self
            .edge
            .client
            .rotate_service_token(&self.edge.account, &id, &ends);
        let minted = match self.edge.run(call) {
            Ok(minted) => minted,
            Err(error) if matches!(error.kind, ApiErrorKind::NotFound) => {
                self.steps.warn(
                    "mint",
                    &format!("service token {id} is gone: another is minted"),
                )?;
                self.record.forget(&object)?;
                return self.mint_new();
            }
            Err(error) => return Err(CommandError::from(error).partly(AGAIN)),
        };
        self.steps.warn(
            "mint",
            &format!("the secret of service token {id} was lost before it was delivered: it has a new one"),
        )?;
        in_hand(object, minted)
    }

    /// The token of an earlier run, whose secret is where it belongs.
    fn recall(
        &self,
        object: EdgeObject,
        there: Option<Credentials>,
    ) -> Result<Minted, CommandError> {
        let id = object.remote_id.as_deref().unwrap_or_default();
        let scope = self.edge.scope();
        let token = self.edge.run(self.edge.client.service_token(&scope, id))?;
        let token = token.ok_or_else(|| self.gone(id))?;
        self.steps
            .unchanged("mint", &format!("service token {id}"))?;
        Ok(Minted {
            object,
            token,
            secret: Secret::Delivered(there),
        })
    }

    /// Deletes what an earlier run may have minted without seeing the answer: before it asked,
    /// there was no token of this name.
    fn discard_orphan(&self, object: &EdgeObject) -> Result<(), CommandError> {
        let (client, scope) = (&self.edge.client, self.edge.scope());
        let name = self.terms.name.as_str();
        match self
            .edge
            .run(tokens_named(client, &scope, name))?
            .as_slice()
        {
            [] => {}
            [token] if is_orphan(token, object.intended_at) => {
                self.edge
                    .run(client.delete_service_token(&scope, token.id()))?;
                let told = format!(
                    "service token {} is deleted: it was minted by a run whose answer was lost, and its secret with it",
                    token.id()
                );
                self.steps.warn("mint", &told)?;
            }
            [token] => {
                let message = format!(
                    "service token {} is named {name}, and in use or older than the earlier run: it is not what that left",
                    token.id()
                );
                return Err(CommandError::new(Kind::Conflict, message).hint(
                    "`postern cloudflare adopt` records it as ours; or choose another name",
                ));
            }
            several => {
                let message = format!(
                    "Cloudflare has {} tokens {name}, and one mint was not answered: which is ours is not known",
                    several.len()
                );
                return Err(CommandError::new(Kind::Conflict, message)
                    .hint("delete there what nobody uses, and run this again"));
            }
        }
        Ok(self.record.forget(object)?)
    }

    fn not_minted(&self, object: &EdgeObject, error: ApiError) -> CommandError {
        if error.kind.may_have_taken_effect() {
            return CommandError::from(error).hint(ORPHAN);
        }
        match self.record.forget(object) {
            Ok(()) => CommandError::from(error),
            Err(store) => CommandError::from(store),
        }
    }

    fn gone(&self, id: &str) -> CommandError {
        let name = &self.terms.name;
        let message = format!("service token {id} of {name} is gone at Cloudflare");
        CommandError::new(Kind::Conflict, message).hint(format!(
            "`postern token delete {name}`, then this command again"
        ))
    }
}

/// Whether a mint that was asked for then, and whose answer was lost, can have left this token: made
/// since, and never used, of which the API gives no `last_seen_at`.
pub(crate) fn is_orphan(token: &ServiceToken, intended_at: u64) -> bool {
    token.last_seen_at().is_none() && is_made_since(token.created_at(), intended_at)
}

fn in_hand(object: EdgeObject, minted: MintedToken) -> Result<Minted, CommandError> {
    let credentials = Credentials::new(minted.token.client_id(), minted.secret.expose());
    let credentials = credentials.ok_or_else(|| {
        let message = "Cloudflare's answer holds a client id or secret that fits no header";
        CommandError::new(Kind::Integrity, message).partly(AGAIN)
    })?;
    Ok(Minted {
        object,
        token: minted.token,
        secret: Secret::InHand(credentials),
    })
}

/// What to do where something was done and something was not.
pub(super) const AGAIN: &str = "run the same command again: it goes on where this one stopped";
const ORPHAN: &str = "if a token was minted, its secret is lost: run the same command again, which \
                      looks for it, deletes it and mints another";
const UNRECORDED: &str = "a token was minted and could not be recorded; its secret is lost. Run the \
                          same command again, which deletes it and mints another";
