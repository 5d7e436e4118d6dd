//! What an earlier run of `token create` left behind.

use postern_ca::EdgeObject;
use postern_cloudflare::minting::tokens_named;

use super::minting::Minting;
use crate::commands::token::record::{destination, is_undelivered};
use crate::delivery::Credentials;
use crate::error::{CommandError, Kind};

/// How far an earlier run came.
pub(crate) enum Earlier {
    /// There was none.
    Nothing,
    /// It asked for a token, and did not see the answer.
    Unanswered(EdgeObject),
    /// Its token was minted; the secret was not delivered, and is lost.
    Undelivered(EdgeObject),
    /// Its secret was delivered, and that was not recorded any more.
    Arrived(EdgeObject, Credentials),
    /// It did all of that.
    Delivered(EdgeObject, Option<Credentials>),
}

impl Minting<'_> {
    /// Looks for what an earlier run left, and refuses what is somebody else's.
    pub(crate) fn earlier(&self) -> Result<Earlier, CommandError> {
        let name = &self.terms.name;
        let known = self.authority.store().token(name)?;
        let Some(object) = self.record.token(name)? else {
            return match known {
                Some(_) => Err(self.made_here()),
                None => self.refuse_namesakes().map(|()| Earlier::Nothing),
            };
        };
        if object.remote_id.is_none() {
            return Ok(Earlier::Unanswered(object));
        }
        let there = self.destination.delivered().filter(|there| {
            known.as_ref().is_some_and(|known| {
                known.client_id == there.client_id() && known.secrets.contains(&there.hash())
            })
        });
        match (destination(&object), there) {
            (None, Some(there)) if is_undelivered(&object) => Ok(Earlier::Arrived(object, there)),
            (None, None) if is_undelivered(&object) => Ok(Earlier::Undelivered(object)),
            (None, Some(there)) => Ok(Earlier::Delivered(object, Some(there))),
            (None, None) => Err(self.delivered_elsewhere("somewhere else")),
            (Some(to), None)
                if self.destination.file().is_some() && to == self.destination.to_string() =>
            {
                Err(self.delivered_elsewhere(&format!("{to}, which does not hold it any more,")))
            }
            (Some(to), there) if to == self.destination.to_string() => {
                Ok(Earlier::Delivered(object, there))
            }
            (Some(to), _) => Err(self.delivered_elsewhere(to)),
        }
    }

    /// A token of this name that is not ours: it stays as it is, and ours would be mistaken for it.
    fn refuse_namesakes(&self) -> Result<(), CommandError> {
        let name = self.terms.name.as_str();
        let scope = self.edge.scope();
        let named = tokens_named(&self.edge.client, &scope, name);
        let Some(token) = self.edge.run(named)?.into_iter().next() else {
            return Ok(());
        };
        let message = format!(
            "Cloudflare has a token {name} already, {}, which is not recorded here",
            token.id()
        );
        Err(CommandError::new(Kind::Conflict, message)
            .hint("`postern cloudflare adopt` records it as ours; or choose another name"))
    }

    fn made_here(&self) -> CommandError {
        let name = &self.terms.name;
        let message =
            format!("token {name} exists already, minted by our CA for the gateway alone");
        CommandError::new(Kind::Conflict, message).hint(format!(
            "Cloudflare accepts none that it did not mint: `postern token delete {name}`, then \
             this command again"
        ))
    }

    fn delivered_elsewhere(&self, to: &str) -> CommandError {
        let name = &self.terms.name;
        let message = format!(
            "token {name} exists, its secret was delivered to {to} and cannot be read again"
        );
        CommandError::new(Kind::Conflict, message).hint(format!(
            "a new secret for another place: postern token rotate {name}"
        ))
    }
}
